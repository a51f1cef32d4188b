"""Run folders that are damaged in every way: passed over with a word, or one message that names the file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from experiments.conftest import Command
from experiments.runs import write_run

from asmg_pl.errors import DataError
from asmg_pl.experiments import comparison, seeds
from asmg_pl.experiments.report.page import TEMPLATE
from asmg_pl.experiments.runs import find_runs, learned
from asmg_pl.metrics import paired

NAMES = (
    *("metrics.csv", "timings.csv", "learned.csv", "config.yaml", "provenance.json"),
    *("peak_memory_mib.txt", "diverged.txt"),
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two sound runs and one to be damaged."""
    write_run(tmp_path / "iu", updater="IncrementalUpdate")
    write_run(tmp_path / "bu", updater="BatchUpdate", lift=0.01)
    run = write_run(tmp_path / "asmg", updater="ASMG", lift=0.02, share=True)
    (run / "peak_memory_mib.txt").write_text("400\n")
    (run / "diverged.txt").write_text("the walk has diverged in period 30 · update: NaN or infinite are x\n")
    return tmp_path


@pytest.fixture
def tools(study: Path, monkeypatch: pytest.MonkeyPatch, asmg: Command) -> Callable[[], list[str]]:
    """What the table and the report say on stderr of the folder; neither ends otherwise than it should."""
    monkeypatch.setattr(comparison, "draw_comparison", lambda *_: None)  # slow, and reads no file
    monkeypatch.setattr(paired, "interval", lambda cells: (0.0, 0.0))
    monkeypatch.chdir(study)

    def run() -> list[str]:
        said = []
        for command, out in [("compare", "table"), ("report", "report.html")]:
            done = asmg(command, "--out", out, *(n for n in ("iu", "bu", "asmg") if Path(n).exists()))
            said.append("".join(line for line in done.err.splitlines(keepends=True) if not line.startswith("wrote ")))
            assert done.code in (0, 2)
            assert "Traceback" not in said[-1]
            assert (done.code == 0) or len(said[-1].splitlines()) == 1, said[-1]
        return said

    return run


def damages(content: bytes, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """A file's content, damaged."""
    yield "emptied", b""
    yield "blank", b"\n"
    yield "zeros", bytes(len(content))
    yield "noise", draw.randbytes(300)
    for _ in range(3):
        yield "cut off", content[: draw.randrange(1, len(content) - 1)]
    for _ in range(8):
        place = draw.randrange(len(content))
        yield "bit", content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]
    text = content.decode()
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        yield encoding, text.encode(encoding)
    yield "latin-1", text.replace("a", "é").encode("latin-1")
    yield "carriage returns", content.replace(b"\n", b"\r\n")
    yield "semicolons", content.replace(b",", b";")
    yield "quote", content.replace(b",", b',"', 1)
    yield "words", content.replace(b"0", b"x")
    yield "twice", content + content
    yield "lines twice", b"".join(line * 2 for line in content.splitlines(keepends=True)[1:])
    yield "without its header", content.partition(b"\n")[2]
    yield "header alone", content.partition(b"\n")[0] + b"\n"
    yield "without a column", b"\n".join(line.partition(b",")[2] for line in content.split(b"\n"))
    yield "columns turned", b"\n".join(b",".join(reversed(line.split(b","))) for line in content.split(b"\n"))
    yield "infinite", content.replace(b".", b"e999", 3)
    yield "huge numbers", content.replace(b"1", b"1" * 30)
    yield "list", b"- 1\n- 2\n"
    yield "number", b"17\n"
    yield "HTML", b"<html><body>404</body></html>\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_passed_over_with_a_word_or_named_in_one_message(
    study: Path, tools: Callable[[], list[str]], name: str
) -> None:
    path = study / "asmg" / name
    sound, draw = path.read_bytes(), random.Random(NAMES.index(name))
    path.unlink()
    tools()
    for kind, content in damages(sound, draw):
        path.write_bytes(content)
        for said in tools():
            words = [line for line in said.splitlines() if "passed over" in line or "asmg/" in line]
            assert len(words) <= 2, (kind, said)
            assert all("asmg/" in line for line in words), (kind, said)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("- 1\n", "holds no settings by name"),
        ("17\n", "holds no settings by name"),
        ("model: [1, 2]\n", "model must be settings by name"),
        ("model: {init_args: 3}\n", "model.init_args must be settings by name"),
        ("data: text\n", "data must be settings by name"),
        ("seed_everything: [1]\n", "seed_everything must be a whole number"),
        ("a: !!python/object/apply:os.system ['touch seen']\n", "is no YAML of plain values"),
        ("a: &a [1, *a]\n", "more than 100,000 values"),
        ("\n".join(["a: &a0 x", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]) + "\n",
         "more than 100,000 values"),
        ("a: " + "[" * 3000 + "\n", "is no YAML of plain values"),
        ("a: 2020-99-99\n", "is no YAML of plain values"),
        ("a: " + "9" * 5000 + "\n", "is no YAML of plain values"),
        ("a: " + "x" * 2**20 + "\n", "larger than 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_settings_of_another_form_are_named(study: Path, config: str, words: str) -> None:
    path = study / "asmg" / "config.yaml"
    path.write_text(config)
    with pytest.raises(DataError, match=f"{path}.*{words}"):
        find_runs([study / "asmg"])
    assert not Path("seen").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("period,", "time,", 1), "has no column 'period'"),
        (lambda text: text.replace("serving_auc", "auc", 1), "has no column 'serving_auc'"),
        (lambda text: text.replace("serving_logloss", "logloss", 1), "has no column 'serving_logloss'"),
        (lambda text: text.replace("\n12,", "\n11,", 1), "two rows of period 11"),
        (lambda text: text.replace("\n12,", "\n12.5,", 1), "column 'period', line 3: '12.5' is no whole number"),
        (lambda text: text.replace("\n12,", "\n,", 1), "column 'period', line 3: '' is no whole number"),
        (lambda text: text.replace("warm-up", "warm\x1b[31m", 1), r"'warm\\\\x1b\[31m' is no split"),
        (lambda text: text.replace(",0.7", ",seven", 1), "is no number"),
        (lambda text: text.replace(",0.7", ",7", 1), "an AUC is from 0 to 1"),
        (lambda text: text[:-1], "ends in the middle of a line"),
        (lambda text: text.replace("rows", "positives", 1), "two columns of one name"),
        (lambda text: text + "1,2\n", "has 2 cells"),
    ],
)
def test_scores_that_no_walk_writes_are_named(study: Path, change: Callable[[str], str], words: str) -> None:
    path = study / "iu" / "metrics.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=f"{path}.*{words}"):
        find_runs([study / "iu"])


