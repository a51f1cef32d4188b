"""Which of several methods the others are compared with."""

from __future__ import annotations

from typing import Any

import polars as pl

from asmg_pl.experiments.baseline import with_baseline
from asmg_pl.experiments.runs import Run


def run(name: str, **options: Any) -> Run:
    model = {"class_path": "asmg_pl.updaters.IncrementalUpdate", "init_args": options}
    return Run(name, 1, {"model": model}, pl.DataFrame())


def test_an_update_whose_tables_are_apart_is_not_the_plain_one() -> None:
    apart = {
        "rates": [run("rates", table_learning_rate=1e-2)],
        "adagrad": [run("adagrad", table_optimizer={"class_path": "asmg_pl.updaters.Adagrad"})],
        "rows": [run("rows", new_rows={"class_path": "asmg_pl.updaters.MeanOfTable"})],
    }
    assert with_baseline(apart)[1] is None
    plain = [run("iu", table_learning_rate=None, table_optimizer=None, new_rows=None, learning_rate=1e-3)]
    assert with_baseline(apart | {"iu": plain})[1] == "iu"
