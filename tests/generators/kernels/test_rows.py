"""The C++ kernel of the row generator against the plain operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.generators import ParameterShapes, RowGenerator
from asmg_pl.generators.stored import StoredRows
from asmg_pl.system.compiled import SHARE, cpp_compiler

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")


def results(generator: RowGenerator, cotangent: Tensor, *given: Tensor) -> list[Tensor]:
    """The generated rows and the gradients of all weights."""
    generator.zero_grad()
    rows = generator.generate("item", *given)
    rows.backward(cotangent)
    return [rows.detach(), *(p.grad.clone() for p in generator.parameters() if p.grad is not None)]


def drawn(width: int, steps: int, rows: int, carries: bool, counts: bool) -> list[Tensor]:
    """Cotangent, window, state and counts; some rows have no state yet, and some have not moved."""
    torch.manual_seed(rows)
    window, hidden = torch.randn(steps, rows, width), torch.randn(rows, width, 2 * carries)
    hidden[::3] = 0
    window[1:, ::4] = window[:1, ::4]
    updates = [torch.randint(0, 99, (steps, rows, 3)).float()] if counts else []
    return [torch.randn(steps, rows, width), window, hidden, *updates]


@pytest.mark.parametrize(
    ("width", "steps", "rows", "layers", "carries", "counts"),
    [
        (8, 3, 130, [32], True, True),
        (9, 3, 64, [16, 7], True, False),
        (1, 1, 63, [5], False, True),
        (3, 2, 1, [4], True, True),
        (2, 5, 0, [4], True, True),
        (17, 2, 65, [33, 3, 6], False, False),
    ],
)
def test_it_gives_the_numbers_of_the_plain_operations(
    width: int, steps: int, rows: int, layers: Sequence[int], carries: bool, counts: bool
) -> None:
    generator = RowGenerator(ParameterShapes({"item": width}, {}, steps), layers, carries, counts)
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.3)
    given = drawn(width, steps, rows, carries, counts)
    plain = results(generator, *given)
    generator.fuse(CPU)
    assert generator.computed_by == "C++"
    for ours, theirs in zip(results(generator, *given), plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5 * max([1.0, *theirs.abs().flatten().tolist()]), rtol=0)


@pytest.mark.parametrize("carries", [True, False])
def test_rows_that_are_not_read_are_left_out_and_change_nothing(carries: bool) -> None:
    rows = 150
    generator = RowGenerator(ParameterShapes({"item": 3}, {}, 3), [4], carries, counts_updates=False)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    generator.fuse(CPU)
    cotangent, window, hidden = drawn(3, 3, rows, carries, counts=False)
    asked = torch.rand(3, rows) < 0.4
    whole = StoredRows.beside(window, hidden)
    found = []
    for stored in (whole, replace(whole, asked=asked)):
        generator.zero_grad()
        made = generator.generate_stored("item", stored)
        made[asked].backward(cotangent[asked])
        found.append([made.detach(), *(p.grad.clone() for p in generator.parameters() if p.grad is not None)])
    torch.testing.assert_close(found[1][0][asked], found[0][0][asked], rtol=0, atol=0)
    assert (found[1][0][~asked] == 0).all()
    for ours, theirs in zip(*(each[1:] for each in found), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_any_number_of_threads_agrees() -> None:
    rows = 4 * SHARE + 7
    generator = RowGenerator(ParameterShapes({"item": 2}, {}, 2), [4])
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    generator.fuse(CPU)
    given, found = drawn(2, 2, rows, True, True), []
    for count in (1, 4):
        torch.set_num_threads(count)
        found.append(results(generator, *given))
    for one, four in zip(*found, strict=True):
        torch.testing.assert_close(one, four, rtol=0, atol=1e-5 * float(one.abs().max()))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=0)
