"""Programs in other formats give the scorer's probabilities, for any number of rows and any number in them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from serving.formats.packages import BARE, FEATURED, FULL, Branching, Counting, package_of
from slowness import slow_but
from torch import Tensor

from asmg_pl.data import Batch, Sizes
from asmg_pl.errors import ConfigError, FormatError
from asmg_pl.recommenders import (
    DIN,
    DLRM,
    DCNv2,
    DeepFM,
    EmbeddingMLP,
    GRU4Rec,
    Hashed,
    MatrixFactorization,
    Recommender,
    SASRec,
    TwoTower,
)
from asmg_pl.serving import Package, open_package, write
from asmg_pl.serving.contents import Lists
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.formats import checking, names, programs, write_formats
from asmg_pl.serving.formats.checking import TOLERANCE, Sample
from asmg_pl.serving.formats.plain import PlainModel, PlainRows
from asmg_pl.serving.given import Given
from asmg_pl.serving.scorer import Scorer

Build = Callable[[Sizes], Recommender]

SHIPPED: dict[str, Build] = {
    "EmbeddingMLP": EmbeddingMLP,
    "DeepFM": DeepFM,
    "MatrixFactorization": MatrixFactorization,
    "TwoTower": TwoTower,
    "DIN": DIN,
    "DCNv2": DCNv2,
    "DLRM": DLRM,
    "SASRec": SASRec,
    "GRU4Rec": GRU4Rec,
    "Hashed": partial(Hashed, users=7, items=11),
    "Hashed, TwoTower": partial(Hashed, recommender=TwoTower, items=11),
}

#: What is tested among the quick tests.
QUICK = [("EmbeddingMLP", FULL), ("DLRM", FEATURED)]

needs_onnx = pytest.mark.skipif(
    not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs onnx, onnxscript and onnxruntime: pip install 'asmg_pl[onnx]'",
)


def loaded(path: Path) -> programs.Run:
    """A program of ``torch.export`` as another program loads it."""
    module = torch.export.load(path).module()
    return lambda rows: [each.numpy() for each in module(*(torch.from_numpy(values) for values in rows.values()))]


def in_onnxruntime(path: Path) -> programs.Run:
    """An ONNX model as another program loads it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda rows: list(session.run(None, dict(rows)))


def drawn_rows(package: Package, count: int) -> dict[str, np.ndarray]:
    """Rows with known ids, and with numbers that are nobody's."""
    draw, sizes, places = np.random.default_rng(count), package.sizes, package.manifest.history_size
    rows = {
        "user": draw.integers(-2, sizes.users + 3, count),
        "item": draw.integers(-2, sizes.items + 3, count),
        "history": draw.integers(-2, sizes.items + 3, (count, places)),
        "history_length": draw.integers(0, places + 1, count),
    }
    if sizes.context:
        rows["context"] = np.stack([draw.integers(-2, values + 3, count) for values in sizes.context], axis=1)
    if sizes.numbers:
        numbers = draw.normal(size=(count, len(sizes.numbers))).astype(np.float32)
        rows["numbers"] = np.where(draw.random(numbers.shape) < 0.3, np.float32(np.nan), numbers)
    if sizes.lists:
        longest = 1 + count % 5
        rows["lists"] = np.stack([draw.integers(-2, each.values + 3, (count, longest)) for each in sizes.lists], axis=1)
    return rows


def walked(package: Package, rows: dict[str, np.ndarray]) -> np.ndarray:
    """The probabilities that the walk gives to rows, with the row of the unknown where there is no known one."""

    def known(name: str, count: int) -> Tensor:
        return torch.from_numpy(np.where((rows[name] < 0) | (rows[name] > count), count, rows[name]))

    context = None
    if package.sizes.context:
        limits = np.array(package.sizes.context)
        given = rows["context"]
        context = torch.from_numpy(np.where((given < 0) | (given > limits), limits, given))
    lists = None
    if package.sizes.lists:
        values = np.array([[each.values] for each in package.sizes.lists])
        lists = torch.from_numpy(np.where((rows["lists"] < 0) | (rows["lists"] >= values), -1, rows["lists"]))
    batch = Batch(
        user=known("user", package.sizes.users),
        item=known("item", package.sizes.items),
        history=known("history", package.sizes.items),
        history_length=torch.from_numpy(rows["history_length"]),
        label=torch.zeros(len(rows["user"])),
        categories=package.catalogue,
        context=context,
        numbers=torch.from_numpy(rows["numbers"]) if package.sizes.numbers else None,
        lists=lists,
    )
    with torch.no_grad():
        probabilities: Tensor = package.served()(batch).sigmoid()
    return probabilities.numpy()


def agree(package: Package, run: programs.Run) -> None:
    """Check that a program gives what the walk gives, whatever the number of rows."""
    for count in (1, 7, 500):
        rows = drawn_rows(package, count)
        logit, probability = run(rows)
        assert logit.shape == probability.shape == (count,)
        assert probability.dtype == np.float32
        np.testing.assert_allclose(probability, walked(package, rows), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("name", "sizes"), slow_but(QUICK, [*product(SHIPPED, [FULL, FEATURED]), ("TwoTower", BARE)]))
