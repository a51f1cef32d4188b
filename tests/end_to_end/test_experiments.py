"""Experiments as a user has them: from an installed wheel, in a folder without the repository, by methods' names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml
from end_to_end.installed import Installed, Program

pytestmark = pytest.mark.slow

#: A stream of 31 periods of 20 rows; period 11 selects, 12 warms up, and 13 and 14 are tests.
DEMO = [
    *("--config", "demo", "--data.source.init_args.rows", "620", "--data.source.init_args.users", "20"),
    *("--data.source.init_args.items", "30", "--data.source.init_args.categories", "3"),
    *("--model.init_args.pretrain_epochs", "1", "--model.init_args.test_from", "14", "--loop.until", "15"),
]
MINE = '''
from asmg_pl.updaters import BatchUpdate


class Rehearse(BatchUpdate):
    """An updater of the user's own."""
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with a module and a method of the user's own."""
    folder = tmp_path_factory.mktemp("user") / "place"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "rehearse.yaml").write_text("model: {class_path: mine.Rehearse}\n")
    (folder / "grid.yaml").write_text('"*":\n  data.batch_size: [20]\n')
    return folder


@pytest.fixture(scope="module")
def asmg(installed: Installed, place: Path) -> Iterator[Program]:
    """The installed program in that folder, where a module has a name of Python's, which its walks must not import."""
    program = Program(installed, place)
    assert "usage: asmg report" in ran(program, "report", "--help")
    (place / "random.py").write_text("raise ImportError('not the module of Python')")
    yield program
    program.close()


def ran(asmg: Program, *arguments: str) -> str:
    """The output of a command that ends well."""
    code, said = asmg(*arguments)
    assert code == 0, said
    return said


def test_a_walk_ends_and_can_be_reported_alone(asmg: Program, place: Path) -> None:
    ran(asmg, "fit", *DEMO, "--trainer.default_root_dir", "runs/demo")
    ran(asmg, "report", "runs/demo", "--out", "demo.html")
    page = (place / "demo.html").read_text()
    assert '<p id="verdict">' in page
    assert "DriftingStream, 620 rows, 31 periods" in page


def test_methods_are_compared_by_name_with_one_of_the_users_own(asmg: Program, place: Path) -> None:
    said = ran(asmg, "compare", "runs/all", "--methods", "iu", "rehearse.yaml", "--seeds", "1", "--", *DEMO)
    rows = pl.read_csv(place / "runs" / "all" / "comparison.csv")
    assert set(rows["method"]) == {"iu", "rehearse"}
    assert rows["lift"].is_not_null().all()
    assert rows["peak_mib"].min() > 100  # type: ignore[operator]
    assert "lift over iu" in said
    config = yaml.safe_load((place / "runs" / "all" / "rehearse" / "seed-1" / "config.yaml").read_text())
    assert config["model"]["class_path"] == "mine.Rehearse"

    table = (place / "runs" / "all" / "comparison.md").read_text()
    ran(asmg, "compare", "runs/all", "--baseline", "iu", "--out", "again")
    assert (place / "again.md").read_text() == table
    ran(asmg, "report", "runs/all", "--out", "all.html")
    assert "rehearse" in (place / "all.html").read_text()


def test_a_method_is_tuned(asmg: Program, place: Path) -> None:
    ran(asmg, "tune", "runs/tune", "--methods", "iu", "--grid", "grid.yaml", "--seeds", "1", "--", *DEMO)
    chosen = yaml.safe_load((place / "runs" / "tune" / "tuned" / "iu.yaml").read_text())
    assert chosen["data"]["batch_size"] == 20
    assert [path.name for path in (place / "runs" / "tune" / "iu").iterdir()] == ["batch_size=20"]


def test_an_option_is_swept(asmg: Program, place: Path) -> None:
    vary = ["--vary", "data.batch_size", "5", "20"]
    ran(asmg, "sweep", "runs/sweep", "--methods", "configs/methods/i?.yaml", *vary, "--seeds", "1", "--", *DEMO)
    rows = pl.read_csv(place / "runs" / "sweep" / "sweep.csv")
    assert sorted(rows["data.batch_size"]) == [5, 20]
    assert (place / "runs" / "sweep" / "sweep.png").exists()


def test_seeds_of_a_walk_with_a_class_of_the_working_folder_are_averaged(asmg: Program, place: Path) -> None:
    said = ran(asmg, "seeds", "runs/seeds", "--seeds", "1", "--", *DEMO, "--model", "mine.Rehearse")
    seed, mean, _ = said.splitlines()[-3:]
    assert (seed.split()[0], mean.split()[0]) == ("1", "mean")
    assert seed.split()[1:] == mean.split()[1:]
