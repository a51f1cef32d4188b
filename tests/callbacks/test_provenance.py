"""The program's version as a run notes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import asmg_pl
from asmg_pl.callbacks import provenance

PACKAGE = Path(asmg_pl.__file__).parent


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's files in a folder of another repository."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "asmg_pl").mkdir()
    shutil.copy(PACKAGE / "__init__.py", tmp_path / "asmg_pl")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "asmg_pl" / "provenance.py"))
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


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert provenance.commit() is None
