"""The rows of tables: how they start, appear, come and go, and what is counted of them."""
