"""Compiled kernels of what the recommenders share: C++ on the CPU."""
