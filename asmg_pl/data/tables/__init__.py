"""Strict reading of tables, CSV or Parquet: every row is what it should be, or is set aside with its line and a reason.

files ─▶ text ─▶ fields ─▶ values by the columns' meaning ─▶ rows
            │         │
            └─────────┴──▶ quarantine
"""
