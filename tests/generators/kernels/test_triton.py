"""The Triton kernels against the plain cells: on a GPU where there is one, and else in Triton's interpreter."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.generators import GRUGenerator, ParameterShapes, ResidualGRU
from asmg_pl.generators.kernels.triton_window import TritonWindow
from asmg_pl.generators.stored import StoredRows

pytest.importorskip("triton", reason="needs Triton, which comes with torch's builds for CUDA")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1",
        reason="needs a CUDA device, or TRITON_INTERPRET=1 in the environment",
    ),
]


def drawn(
    kind: type[GRUGenerator], size: int, steps: int, rows: int, width: int, gathered: bool
) -> tuple[GRUGenerator, StoredRows]:
    """A generator with weights of any sign, and rows of a table that is larger; values and state are often small."""
    torch.manual_seed(rows)
    generator = kind(ParameterShapes({"item": width}, {}, steps), size)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    snapshots, order = torch.randn(steps, rows + 3, width) ** 3, torch.randperm(steps)
    hidden = (torch.randn(rows + 3, width, size) ** 3).tanh()
    asked = torch.randint(rows + 3, (rows,)).to(DEVICE) if gathered else range(2, 2 + rows)
    return generator.to(DEVICE), StoredRows(snapshots.to(DEVICE), order.to(DEVICE), hidden.to(DEVICE), asked)


def results(generator: GRUGenerator, rows: StoredRows, cotangent: Tensor) -> list[Tensor]:
    generator.zero_grad()
    made = generator.generate_stored("item", rows)
    made.backward(cotangent)
    return [made.detach(), *(p.grad.clone() for p in generator.parameters() if p.grad is not None)]


@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize(
    ("size", "steps", "rows", "width", "gathered"),
    [(4, 3, 37, 8, True), (1, 1, 5, 3, False), (2, 2, 300, 1, True), (3, 2, 1, 200, False), (4, 2, 0, 8, True)],
)
def test_they_give_the_numbers_of_the_plain_cells(
    kind: type[GRUGenerator], size: int, steps: int, rows: int, width: int, gathered: bool
) -> None:
    generator, stored = drawn(kind, size, steps, rows, width, gathered)
    cotangent = torch.randn(steps, rows, width).to(DEVICE)
    plain = results(generator, stored, cotangent)
    generator.kernel = TritonWindow()
    for ours, theirs in zip(results(generator, stored, cotangent), plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * max([1e-3, *theirs.abs().flatten().tolist()]))


@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
def test_states_are_carried_and_the_newest_rows_written_in_place(kept: torch.dtype) -> None:
    generator, stored = drawn(ResidualGRU, 4, 3, 37, 8, gathered=False)
    object.__setattr__(stored, "hidden", stored.hidden.to(kept))
    with torch.no_grad():
        states = generator.advance("item", *stored.oldest().copied())
        newest = generator.generate_stored("item", stored)[-1]
    before = stored.hidden.clone()
    generator.kernel = TritonWindow()
    made = torch.full_like(newest, torch.nan)
    generator.write_newest("item", stored, made, chunk_rows=7)
    torch.testing.assert_close(made, newest, rtol=1e-4, atol=1e-6)
    generator.carry_state("item", stored.oldest(), chunk_rows=7)
    torch.testing.assert_close(
        stored.hidden[2:39], states.to(kept), rtol=1e-2 if kept == torch.bfloat16 else 1e-4, atol=1e-6
    )
    assert torch.equal(stored.hidden[:2], before[:2]), "other rows keep their state"
    assert torch.equal(stored.hidden[39:], before[39:])


def test_a_small_candidate_state_keeps_its_digits() -> None:
    generator = GRUGenerator(ParameterShapes({"item": 1}, {}, 1), 1)
    for parameter in generator.parameters():
        nn.init.constant_(parameter, 1.0)
    with torch.no_grad():
        generator.get_parameter("outputs.table_item.bias").zero_()
    generator.to(DEVICE)
    values = torch.logspace(-6, 1, 50).view(1, 50, 1)
    stored = StoredRows(
        values.to(DEVICE),
        torch.zeros(1, dtype=torch.int64, device=DEVICE),
        torch.zeros(50, 1, 1, device=DEVICE),
        range(50),
    )
    exact = (values.double().sigmoid() * values.double().tanh()).float()
    generator.kernel = TritonWindow()
    torch.testing.assert_close(generator.generate_stored("item", stored).detach().cpu(), exact, rtol=2e-6, atol=0)


@pytest.mark.parametrize("gathered", [False, True])
def test_a_state_that_is_not_kept_is_zero(gathered: bool) -> None:
    generator, stored = drawn(GRUGenerator, 4, 3, 37, 8, gathered)
    cotangent = torch.randn(3, 37, 8).to(DEVICE)
    generator.kernel = TritonWindow()
    zero = results(generator, replace(stored, hidden=torch.zeros_like(stored.hidden)), cotangent)
    for ours, theirs in zip(
        results(generator, replace(stored, hidden=stored.hidden[:0]), cotangent), zero, strict=True
    ):
        assert torch.equal(ours, theirs)
