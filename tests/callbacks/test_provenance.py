"""The program's version as a run notes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import asmg_pl
from asmg_pl.callbacks import provenance

PACKAGE = Path(asmg_pl.__file__).parent


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's files in a folder of another repository."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "asmg_pl" / "callbacks").mkdir(parents=True)
    for name in ("__init__.py", "callbacks/__init__.py"):
        shutil.copy(PACKAGE / name, tmp_path / "asmg_pl" / name)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "asmg_pl" / "callbacks" / "provenance.py"))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *names, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_is_known_by_its_commit_and_whether_it_was_changed(elsewhere: Path) -> None:
    git(elsewhere, "add", ".")
    git(elsewhere, "commit", "--quiet", "-m", "first")
    git(elsewhere, "tag", "v1")
    found = provenance.commit()
    assert found == git(elsewhere, "rev-parse", "HEAD")
    assert re.fullmatch(r"[0-9a-f]{40}", found or "")
    (elsewhere / "asmg_pl" / "__init__.py").write_text("")
    assert provenance.commit() == f"{found}-dirty"


def test_a_package_installed_within_another_repository_has_no_commit(elsewhere: Path) -> None:
    assert provenance.commit() is None


def test_an_installed_wheel_has_noted_the_commit_that_it_was_built_from(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "asmg_pl" / provenance.BUILT).write_text("0123-dirty\n")
    assert provenance.commit() == "0123-dirty"
    monkeypatch.setenv("PATH", "/nowhere")  # without git
    assert provenance.commit() == "0123-dirty"


@pytest.mark.slow
def test_a_wheel_of_a_clone_gets_its_commit(tmp_path: Path) -> None:
    clone, root = tmp_path / "clone", PACKAGE.parent
    (clone / "asmg_pl").mkdir(parents=True)
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "asmg_pl/__init__.py"):
        shutil.copy(root / name, clone / name)
    (clone / ".gitignore").write_text("*\n")  # as what a build leaves is
    for step in (["init", "--quiet"], ["add", "--force", "."], ["commit", "--quiet", "-m", "first"]):
        git(clone, *step)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=clone, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert wheel.read(f"asmg_pl/{provenance.BUILT}").decode().strip() == git(clone, "rev-parse", "HEAD")


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert provenance.commit() is None
