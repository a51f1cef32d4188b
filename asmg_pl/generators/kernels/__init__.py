"""Compiled kernels of the cells: C++ on the CPU, ``torch.compile`` on a GPU."""
