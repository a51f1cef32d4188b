"""Tables on a terminal, as Markdown, LaTeX and CSV."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from asmg_pl.experiments.rendering import Printed, figure, for_terminal, latex, markdown, publish

SHOWN = Printed(["method", "AUC", "95 %"], [["gru_multi", "0.8", "+0.1 to +0.2"], ["iu", "", "≈"]])


def test_markdown_has_a_row_each() -> None:
    assert markdown(SHOWN).splitlines()[1:] == [
        "| --- | --- | --- |",
        "| gru_multi | 0.8 | +0.1 to +0.2 |",
        "| iu |  | ≈ |",
    ]


def test_latex_escapes_what_it_would_read_and_aligns_numbers() -> None:
    assert latex(SHOWN) == "\n".join(
        [
            r"\begin{tabular}{lrl}",
            r"\toprule",
            r"method & AUC & 95 \% \\",
            r"\midrule",
            r"gru\_multi & 0.8 & +0.1 to +0.2 \\",
            r"iu &  & $\approx$ \\",
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def test_all_three_are_written_and_aligned_columns_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish([{"method": "iu", "auc": None}, {"method": "bu", "auc": 0.5}], SHOWN, tmp_path / "new" / "table.v1")
    assert capsys.readouterr().out == for_terminal(SHOWN) + "\n"
    assert (tmp_path / "new" / "table.v1.md").read_text() == markdown(SHOWN) + "\n"
    assert (tmp_path / "new" / "table.v1.tex").read_text() == latex(SHOWN) + "\n"
    assert pl.read_csv(tmp_path / "new" / "table.v1.csv").rows() == [("iu", None), ("bu", 0.5)]


@pytest.mark.parametrize(("value", "text"), [(0.12346, "+0.1235"), (-1.0, "-1.0000"), (None, ""), (float("nan"), "")])
def test_a_number_that_is_not_there_is_blank(value: float | None, text: str) -> None:
    assert figure(value, "+.4f") == text


# ---- on a terminal

WIDE = Printed(
    ["method", "setting", "AUC", "lift over iu", "seconds"],
    [["gru_multi", "batch 64, lr 0.001, passes 1", "0.8000", "+0.0100", "2.00"], ["iu", "", "0.7900", "+0.0000", ""]],
    ["gru_multi: stopped at period 25 (seed 3), others go on to 26"],
    details=["setting", "seconds"],
)


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    assert for_terminal(WIDE, 80).splitlines()[:4] == [
        "method     setting                          AUC  lift over iu  seconds",
        "---------  ----------------------------  ------  ------------  -------",
        "gru_multi  batch 64, lr 0.001, passes 1  0.8000       +0.0100     2.00",
        "iu                                       0.7900       +0.0000",
    ]


def test_a_narrow_terminal_leaves_details_out_the_least_important_first() -> None:
    assert for_terminal(WIDE, 60).splitlines()[0].split() == ["method", "AUC", "lift", "over", "iu", "seconds"]
    assert for_terminal(WIDE, 34).splitlines()[0].split() == ["method", "AUC", "lift", "over", "iu"]


@pytest.mark.parametrize("width", [20, 30, 40, 80])
def test_no_line_is_longer_than_the_terminal_and_no_name_is_cut(width: int) -> None:
    names = ["a_very_long_name_of_a_method_with_window=3,generator.hidden_size=16", "x" * 100, "永" * 30]
    shown = for_terminal(Printed(["method", "AUC"], [[name, "0.5"] for name in names], ["a note " * 30]), width)
    for line in shown.splitlines():
        assert sum(2 if ord(character) > 0x2E80 else 1 for character in line) <= width
    letters = re.sub(r"[\s-]|0\.5", "", shown.partition("a note")[0])
    assert letters == "methodAUC" + "".join(names)


def test_what_commands_a_terminal_is_shown_as_text() -> None:
    assert r"\x1b[31mred" in for_terminal(Printed(["m"], [["\x1b[31mred"]], ["\x1b[0m"]))
