"""The C++ kernel against the plain cells, and what happens where it cannot be compiled."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data.kernels import appearance, columns, delimited, texts
from asmg_pl.errors import ConfigError
from asmg_pl.generators import GRUGenerator, ParameterShapes, ResidualGRU, VanillaCells
from asmg_pl.generators.kernels import native
from asmg_pl.generators.kernels.native import NativeWindow
from asmg_pl.generators.stored import StoredRows
from asmg_pl.recommenders.kernels import distinct, fields, gathered, mlp, numbers, pairs
from asmg_pl.system.compiled import SHARE, cpp_compiler, library, library_or_none
from asmg_pl.updaters import ASMG, Updater
from asmg_pl.updaters.optim import dense_steps, lazy_rows

CPU = torch.device("cpu")
KERNELS = Path(native.__file__).parent
needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")


def results(generator: GRUGenerator, window: Tensor, hidden: Tensor, cotangent: Tensor) -> list[Tensor]:
    """The generated rows and the gradients of all weights."""
    generator.zero_grad()
    rows = generator.generate("item", window, hidden)
    rows.backward(cotangent)
    return [rows.detach(), *(p.grad.clone() for p in generator.parameters() if p.grad is not None)]


@needs_compiler
@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize(
    ("hidden_size", "steps", "rows"), [(4, 3, 0), (4, 3, 1), (4, 3, 63), (1, 1, 64), (2, 7, 130), (8, 2, 65)]
)
def test_it_gives_the_numbers_of_the_plain_cells(
    kind: type[GRUGenerator], hidden_size: int, steps: int, rows: int
) -> None:
    torch.manual_seed(rows)
    generator = kind(ParameterShapes({"item": 3}, {}, steps), hidden_size)
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=2.0)  # some gates are wide open, some shut
    given = torch.randn(steps, rows, 3), torch.randn(rows, 3, hidden_size).tanh(), torch.randn(steps, rows, 3)
    plain = results(generator, *given)
    generator.fuse(CPU)
    assert isinstance(generator.kernel, NativeWindow)
    for ours, theirs in zip(results(generator, *given), plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 * max([1.0, *theirs.abs().flatten().tolist()]), rtol=0)


@needs_compiler
@pytest.mark.parametrize("rows", [3, 70])
def test_rows_that_are_not_read_are_left_out_and_change_nothing(rows: int) -> None:
    torch.manual_seed(0)
    generator = ResidualGRU(ParameterShapes({"item": 3}, {}, 3), 4)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    generator.fuse(CPU)
    whole = StoredRows(torch.randn(3, 90, 3), torch.tensor([1, 2, 0]), torch.randn(90, 3, 4), torch.randperm(90)[:rows])
    asked = torch.rand(3, rows) < 0.4
    found = []
    for stored in (whole, replace(whole, asked=asked)):
        generator.zero_grad()
        made = generator.generate_stored("item", stored)
        made[asked].square().sum().backward()
        found.append([made.detach(), *(p.grad.clone() for p in generator.parameters() if p.grad is not None)])
    torch.testing.assert_close(found[1][0][asked], found[0][0][asked], rtol=0, atol=0)
    assert found[1][0].isfinite().all()
    for ours, theirs in zip(*(each[1:] for each in found), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6 * float(theirs.abs().max()))


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors never have the instructions")
def test_processors_without_the_longest_instructions_get_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    generator = ResidualGRU(ParameterShapes({"item": 3}, {}, 2), 2)
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=2.0)
    given = torch.randn(2, 70, 3), torch.randn(70, 3, 2).tanh(), torch.randn(2, 70, 3)
    plain = results(generator, *given)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("asmg_pl.system.compiled.FLAGS", ["-O1", "-march=native", "-mno-avx512f", "-w"])
    library.cache_clear()
    generator.fuse(CPU)
    library.cache_clear()
    for ours, theirs in zip(results(generator, *given), plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 * max([1.0, *theirs.abs().flatten().tolist()]), rtol=0)


@needs_compiler
@pytest.mark.parametrize("rows", [torch.tensor([7, 0, 7]), range(2, 90)])
def test_a_state_that_is_not_kept_is_zero(rows: Tensor | range) -> None:
    torch.manual_seed(0)
    generator = GRUGenerator(ParameterShapes({"item": 3}, {}, 2), 4)
    kept = StoredRows(torch.randn(2, 90, 3), torch.tensor([1, 0]), torch.zeros(90, 3, 4), rows)
    none = StoredRows(kept.snapshots, kept.order, torch.empty(0, 3, 4), rows)
    plain = generator.generate_stored("item", none)
    assert torch.equal(plain, generator.generate_stored("item", kept))
    generator.fuse(CPU)
    assert torch.equal(generator.generate_stored("item", none), generator.generate_stored("item", kept))
    torch.testing.assert_close(generator.generate_stored("item", none), plain)


@needs_compiler
def test_dense_coordinates_are_those_of_the_plain_cells() -> None:
    torch.manual_seed(0)
    generator = ResidualGRU(ParameterShapes({"item": 3}, {"a": 6, "b": 3}, 2), 4)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    window, hidden = torch.randn(2, 9), torch.randn(9, 4).tanh()

    def found() -> list[Tensor]:
        generator.zero_grad()
        made = generator.generate_dense(window, hidden)
        made.square().sum().backward()
        return [made.detach(), *(p.grad.clone() for p in generator.parameters() if p.grad is not None)]

    plain = found()
    generator.fuse(CPU)
    for ours, theirs in zip(found(), plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 * max(1.0, float(theirs.abs().max())), rtol=0)


@needs_compiler
def test_a_model_may_have_no_dense_coordinate() -> None:
    generator = ResidualGRU(ParameterShapes({"item": 3}, {}, 2), 4)
    generator.fuse(CPU)
    made = generator.generate_dense(torch.empty(2, 0), torch.empty(0, 4))
    assert made.shape == (2, 0)
    stored = generator.generate_stored_dense(StoredRows.beside(torch.empty(2, 1, 0), torch.empty(1, 0, 4)))
    stored.sum().backward()
    assert stored.shape == (2, 0)


@needs_compiler
def test_the_state_after_a_window_is_that_of_the_plain_cells() -> None:
    torch.manual_seed(0)
    generator = GRUGenerator(ParameterShapes({"item": 3}, {}, 2), 4)
    window, hidden = torch.randn(2, 70, 3), torch.randn(70, 3, 4).tanh()
    with torch.no_grad():
        plain = generator.advance("item", window, hidden)
        generator.fuse(CPU)
        torch.testing.assert_close(generator.advance("item", window, hidden), plain, atol=1e-5, rtol=0)


@needs_compiler
def test_gates_that_are_far_out_saturate() -> None:
    generator = GRUGenerator(ParameterShapes({"item": 1}, {}, 1), 1)
    for parameter in generator.parameters():
        nn.init.constant_(parameter, 50.0)
    generator.fuse(CPU)
    window, hidden = torch.tensor([[[-9.0], [0.0], [9.0]]]), torch.zeros(3, 1, 1)
    torch.testing.assert_close(generator.generate("item", window, hidden).flatten(), torch.tensor([50.0, 50.0, 100.0]))


@needs_compiler
def test_any_number_of_threads_agrees() -> None:
    torch.manual_seed(0)
    rows = 4 * SHARE + 7
    generator = ResidualGRU(ParameterShapes({"item": 2}, {}, 2), 4)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    given = torch.randn(2, rows, 2), torch.randn(rows, 2, 4), torch.randn(2, rows, 2)
    generator.fuse(CPU)
    threads, found = torch.get_num_threads(), []
    for count in (1, 4):
        torch.set_num_threads(count)
        found.append(results(generator, *given))
    torch.set_num_threads(threads)
    for one, four in zip(*found, strict=True):
        torch.testing.assert_close(one, four, rtol=0, atol=1e-6 * float(one.abs().max()))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=0)


@needs_compiler
def test_cells_of_another_kind_stay_plain() -> None:
    generator = GRUGenerator(ParameterShapes({"item": 2}, {}, 2), 4, VanillaCells)
    generator.fuse(CPU)
    assert generator.kernel is None


@needs_compiler
@pytest.mark.parametrize("size", [1, 3, 4])
def test_small_states_keep_their_digits(size: int) -> None:
    """θ* / θ is finite where θ is small: the digits of tanh and of e^x - 1 must not cancel."""
    generator = GRUGenerator(ParameterShapes({"item": 1}, {}, 1), size)
    for parameter in generator.parameters():
        nn.init.constant_(parameter, 1.0)
    with torch.no_grad():
        generator.get_parameter("outputs.table_item.bias").zero_()
    values = torch.logspace(-8, 1, 100).view(1, 100, 1)
    exact = size * values.double().sigmoid() * values.double().tanh()
    generator.fuse(CPU)
    made = generator.generate("item", values, torch.zeros(100, 1, size)).double()
    torch.testing.assert_close(made, exact, rtol=2e-6, atol=0)
    made = generator.generate("item", -values, torch.zeros(100, 1, size)).double()
    exact = -size * (-values.double()).sigmoid() * values.double().tanh()
    torch.testing.assert_close(made, exact, rtol=5e-6, atol=0)


@needs_compiler
def test_gradients_of_small_values_keep_their_digits() -> None:
    torch.manual_seed(0)
    generator = ResidualGRU(ParameterShapes({"item": 2}, {}, 2), 4)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    given = [1e-4 * torch.rand(2, 70, 2), torch.zeros(70, 2, 4), 1 + torch.rand(2, 70, 2)]
    plain = results(generator.double(), *(each.double() for each in given))
    generator.float().fuse(CPU)
    for ours, theirs in zip(results(generator, *given), plain, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


@needs_compiler
@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
def test_states_are_carried_and_the_newest_rows_written_in_place(kept: torch.dtype) -> None:
    torch.manual_seed(0)
    generator = ResidualGRU(ParameterShapes({"item": 3}, {}, 3), 4)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    hidden = torch.randn(90, 3, 4).tanh().to(kept)
    stored = StoredRows(torch.randn(4, 90, 3), torch.tensor([2, 0, 1]), hidden, range(5, 85))
    with torch.no_grad():
        newest = generator.generate_stored("item", stored)[-1]
        states = generator.advance("item", *stored.oldest().copied())
    before, made = hidden.clone(), torch.full_like(newest, torch.nan)
    generator.fuse(CPU)
    generator.write_newest("item", stored, made, chunk_rows=7)
    torch.testing.assert_close(made, newest, rtol=1e-5, atol=1e-5)
    generator.carry_state("item", stored.oldest(), chunk_rows=7)
    torch.testing.assert_close(hidden[5:85], states.to(kept), rtol=1e-2 if kept == torch.bfloat16 else 1e-5, atol=1e-5)
    assert torch.equal(hidden[:5], before[:5])
    assert torch.equal(hidden[85:], before[85:]), "other rows keep their state"


def test_a_compiler_may_be_named_with_what_comes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "env LANG=C g++")
    found = cpp_compiler()
    assert found is not None
    assert found[1:] == ["LANG=C", "g++"]
    monkeypatch.setenv("CXX", "no-such-launcher g++")
    assert cpp_compiler() is None


@needs_compiler
def test_a_launcher_of_the_compiler_compiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", f"env {cpp_compiler()[0]}")  # type: ignore[index]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library.cache_clear()
    assert library(KERNELS / "gru_window.cpp", STATE=1, VECTORS=1).forward


@pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang++")
def test_clang_compiles_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "clang++")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library.cache_clear()
    assert library(KERNELS / "gru_window.cpp", STATE=2, VECTORS=1).forward
    assert library(KERNELS / "row_window.cpp").forward


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    kernels = [appearance, columns, delimited, texts, distinct, fields, gathered, mlp, numbers, pairs, dense_steps]
    caches = library, library_or_none, lazy_rows._library, *(kernel._native for kernel in kernels)
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_plain_cells_do_unless_it_was_asked_for(short_walk: Callable[..., Updater]) -> None:
    updater = short_walk(ASMG, window=1, until=4)
    assert isinstance(updater, ASMG)
    (said,) = updater.notes()
    assert said.startswith("generator: computed by plain operations: there is no C++ compiler: install g++")
    assert isinstance(updater.generator, GRUGenerator)
    assert updater.generator.kernel is None
    with pytest.raises(ConfigError, match=r"compile_generator: there is no C\+\+ compiler: install g\+\+"):
        short_walk(ASMG, window=1, until=4, compile_generator=True)


@needs_compiler
def test_what_does_not_compile_is_reported_with_the_compilers_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("asmg_pl.system.compiled.FLAGS", ["-DINPUTS=("])
    library.cache_clear()
    with pytest.raises(OSError, match=r"(?s)cannot compile gru_window.cpp: .*error"):
        library(Path(native.__file__).with_name("gru_window.cpp"), STATE=3, VECTORS=1)
    assert not list(tmp_path.rglob("*.so"))
