"""GRU cells and read-out of rows on a GPU, in Triton: one kernel forward, one backward.

    history ─▶ values and state of a coordinate, in registers ─▶ k steps ─▶ generated values

A program takes a tile of rows and columns. The backward kernel runs the steps again instead of reading what the forward
kernel would have to store. Its programs go over several tiles each, and add up the weights' gradients in registers.
"""

from __future__ import annotations

import triton
import triton.language as tl

from asmg_pl.generators.kernels.triton_tiles import apart, columns, side_by_side, sigmoid, tanh, total_of, zeros


@triton.jit
def _state(hidden, place, known, H: tl.constexpr, UNITS: tl.constexpr, KEPT: tl.constexpr):
    """The state of a tile of coordinates, a tuple of tiles; UNITS is the next power of 2 from H on."""
    units = tl.arange(0, UNITS)[None, None, :]
    there = known[:, :, None] & (units < H) & KEPT  # without a kept state it is 0
    tile = tl.load(hidden + place[:, :, None] * H + units, mask=there, other=0.0)
    return apart(tile.to(tl.float32), UNITS)


@triton.jit
def _gate(value, before, inputs, weights, GATE: tl.constexpr, UNIT: tl.constexpr, H: tl.constexpr):
    """U θ + W h of one unit of a gate."""
    total = inputs[GATE * H + UNIT] * value
    for i in tl.static_range(H):
        total += weights[i * 3 * H + GATE * H + UNIT] * before[i]
    return total


@triton.jit
def _step(value, before, inputs, weights, H: tl.constexpr):
    """The gates z and r, the candidate g and the state after a step, a tuple of H tiles each."""
    z = ()
    r = ()
    kept = ()
    for j in tl.static_range(H):
        z = z + (sigmoid(_gate(value, before, inputs, weights, 0, j, H)),)
        r = r + (sigmoid(_gate(value, before, inputs, weights, 1, j, H)),)
    for j in tl.static_range(H):
        kept = kept + (r[j] * before[j],)
    g = ()
    after = ()
    for j in tl.static_range(H):
        g = g + (tanh(_gate(value, kept, inputs, weights, 2, j, H)),)
        after = after + (before[j] + z[j] * (g[j] - before[j]),)
    return z, r, g, after


@triton.jit
def _rows(rows, first, row, n, GATHERED: tl.constexpr):
    """Where rows stand in the table, int64."""
    if GATHERED:
        return tl.load(rows + row, mask=row < n, other=0).to(tl.int64)
    else:
        return first + row.to(tl.int64)


