"""Top-K metrics: the ranks of items, counted a chunk of cases at a time, and baselines beside."""