def test_an_exported_program_gives_what_the_walk_gives(name: str, sizes: Sizes, tmp_path: Path) -> None:
    package = package_of(SHIPPED[name], tmp_path, sizes)
    differences = write_formats(package, tmp_path / "out", ["pt2"])
    assert differences.keys() == {"model.pt2"}
    assert differences["model.pt2"] <= TOLERANCE
    agree(package, loaded(tmp_path / "out" / "model.pt2"))


@pytest.mark.parametrize("head", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_an_exported_program_has_the_head(head: int, tmp_path: Path) -> None:
    package = package_of(MatrixFactorization, tmp_path, head=head)
    write_formats(package, tmp_path / "out", ["pt2"])
    agree(package, loaded(tmp_path / "out" / "model.pt2"))


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes", "head"),
    [*product(SHIPPED, [FULL, FEATURED], [0]), ("TwoTower", FULL, 2), ("TwoTower", FEATURED, 2)],
)
def test_an_onnx_model_gives_what_the_walk_gives(name: str, sizes: Sizes, head: int, tmp_path: Path) -> None:
    package = package_of(SHIPPED[name], tmp_path, sizes, head=head)
    write_formats(package, tmp_path / "out", ["onnx"])
    agree(package, in_onnxruntime(tmp_path / "out" / "model.onnx"))


