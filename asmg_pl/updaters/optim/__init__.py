"""How parameters take their steps: Adam, tables whose rows wait, and rules of tables alone."""
