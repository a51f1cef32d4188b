"""Random numbers that depend on a key alone, so that order, prefixes and processes change none."""
