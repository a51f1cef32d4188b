"""Tiles of rows and columns in Triton, and tuples of tiles, which take the place of arrays."""

from __future__ import annotations

import triton
import triton.language as tl

_LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def sigmoid(x):
    """σ of each number."""
    return 1.0 / (1.0 + tl.exp2(-_LOG2_E * x))


@triton.jit
def tanh(x):
    """Tanh to some units of the last place everywhere: a polynomial where 1 - 2 / (e^2x + 1) would cancel."""
    size = tl.abs(x)
    square = x * x
    near = square * (62.0 / 2835) - 17.0 / 315
    near = near * square + 2.0 / 15
    near = near * square - 1.0 / 3
    near = near * square * x + x
    far = 1.0 - 2.0 / (1.0 + tl.exp2(2 * _LOG2_E * size))
    return tl.where(size < 0.3, near, tl.where(x < 0, -far, far))


@triton.jit
def columns(pointer, column, known, COUNT: tl.constexpr):
    """COUNT numbers of each column, as a tuple of [1, C]; they stand side by side in memory."""
    found = ()
    for place in tl.static_range(COUNT):
        found = found + (tl.load(pointer + column * COUNT + place, mask=known, other=0.0),)
    return found


@triton.jit
def zeros(COUNT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """COUNT tiles of zeros."""
    found = ()
    for _ in tl.static_range(COUNT):
        found = found + (tl.zeros((ROWS, COLUMNS), dtype=tl.float32),)
    return found


@triton.jit
def side_by_side(parts, COUNT: tl.constexpr):
    """COUNT tiles [C], a power of 2, as one tile [C, COUNT]. One store is compiled much faster than COUNT stores."""
    if COUNT == 1:
        return parts[0][:, None]
    else:
        even = ()
        odd = ()
        for pair in tl.static_range(COUNT // 2):
            even = even + (parts[2 * pair],)
            odd = odd + (parts[2 * pair + 1],)
        both = tl.join(side_by_side(even, COUNT // 2), side_by_side(odd, COUNT // 2))  # [C, COUNT / 2, 2]
        return tl.reshape(both, (both.shape[0], COUNT))


@triton.jit
def apart(tile, COUNT: tl.constexpr):
    """The COUNT parts of the last axis, a power of 2, as a tuple of tiles; the reverse of the function above."""
    if COUNT == 1:
        return (tl.reshape(tile, tile.shape[:-1]),)
    else:
        even, odd = tl.split(tl.reshape(tile, tile.shape[:-1] + (COUNT // 2, 2)))
        evens = apart(even, COUNT // 2)
        odds = apart(odd, COUNT // 2)
        found = ()
        for pair in tl.static_range(COUNT // 2):
            found = found + (evens[pair], odds[pair])
        return found


@triton.jit
def total_of(tiles, COUNT: tl.constexpr):
    """The sums of tiles over their rows, [C] each."""
    found = ()
    for place in tl.static_range(COUNT):
        found = found + (tl.sum(tiles[place], axis=0),)
    return found