@needs_onnx
@pytest.mark.slow
def test_an_onnx_model_of_many_numbers_has_them_in_a_second_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "ONE_FILE", 1)
    package = package_of(MatrixFactorization, tmp_path, BARE)
    write_formats(package, tmp_path / "out", ["onnx"])
    assert (tmp_path / "out" / "model.onnx.data").stat().st_size > 150 * 9 * 4
    agree(package, in_onnxruntime(tmp_path / "out" / "model.onnx"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, Path]:
    """A package, and a folder with an ONNX model and all that is beside it."""
    folder = tmp_path_factory.mktemp("formats")
    package = package_of(MatrixFactorization, folder)
    assert write_formats(package, folder / "out", ["onnx"])["model.onnx"] <= TOLERANCE
    return package, folder / "out"


@needs_onnx
def test_an_onnx_model_of_a_small_recommender_gives_what_the_walk_gives(written: tuple[Package, Path]) -> None:
    package, folder = written
    agree(package, in_onnxruntime(folder / "model.onnx"))


def test_sums_over_ids_are_written_in_operations_that_every_runtime_has(tmp_path: Path) -> None:
    package = package_of(EmbeddingMLP, tmp_path)
    rows = PlainRows(package.sizes, package.manifest.history_size, package.catalogue)
    given = {name: values[:2] for name, values in Sample.of(package).rows.items()}
    program = programs.exported(PlainModel(package.served(), rows), given)
    called = " ".join(str(node.target) for node in program.graph.nodes)
    assert "embedding" in called
    assert "embedding_bag" not in called
    assert "scatter" not in called


@needs_onnx
def test_the_inputs_have_names_and_a_free_first_axis(written: tuple[Package, Path]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(written[1] / "model.onnx")
    shapes = {each.name: each.shape for each in session.get_inputs()}
    said = json.loads((written[1] / "formats.json").read_bytes())
    assert shapes == {each["name"]: each["shape"] for each in said["inputs"]}
    assert {each.name: each.shape for each in session.get_outputs()} == {"logit": ["batch"], "probability": ["batch"]}


@needs_onnx
def test_the_example_in_the_folder_maps_names(written: tuple[Package, Path]) -> None:
    package, folder = written
    user, item = package.ids("user").name(3), package.ids("item").name(8)
    arguments = [sys.executable, str(folder / "example.py"), str(user), str(item), "nobody's"]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    expected = Scorer(package).score(user, [item, "nobody's"], history=[]).scores
    assert [float(number) for number in found] == pytest.approx(expected.tolist(), abs=TOLERANCE)


@needs_onnx
@pytest.mark.slow
def test_the_example_in_the_folder_finds_features_by_name(tmp_path: Path) -> None:
    package = package_of(TwoTower, tmp_path, FEATURED)
    write_formats(package, tmp_path / "out", ["onnx"])
    assert not [
        name for name in package.manifest.files if "features/" in name and not (tmp_path / "out" / name).exists()
    ]
    spec = spec_from_file_location("example", tmp_path / "out" / "example.py")
    assert spec is not None
    assert spec.loader is not None
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    items = ["item-3", "item-77", "nobody's"]
    contexts: list[dict[str, Given]] = [
        {},
        {"device": "context-0-1", "hour": 0.5, "words": ["list-2-1", "list-2-4"], "age": -0.3},
        {"country": "nowhere", "interests": ["list-1-9", "new"], "words": []},
    ]
    for user, context in product(["user-4", "stranger"], contexts):
        expected = Scorer(package).score(user, items, history=["item-5"], context=context).scores
        found = example.probabilities(user, items, ["item-5"], context)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@needs_onnx
@pytest.mark.slow
def test_the_same_package_gives_the_same_bytes_and_names_no_file_of_this_machine(
    written: tuple[Package, Path], tmp_path: Path
) -> None:
    package, first = written
    write_formats(package, tmp_path / "out", ["onnx"])
    same_bytes(first, tmp_path / "out")


def test_an_exported_program_has_the_same_bytes_again_and_names_no_file_of_this_machine(tmp_path: Path) -> None:
    package = package_of(MatrixFactorization, tmp_path, BARE)
    for name in ("one", "two"):
        write_formats(package, tmp_path / name, ["pt2"])
    same_bytes(tmp_path / "one", tmp_path / "two")


def same_bytes(one: Path, other: Path) -> None:
    """Check that two folders have the same files, in which no path of this machine stands."""
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = (one / path).read_bytes()
        assert content == (other / path).read_bytes(), path
        assert str(Path(checking.__file__).parents[3]).encode() not in content, path
        assert b"site-packages" not in content, path


def test_a_program_that_differs_is_not_written_and_the_message_says_by_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_of(MatrixFactorization, tmp_path, BARE)
    right = Sample.of(package)
    moved = right.probability.copy()
    moved[70] += 0.002
    monkeypatch.setattr(Sample, "of", classmethod(lambda cls, package: Sample(right.rows, moved)))
    with pytest.raises(FormatError, match=r"model\.pt2 is not written: its probabilities differ .* by up to 2\.0e-03"):
        write_formats(package, tmp_path / "out", ["pt2"])
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_a_score_that_is_no_number_is_not_written() -> None:
    sample = Sample({"user": np.arange(9), "item": np.arange(9)}, np.full(9, 0.5, np.float32))
    assert sample.check(Path("model.pt2"), lambda rows: np.full(len(rows["user"]), 0.5, np.float32)) == 0
    with pytest.raises(FormatError, match="differ from the scorer's by up to inf, for the user in row 4"):
        sample.check(Path("model.pt2"), lambda rows: np.where(rows["user"] == 4, np.nan, 0.5))


def test_the_sample_has_known_and_unknown_ids_and_values(tmp_path: Path) -> None:
    package = package_of(EmbeddingMLP, tmp_path, FEATURED)
    rows = Sample.of(package).rows
    for name in ("user", "item", "context", "lists"):
        assert (rows[name] == -1).any()
        assert (rows[name] >= 0).any()
    for column in rows["numbers"].T:
        assert np.isnan(column).any()
        assert np.isfinite(column).any()
    for number in range(len(FEATURED.lists)):
        assert (rows["lists"][:, number, 0] >= 0).any()
    assert len(np.unique(rows["numbers"][rows["item"] == rows["item"][0], 0])) == 1  # an item has one price
    assert {0, 5} <= set(rows["history_length"].tolist()) or len(set(rows["history_length"].tolist())) > 2


def test_a_writer_that_fails_leaves_nothing_and_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(torch.export, "save", fail)
    with pytest.raises(FormatError, match=r"MatrixFactorization cannot be written so \(no such operation\)"):
        write_formats(package_of(MatrixFactorization, tmp_path, BARE), tmp_path / "out", ["pt2"])
    assert not (tmp_path / "out").exists()


@needs_onnx
@pytest.mark.slow
def test_a_model_that_reads_no_histories_is_written(tmp_path: Path) -> None:
    nothing = Lists(np.zeros(0, np.int32), np.zeros(FULL.users + 1, np.int64))
    write(replace(drawn_contents(TwoTower, FULL), history=nothing, history_size=0), tmp_path / "package")
    package = open_package(tmp_path / "package")
    write_formats(package, tmp_path / "out", ["onnx"])
    agree(package, in_onnxruntime(tmp_path / "out" / "model.onnx"))


def test_lengths_of_tensors_are_followed(tmp_path: Path) -> None:
    package = package_of(Counting, tmp_path, BARE)
    write_formats(package, tmp_path / "out", ["pt2"])
    agree(package, loaded(tmp_path / "out" / "model.pt2"))


def test_a_branch_on_numbers_is_refused_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot follow Branching .*let no branch depend on what tensors"):
        write_formats(package_of(Branching, tmp_path, BARE), tmp_path / "out", ["pt2"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("formats", "message"), [(["tflite"], "no format 'tflite': there are pt2"), ([], "name one")])
def test_an_unknown_format_is_refused(formats: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        write_formats(package_of(MatrixFactorization, tmp_path), tmp_path / "out", formats)


def test_a_missing_package_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the packages onnx, onnxscript and onnxruntime: pip install"):
        write_formats(package_of(MatrixFactorization, tmp_path), tmp_path / "out", ["pt2", "onnx"])
    assert not (tmp_path / "out").exists()