@triton.jit(do_not_specialize=["first", "n", "table_rows"])
def forward(
    snapshots,
    slots,
    rows,
    hidden,
    input_weight,
    hidden_weight,
    read_weight,
    bias,
    scale,
    out,
    states,
    first,
    n,
    table_rows,
    D,
    K: tl.constexpr,
    H: tl.constexpr,
    UNITS: tl.constexpr,
    KEPT: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    GATHERED: tl.constexpr,
    RESIDUAL: tl.constexpr,
    WRITTEN_FROM: tl.constexpr,
    KEEPS_STATES: tl.constexpr,
):
    """Generate rows after the steps from WRITTEN_FROM on, [K - WRITTEN_FROM, n, D], or the states after step K."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    known = (row < n)[:, None] & (column < D)
    place = _rows(rows, first, row, n, GATHERED)[:, None] * D + column
    target = row.to(tl.int64)[:, None] * D + column
    inputs = columns(input_weight, column, column < D, 3 * H)
    weights = columns(hidden_weight, column, column < D, 3 * H * H)
    state = _state(hidden, place, known, H, UNITS, KEPT)
    if not KEEPS_STATES:
        read = columns(read_weight, column, column < D, H)
        constant = tl.load(bias + column, mask=column < D, other=0.0)
        if RESIDUAL:
            share = tl.load(scale + column, mask=column < D, other=0.0)
    for k in tl.static_range(K):
        slot = tl.load(slots + k).to(tl.int64)
        value = tl.load(snapshots + slot * table_rows * D + place, mask=known, other=0.0)
        z, r, g, state = _step(value, state, inputs, weights, H)
        if not KEEPS_STATES and k >= WRITTEN_FROM:
            made = constant
            for j in tl.static_range(H):
                made = made + read[j] * state[j]
            if RESIDUAL:
                made = value + value * share + made
            tl.store(out + (k - WRITTEN_FROM) * n.to(tl.int64) * D + target, made, mask=known)
    if KEEPS_STATES:
        for j in tl.static_range(H):
            tl.store(states + target * H + j, state[j].to(states.dtype.element_ty), mask=known)


@triton.jit
def _gate_slopes(step, given, later, read, weights, H: tl.constexpr):
    """The gradients of the gates' maps, 3H tiles, and of the state before a step, H tiles.

    Args:
        step: value, state before, z, r, g and state after.
        given: the gradient of the value that is generated after the step.
        later: what later steps say of the state after the step.
        read: weights of the read-out.
        weights: W of all gates.
        H: size of the state.
    """
    value, before, z, r, g, after = step
    slope_z = ()
    slope_r = ()
    slope_g = ()
    direct = ()
    for j in tl.static_range(H):
        by_state = later[j] + read[j] * given
        slope_g = slope_g + (by_state * z[j] * (1.0 - g[j] * g[j]),)
        slope_z = slope_z + (by_state * (g[j] - before[j]) * z[j] * (1.0 - z[j]),)
        direct = direct + (by_state * (1.0 - z[j]),)
    through_r = ()
    for j in tl.static_range(H):
        through = weights[j * 3 * H + 2 * H] * slope_g[0]
        for a in tl.static_range(1, H):
            through += weights[j * 3 * H + 2 * H + a] * slope_g[a]
        slope_r = slope_r + (through * before[j] * r[j] * (1.0 - r[j]),)
        through_r = through_r + (direct[j] + through * r[j],)
    slopes = slope_z + slope_r + slope_g
    earlier = ()
    for j in tl.static_range(H):
        total = through_r[j]
        for a in tl.static_range(2 * H):
            total += weights[j * 3 * H + a] * slopes[a]
        earlier = earlier + (total,)
    return slopes, earlier


@triton.jit(do_not_specialize=["first", "n", "table_rows", "numbers"])
def backward(
    snapshots,
    slots,
    rows,
    hidden,
    input_weight,
    hidden_weight,
    read_weight,
    scale,
    gradient,
    sums,
    first,
    n,
    table_rows,
    D,
    numbers,
    K: tl.constexpr,
    H: tl.constexpr,
    UNITS: tl.constexpr,
    KEPT: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PADDED: tl.constexpr,
    GATHERED: tl.constexpr,
    RESIDUAL: tl.constexpr,
):
    """The gradients of all weights from that of the generated rows, [K, n, D]; each program writes its own sums."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    kind = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[:, None]
    number = tl.arange(0, PADDED)[None, :]
    hidden_from: tl.constexpr = 3 * H
    read_from: tl.constexpr = 3 * H + 3 * H * H
    of_input = (kind < D) & (number < hidden_from)
    of_hidden = (kind < D) & (number >= hidden_from) & (number < read_from)
    of_read = (kind < D) & (number >= read_from) & (number < read_from + H)
    given_weights = tl.load(input_weight + kind * 3 * H + number, mask=of_input, other=0.0)
    given_weights += tl.load(hidden_weight + kind * 3 * H * H + number - hidden_from, mask=of_hidden, other=0.0)
    given_weights += tl.load(read_weight + kind * H + number - read_from, mask=of_read, other=0.0)
    parts = apart(given_weights, PADDED)
    inputs = ()
    weights = ()
    read = ()
    for part in tl.static_range(3 * H):
        inputs = inputs + (parts[part],)
    for part in tl.static_range(3 * H * H):
        weights = weights + (parts[3 * H + part],)
    for part in tl.static_range(H):
        read = read + (parts[3 * H + 3 * H * H + part],)
    by_input = zeros(3 * H, ROWS, COLUMNS)
    by_hidden = zeros(3 * H * H, ROWS, COLUMNS)
    by_read = zeros(H, ROWS, COLUMNS)
    by_bias = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    by_scale = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    tile = tl.program_id(0)
    while tile * ROWS < n:
        row = tile * ROWS + tl.arange(0, ROWS)
        known = (row < n)[:, None] & (column < D)
        place = _rows(rows, first, row, n, GATHERED)[:, None] * D + column
        target = row.to(tl.int64)[:, None] * D + column
        state = _state(hidden, place, known, H, UNITS, KEPT)
        steps = ()
        for k in tl.static_range(K):
            slot = tl.load(slots + k).to(tl.int64)
            value = tl.load(snapshots + slot * table_rows * D + place, mask=known, other=0.0)
            z, r, g, after = _step(value, state, inputs, weights, H)
            steps = steps + ((value, state, z, r, g, after),)
            state = after
        later = zeros(H, ROWS, COLUMNS)
        for back in tl.static_range(K):
            given = tl.load(gradient + (K - 1 - back) * n.to(tl.int64) * D + target, mask=known, other=0.0)
            slopes, later = _gate_slopes(steps[K - 1 - back], given, later, read, weights, H)
            value, before, z, r, g, after = steps[K - 1 - back]
            by_bias += given
            by_scale += given * value
            added_input = ()
            added_hidden = ()
            added_read = ()
            for a in tl.static_range(3 * H):
                added_input = added_input + (by_input[a] + slopes[a] * value,)
            for i in tl.static_range(H):
                added_read = added_read + (by_read[i] + given * after[i],)
                for a in tl.static_range(2 * H):
                    added_hidden = added_hidden + (by_hidden[i * 3 * H + a] + slopes[a] * before[i],)
                for a in tl.static_range(2 * H, 3 * H):
                    added_hidden = added_hidden + (by_hidden[i * 3 * H + a] + slopes[a] * (r[i] * before[i]),)
            by_input = added_input
            by_hidden = added_hidden
            by_read = added_read
        tile += tl.num_programs(0)
    own = sums + tl.program_id(0).to(tl.int64) * numbers
    padding = zeros(PADDED - H * (4 + 3 * H), 1, COLUMNS)
    total = side_by_side(total_of(by_input + by_hidden + by_read + padding, PADDED), PADDED)
    tl.store(own + kind * 3 * H + number, total, mask=of_input)
    own += D * 3 * H
    tl.store(own + kind * 3 * H * H + number - hidden_from, total, mask=of_hidden)
    own += D * 3 * H * H
    tl.store(own + kind * H + number - read_from, total, mask=of_read)
    own += D * H
    tl.store(own + column, tl.sum(by_bias, axis=0)[None, :], mask=column < D)
    if RESIDUAL:
        tl.store(own + D + column, tl.sum(by_scale, axis=0)[None, :], mask=column < D)
