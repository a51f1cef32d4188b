"""Checkpoints: writing, reading and checking them, and fitting them to tables that have grown."""