def test_files_that_are_none_are_passed_over(study: Path, tools: Callable[[], list[str]]) -> None:
    """Folders, loops of links, pipes and devices in the place of files; a loop of links to folders."""
    run = study / "asmg"
    for name in ("metrics.csv", "timings.csv", "learned.csv", "peak_memory_mib.txt"):
        (run / name).unlink()
    (run / "metrics.csv").mkdir()
    (run / "timings.csv").symlink_to(run / "timings.csv")
    os.mkfifo(run / "learned.csv")
    (run / "peak_memory_mib.txt").symlink_to("/dev/zero")
    (study / "iu" / "again").symlink_to(study / "iu")
    for said in tools():
        assert "asmg" in said
    (study / "asmg" / "metrics.csv").rmdir()
    (study / "asmg" / "metrics.csv").write_text((study / "iu" / "metrics.csv").read_text())
    tools()
    (found,) = find_runs([study / "asmg"])
    assert learned(found) is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"???"])
def test_a_walk_that_says_illegibly_where_it_diverged_has_diverged(study: Path, content: bytes) -> None:
    (study / "asmg" / "diverged.txt").write_bytes(content)
    (run,) = find_runs([study / "asmg"])
    assert run.diverged == "diverged"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_passed_over(study: Path, tools: Callable[[], list[str]]) -> None:
    (study / "iu" / "inner").mkdir(mode=0)
    for said in tools():
        assert "inner: Permission denied" in said


def test_a_study_goes_on_without_the_runs_that_cannot_be_read(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    (study / "asmg" / "metrics.csv").write_bytes(b"\xff\xfe\0")
    assert [run.method for run in find_runs([study])] == ["bu", "iu"]
    assert f"passed over: {study / 'asmg' / 'metrics.csv'} is not in UTF-8" in caplog.text


def test_the_command_for_seeds_names_a_file_that_it_cannot_read(
    study: Path, monkeypatch: pytest.MonkeyPatch, asmg: Command
) -> None:
    (study / "iu").rename(study / "seed-1")
    (study / "seed-1" / "metrics.csv").write_text("period\n")
    monkeypatch.setattr(seeds, "walk_all", lambda *_: [])
    done = asmg("seeds", str(study), "--seeds", "1")
    assert done.code == 2
    assert "seed-1/metrics.csv has no column" in done.err


ODD = [
    *("$x$", "[1]", "<b>", "a&b", "a|b", "`c`", "two\nlines", "\x1b[31mred", "=1+1", "\\input{x}", "שלום", "😀", "_u"),
    *("x" * 200, os.fsdecode(b"caf\xe9"), "\u202egnp", "{{data}}", "</script>", 'a,"b"', "-rf", "%s {0}"),
]


def test_odd_names_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asmg: Command) -> None:
    for place, name in enumerate(ODD):
        run = write_run(tmp_path / "run", lift=0.001 * place, odd=name.encode(errors="replace").decode())
        (tmp_path / "runs" / name).parent.mkdir(parents=True, exist_ok=True)
        run.rename(tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    done = asmg("compare", "runs", "--baseline", "$x$", "--out", "table")
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    for name in ("$x$", "a|b", r"two\nlines", r"\x1b[31mred", "שלום", "😀", r"caf\xe9"):
        assert any(line.split()[0] == name for line in done.out.splitlines()), name
    out = (tmp_path / "table.md").read_text()
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    assert len(rows) == len(ODD) + 2 == len(out.splitlines())
    assert "\x1b" not in out
    for cell in (
        r"| \$x\$ |",
        r"| a\|b |",
        r"| two\\nlines |",
        r"| \\x1b\[31mred |",
        "| שלום |",
        "| 😀 |",
        r"| caf\\xe9 |",
    ):
        assert cell in out
    latex = (tmp_path / "table.tex").read_text().splitlines()
    assert len([line for line in latex if line.endswith(r" \\")]) == len(ODD) + 1
    assert any(line.startswith(r"{[}1{]} & ") for line in latex)
    written = (tmp_path / "table.csv").read_text()
    assert '"=1+1"' in written
    assert asmg("report", "runs", "--baseline", "$x$", "--out", "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    assert "<b>" not in page.partition("<tbody>")[2].partition("</tbody>")[0]
    for shown in ("&lt;b&gt;", "a&amp;b", r"two\nlines", r"\x1b[31mred", "שלום", r"caf\xe9", "{{data}}"):
        assert shown in page
    assert page.count("</script>") == (TEMPLATE / "page.html").read_text().count("</script>")
