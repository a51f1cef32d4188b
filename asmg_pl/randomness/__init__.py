"""Random numbers that depend on a key alone, and not on order, prefixes or processes."""
