"""``asmg export VERSION --formats``: formats stand beside the versions, which never change."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving.formats.packages import BARE, Counting, package_of

from asmg_pl.cli.commands.export import run
from asmg_pl.cli.formats import own_classes, write_and_tell
from asmg_pl.errors import ConfigError, PackageError
from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.serving import Store


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version in a store."""
    return package_of(MatrixFactorization, tmp_path / "store", BARE).folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_formats_stand_in_the_store_beside_the_version(version: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(version)
    run([str(version), "--formats", "pt2"])
    out = version.parent / "formats" / version.name
    assert capsys.readouterr().out.startswith(f"{out} has model.pt2: probabilities differ from the scorer's by ")
    assert (out / "model.pt2").is_file()
    assert content(version) == before
    assert Store(version.parent).versions() == [version.name]


def test_formats_go_where_they_are_wanted_and_those_of_removed_versions_go(version: Path, tmp_path: Path) -> None:
    old = version.parent / "formats" / "after-period-000001"
    old.mkdir(parents=True)
    run([str(version), "--formats", "pt2", "--out", str(tmp_path / "other")])
    assert (tmp_path / "other" / "formats" / version.name / "model.pt2").is_file()
    assert old.exists()
    run([str(version), "--formats", "pt2"])
    assert not old.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "is a version already: name what is made of it, as --formats onnx"),
        (["--formats", "onx"], "no format 'onx': there are pt2, onnx, vectors"),
        (["--formats", "pt2", "--period", "3"], "--period is for a run"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], message: str, version: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        run([str(version), *options])


def test_a_recommender_of_ones_own_must_be_allowed(tmp_path: Path) -> None:
    version = package_of(Counting, tmp_path, BARE).folder
    with pytest.raises(PackageError, match=r"which is no recommender of this program"):
        run([str(version), "--formats", "pt2"])
    assert own_classes(version) == ["serving.formats.packages.Counting"]
    write_and_tell(version, tmp_path, ["pt2"], own_classes(version))
    assert (tmp_path / "formats" / version.name / "model.pt2").is_file()
