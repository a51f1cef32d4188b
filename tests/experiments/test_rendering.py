"""Tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tables import Shown, figure, latex, markdown, publish

SHOWN = Shown(["method", "AUC", "95 %"], [["gru_multi", "0.8", "+0.1 to +0.2"], ["iu", "", "≈"]])


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


def test_all_three_are_written_and_markdown_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish([{"method": "iu", "auc": None}, {"method": "bu", "auc": 0.5}], SHOWN, tmp_path / "new" / "table.v1")
    assert capsys.readouterr().out == (tmp_path / "new" / "table.v1.md").read_text() == markdown(SHOWN) + "\n"
    assert (tmp_path / "new" / "table.v1.tex").read_text() == latex(SHOWN) + "\n"
    assert pl.read_csv(tmp_path / "new" / "table.v1.csv").rows() == [("iu", None), ("bu", 0.5)]


@pytest.mark.parametrize(("value", "text"), [(0.12346, "+0.1235"), (-1.0, "-1.0000"), (None, ""), (float("nan"), "")])
def test_a_number_that_is_not_there_is_blank(value: float | None, text: str) -> None:
    assert figure(value, "+.4f") == text
