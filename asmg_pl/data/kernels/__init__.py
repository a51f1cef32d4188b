"""C++ for the path from files to mini-batches."""
