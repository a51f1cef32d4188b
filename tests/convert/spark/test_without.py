"""Without the extra, or without its use, nothing of Spark is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OPTIONS = ["--user", "who", "--item", "what", "--time", "when", "--all-positive"]


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who,what,when\n1,2,1600000000\n")
    code = f"""
import sys
sys.modules["pyspark"] = None
sys.argv = ["asmg", "convert", "rows.csv", "--out", "stream", *{OPTIONS}, "--engine", "spark"]
from asmg_pl.cli.main import main
main()
"""
    done = run(code, tmp_path)
    assert done.returncode == 2
    *_, line = done.stderr.strip().splitlines()
    assert line.endswith("--engine spark needs PySpark with Arrow and pandas: pip install 'asmg_pl[spark]'")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_conversion_with_polars_imports_nothing_of_spark(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who,what,when\n1,2,1600000000\n")
    code = f"""
import sys
from asmg_pl.cli.main import run
run("convert", ["rows.csv", "--out", "stream", *{OPTIONS}])
found = {{"pyspark", "py4j", "pandas", "pyarrow"}} & sys.modules.keys()
assert not found, found
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_what_an_executor_imports_needs_no_session_and_no_torch(java: None, tmp_path: Path) -> None:
    code = """
import sys
import asmg_pl.convert.spark.conversion
assert "torch" not in sys.modules
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
