"""The bounds of a conversion."""

#: The most rows of a part of a new stream.
MOST_ROWS = 2**24
#: Numbers in a context feature that are more than these may not be meant as categories.
MANY_VALUES = 300
