"""What commands import before they do something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "lightning", "jsonargparse", "wandb", "ray")


def imported(code: str, folder: Path) -> set[str]:
    """The heavy packages that some code imports, in a process of its own."""
    script = f"import sys\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.splitlines()[-1].split())


def test_a_conversion_of_plain_rows_imports_none(tmp_path: Path) -> None:
    rows = "\n".join(f"u{n % 5},i{n % 7},{1_600_000_000 + n},{n % 2}" for n in range(100))
    (tmp_path / "rows.csv").write_text(f"user,item,time,label\n{rows}\n")
    options = "rows.csv --out stream --user user --item item --time time --label label"
    assert imported(f"from asmg_pl.cli.commands.convert import run\nrun({options.split()})", tmp_path) == set()
    assert (tmp_path / "stream" / "stream.json").exists()


@pytest.mark.parametrize("module", ["asmg_pl.experiments.study", "asmg_pl.experiments.comparison", "asmg_pl.cli.main"])
def test_reading_what_walks_have_left_imports_none(module: str, tmp_path: Path) -> None:
    assert imported(f"import {module}", tmp_path) == set()
