"""The table and the chart of the first page."""

from __future__ import annotations

from pathlib import Path

import pytest
from draw_streams import chart, main, read, table

ROWS = """method,auc,lift,low,high,seconds
iu,0.8,0.0,0.0,0.0,1.0
gru_multi,0.79,-0.01,-0.02,0.005,2.0
sml,0.805,0.005,0.001,0.009,3.0
row_scales,0.82,0.02,0.01,0.03,1.5
residual_multi,0.9,0.1,0.09,0.11,1.5
ader,,,,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "comparisons").mkdir()
    (tmp_path / "comparisons" / "online_retail.csv").write_text(ROWS)
    return tmp_path / "comparisons"


def test_the_best_published_method_stands_beside_the_plain_update_and_ours(folder: Path) -> None:
    stream = read(folder / "online_retail.csv", "iu", "row_scales")
    assert (stream.plain["method"], stream.published["method"], stream.ours["method"]) == ("iu", "sml", "row_scales")
    assert table([stream]).splitlines()[-1] == (
        "| online retail | .8000 | `sml` .8050 | **.8200** | +0.0200 (+0.0100 … +0.0300) | 1.50, plain 1.00 |"
    )


def test_a_plain_update_that_was_tuned_stands_for_it(folder: Path) -> None:
    file = folder / "tuned.csv"
    file.write_text(ROWS + "iu_tuned,0.81,0.0,0.0,0.0,1.0\n")
    assert read(file, "iu", "row_scales").plain["auc"] == 0.81
    file.write_text(ROWS + "iu_tuned,0.81,0.01,0.005,0.015,1.0\n")
    with pytest.raises(ValueError, match="lifts over another method than iu_tuned: write it with --baseline iu_tuned"):
        read(file, "iu", "row_scales")


def test_tuning_that_was_no_use_on_the_test_periods_flatters_nobody(folder: Path) -> None:
    file = folder / "worse.csv"
    file.write_text(ROWS + "iu_tuned,0.79,-0.01,-0.02,-0.005,1.0\ngru_guard,0.81,0.01,0.005,0.015,1.0\n")
    stream = read(file, "iu", "row_scales")
    assert (stream.plain["method"], stream.published["method"]) == ("iu", "sml")


def test_the_same_comparisons_give_the_same_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [folder / f"{number}.svg" for number in (1, 2)]
    for picture in pictures:
        main(folder, "row_scales", picture=picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert "online retail" in pictures[0].read_text()
    assert capsys.readouterr().out.count("| online retail |") == 2


def test_a_missing_row_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="has no method ader with a score: choose from iu, gru_multi"):
        read(folder / "online_retail.csv", "iu", "ader")


def test_the_chart_has_a_mark_at_each_lift_and_a_line_along_its_interval(folder: Path) -> None:
    stream = read(folder / "online_retail.csv", "iu", "row_scales")
    published, ours = chart([stream]).splitlines()
    assert published.startswith("online retail    best published  │──")
    assert published.endswith("+0.0050")
    assert ours.strip().startswith("ours            │ ")
    line = ours.partition("│")[2]
    assert line.index("─") > published.partition("│")[2].index("●"), "the interval of ours begins beyond the other lift"
    far = {"method": "x", "auc": 0.5, "lift": -0.3, "low": -0.31, "high": -0.29, "seconds": 1.0}
    assert "◀" in chart([stream._replace(published=far)]).splitlines()[0]


def test_a_page_gets_the_new_table_and_chart_and_keeps_the_rest(folder: Path) -> None:
    page = folder / "page.md"
    old = "| stream | plain update, tuned | ours |\n|---|---|---|\n| old | .1 | .2 |\n"
    page.write_text(f"# Title\n\n```text\nold chart\n```\n\n{old}\nText.\n\n| other | table |\n\n```sh\nls\n```\n")
    main(folder, "row_scales", pages=[page])
    streams = [read(folder / "online_retail.csv", "iu", "row_scales")]
    new = f"# Title\n\n```text\n{chart(streams)}\n```\n\n{table(streams)}\n"
    new += "\nText.\n\n| other | table |\n\n```sh\nls\n```\n"
    assert page.read_text() == new
    main(folder, "row_scales", pages=[page])
    assert page.read_text() == new
