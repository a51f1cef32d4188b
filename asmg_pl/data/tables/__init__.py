"""Strict reading of input files: CSV, JSON lines or Parquet.

A row is valid, or it is set aside with its line and a reason.

files ─▶ text ─▶ fields ─▶ values by the columns' meaning ─▶ rows
            │         │
            └─────────┴──▶ quarantine
"""
