"""Rows of a table that wait for their steps: they catch up with those that took them one by one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from asmg_pl.system.compiled import cpp_compiler
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.optim.idle_steps import IdleSums
from asmg_pl.updaters.optim.lazy_rows import LazyRows, NativeLazyRows

SUMS = IdleSums((0.9, 0.999))
KINDS = [LazyRows, *([NativeLazyRows] if cpp_compiler() else [])]


@pytest.mark.parametrize("epsilon", [0.0, 1e-8, 1e-2])
@pytest.mark.parametrize("since", [0, 3, 40_000])
@pytest.mark.parametrize("steps", [1, 2, 30, 10_000])
def test_steps_without_a_gradient_add_up_to_those_taken_one_by_one(epsilon: float, since: int, steps: int) -> None:
    mean, root = torch.tensor([1e-3, -1e-5, 1e-9]).double(), torch.tensor([1e-2, 1e-4, 1e-8]).double()
    table, square = torch.zeros(1, 3).double(), root.square()[None].clone()
    rows = LazyRows(table, mean[None].clone(), square, SUMS, epsilon, since, rate=1.0)
    rows.now += steps
    rows.catch_up()
    t = since + torch.arange(1, steps + 1).double()[:, None]
    correction = (-torch.expm1(t * math.log(0.999))).sqrt() / -torch.expm1(t * math.log(0.9))
    idle = t - since
    moves = correction * 0.9**idle * mean / (0.999 ** (idle / 2) * root + epsilon)
    torch.testing.assert_close(table[0], -moves.sum(0), rtol=1e-9, atol=0)
    torch.testing.assert_close(square[0], root.square() * 0.999**steps, rtol=1e-9, atol=0)


def waiting(kind: type[LazyRows], table: Tensor, epsilon: float = 1e-8) -> LazyRows:
    return kind(table, torch.zeros_like(table), torch.zeros_like(table), SUMS, epsilon, 0, rate=1e-3)


@pytest.mark.parametrize("ids", [[0, 5], [-1, 0]])
def test_an_id_without_a_row_is_refused(ids: list[int]) -> None:
    for kind in KINDS:
        with pytest.raises(IndexError):
            waiting(kind, torch.zeros(5, 2)).read(torch.tensor(ids))


def test_ids_may_be_of_32_bits() -> None:
    for kind in KINDS:
        rows, _, places = waiting(kind, torch.zeros(5, 2)).read(torch.tensor([4, 1, 4], dtype=torch.int32))
        assert rows[places].tolist() == [4, 1, 4]


def errors(rows: LazyRows, table: Tensor, steps: int, epsilon: float = 1e-8) -> tuple[Tensor, Tensor]:
    """Errors of rows that wait, and of dense steps in float32, relative to dense steps in float64, [rows] each.

    Row 0 is touched in each step, and each later row in fewer than the one before it.
    """
    draw = torch.Generator().manual_seed(0)
    exact, dense = (table.clone().to(kind).requires_grad_() for kind in (torch.float64, torch.float32))
    adams = [(each, Adam([each], lr=1e-3, epsilon=epsilon)) for each in (exact, dense)]
    chances = 5 / torch.arange(1, len(table) + 1).float() ** 2
    for _ in range(steps):
        touched = (torch.rand(len(table), generator=draw) < chances).nonzero().flatten()
        slopes = torch.randn(len(touched), table.shape[1], generator=draw) * 10 ** (-7 * torch.rand(1, generator=draw))
        for parameter, optimizer in adams:
            parameter.grad = torch.zeros_like(parameter).index_copy(0, touched, slopes.to(parameter.dtype))
            optimizer.step()
        rows.read(touched)
        rows.step(touched, slopes.to(table.dtype), rate=1e-3)
    rows.catch_up()
    ours, theirs = ((each.detach().double() - exact.detach()).norm(dim=1) for each in (table, dense))
    size = exact.detach().norm(dim=1)
    return ours / size, theirs / size


@pytest.mark.parametrize(
    ("steps", "epsilon"), [(300, 1e-8), (300, 1e-3), pytest.param(10_000, 1e-8, marks=pytest.mark.slow)]
)
def test_the_sum_of_missed_steps_is_exact(steps: int, epsilon: float) -> None:
    table = torch.randn(40, 8, generator=torch.Generator().manual_seed(0)).double() / 10
    ours, in_float32 = errors(waiting(LazyRows, table, epsilon), table, steps, epsilon)
    assert float(ours.max()) < 1e-9
    assert float(in_float32.max()) > 1e-7, "which float32 rounds off in each step"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "steps"), [(1, 200), (9, 200), pytest.param(8, 10_000, marks=pytest.mark.slow)])
def test_rows_that_wait_are_nearer_to_the_exact_ones_than_rows_of_dense_steps(
    kind: type[LazyRows], width: int, steps: int
) -> None:
    table = torch.randn(40, width, generator=torch.Generator().manual_seed(0)) / 10
    ours, dense = errors(waiting(kind, table), table, steps)
    assert float(ours.mean()) < float(dense.mean())
    assert float(ours.mean()) < 1e-6
    assert float(ours[10:].max()) < 1e-6, "rows that are touched in one step of twenty or in fewer"


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_touched_once_and_read_after_many_steps_is_that_of_float64(kind: type[LazyRows]) -> None:
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(1, 8, generator=draw) / 10
    exact, slopes = table.double().requires_grad_(), torch.randn(1, 8, generator=draw) * 1e-6
    rows, optimizer = waiting(kind, table), Adam([exact], lr=1e-3)
    rows.step(torch.tensor([0]), slopes, rate=1e-3)
    for number in range(10_000):
        exact.grad = slopes.double() if number == 0 else torch.zeros_like(exact)
        optimizer.step()
        rows.now += number > 0
    rows.catch_up()
    torch.testing.assert_close(table.double(), exact.detach(), rtol=2e-7, atol=2e-8)


def test_a_step_waits_for_no_device() -> None:
    """On the meta device there are no numbers: whatever would have to look at one fails."""
    table, ids = torch.zeros(50, 8, device="meta"), torch.zeros(4, 7, dtype=torch.int64, device="meta")
    rows = waiting(LazyRows, table)
    read, vectors, places = rows.read(ids)
    assert vectors.shape == (len(read), 8)
    assert places.shape == ids.shape
    rows.step(read, vectors, rate=1e-3)
    rows.catch_up()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_rows_on_a_device_take_the_steps_of_dense_adam_and_nothing_waits_for_it() -> None:
    draw = torch.Generator().manual_seed(0)
    table = (torch.randn(500, 8, generator=draw) / 10).cuda()
    dense = table.clone().requires_grad_()
    rows, optimizer = waiting(LazyRows, table), Adam([dense], lr=1e-3)
    given = [torch.randint(500, (4, 7), generator=draw).cuda() for _ in range(60)]
    rows.read(given[0])  # which copies the sums
    for ids in given:
        torch.cuda.set_sync_debug_mode("error")
        read, vectors, places = rows.read(ids)
        slopes = torch.zeros_like(vectors).index_add_(0, places.flatten(), vectors[places.flatten()].cos())
        rows.step(read, slopes, rate=1e-3)
        torch.cuda.set_sync_debug_mode("default")
        dense.grad = torch.zeros_like(dense).index_add_(0, ids.flatten(), dense.detach()[ids.flatten()].cos())
        optimizer.step()
    rows.catch_up()
    torch.testing.assert_close(table, dense.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_rows_ascend_and_each_id_has_its_place(kind: type[LazyRows]) -> None:
    table = torch.arange(5000.0)[:, None]
    rows = kind(table, torch.zeros_like(table), torch.zeros_like(table), SUMS, 1e-8, 0, rate=1.0)
    for number in range(3):
        ids = torch.randint(5000, (40, 7), generator=torch.Generator().manual_seed(number))
        found, vectors, places = rows.read(ids)
        found = found[: len(ids.unique())]
        vectors = vectors[: len(found)]
        assert torch.equal(vectors, table[found])
        assert torch.equal(found, ids.unique())
        assert torch.equal(found[places], ids)
    assert [len(part) for part in rows.read(ids[:0])] == [0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_catch_up_at_the_rate_of_the_steps_that_they_missed(kind: type[LazyRows]) -> None:
    table, mean, square = torch.zeros(2, 1), torch.ones(2, 1), torch.ones(2, 1)
    rows = kind(table, mean, square, SUMS, 1e-8, 10, rate=1.0)
    rows.step(torch.tensor([0]), torch.ones(1, 1), rate=1.0)
    rows.step(torch.tensor([0]), torch.ones(1, 1), rate=1e-9)
    first = -((1 - 0.999**11) ** 0.5) / (1 - 0.9**11) * 0.9 / 0.999**0.5
    torch.testing.assert_close(table[1], torch.tensor([first]), rtol=1e-5, atol=0)


@pytest.mark.skipif(NativeLazyRows not in KINDS, reason="needs a C++ compiler")
def test_tables_that_are_read_and_moved_together_have_the_bytes_of_each_alone() -> None:
    def made() -> tuple[list[Tensor], list[NativeLazyRows]]:
        draw = torch.Generator().manual_seed(0)
        tables = [torch.randn(300, width, generator=draw) for width in (8, 1, 3)]
        kept = [(table, torch.zeros_like(table), torch.zeros_like(table)) for table in tables]
        return tables, [NativeLazyRows(*each, SUMS, 1e-8, now, rate=1e-2) for now, each in enumerate(kept)]

    (ours, together), (theirs, alone) = made(), made()
    for number in range(20):
        ids = torch.randint(300, (40,), generator=torch.Generator().manual_seed(number))
        NativeLazyRows.read_together([(rows, ids) for rows in together])
        read = [rows.read(ids) for rows in together]
        NativeLazyRows.step_together([(r, f, v, 1e-2) for r, (f, v, _) in zip(together, read, strict=True)])
        for rows in alone:
            found, vectors, _ = rows.read(ids)
            rows.step(found, vectors, rate=1e-2)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)
