"""The report's first sentences: which method is best, and whether that is certain; where the runs come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from asmg_pl.experiments.baseline import Methods
from asmg_pl.experiments.comparison import compare
from asmg_pl.experiments.report.origin import origin
from asmg_pl.experiments.report.verdict import verdict
from asmg_pl.experiments.runs import Run

PERIODS = [25, 26, 27]


def method(name: str, aucs: Sequence[float], seeds: int = 2, loss: float = 0.5, split: str = "test") -> list[Run]:
    """Runs with an AUC for each period; the seeds differ by a little."""
    return [
        Run(
            name,
            seed,
            {},
            pl.DataFrame(
                {
                    "period": PERIODS[: len(aucs)],
                    "split": split,
                    "serving_auc": [auc + seed / 1000 for auc in aucs],
                    "serving_logloss": [loss if auc == auc else math.nan for auc in aucs],
                }
            ),
        )
        for seed in range(1, seeds + 1)
    ]


def said(methods: Methods, baseline: str | None = "iu") -> str:
    return verdict(methods, compare(methods, baseline), baseline)


def test_a_certain_lift_is_said_with_its_interval() -> None:
    found = said({"iu": method("iu", [0.7, 0.72, 0.74]), "gru": method("gru", [0.71, 0.73, 0.75], loss=0.4)})
    assert found == (
        "gru has the best mean AUC on the test periods 25 to 27, 0.7315, 0.0100 above iu; the 95 % interval of the "
        "difference, +0.0100 to +0.0100, excludes zero. By LogLoss gru is best too, with 0.4000, 0.1000 below iu; the "
        "95 % interval of the difference, -0.1000 to -0.1000, excludes zero."
    )


def test_a_lift_whose_interval_holds_zero_decides_nothing() -> None:
    found = said({"iu": method("iu", [0.7, 0.72, 0.74]), "gru": method("gru", [0.75, 0.69, 0.75])})
    assert "gru has the best mean AUC" in found
    assert "includes zero, so that it is not decided which of the two is better" in found


def test_others_that_are_as_good_are_named() -> None:
    methods = {name: method(name, [0.7, auc, 0.74]) for name, auc in [("iu", 0.6), ("gru", 0.73), ("ewc", 0.731)]}
    assert "The periods and seeds do not tell it from gru." in said(methods)


def test_the_baseline_itself_can_be_best() -> None:
    found = said({"iu": method("iu", [0.7, 0.72]), "gru": method("gru", [0.6, 0.62])})
    assert "iu has the best mean AUC on the test periods 25 to 26, 0.7115, and it is the baseline" in found


def test_what_cannot_be_the_best_is_named_with_the_reason() -> None:
    methods = {
        "iu": method("iu", [0.7, 0.72, 0.74]),
        "gru": method("gru", [0.71, 0.73, 0.75]),
        "hasty": method("hasty", [0.9, math.nan, 0.9]),
        "cut": method("cut", [0.9]),
    }
    assert "Not in the running: cut (stopped) and hasty (diverged)." in said(methods)
    assert "By LogLoss iu is best, with 0.5000; gru cannot be told from it." in said(methods)
    assert "gru has no lift, since iu has diverged" in said(methods | {"iu": method("iu", [0.7, math.nan, 0.74])})


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"iu": method("iu", [0.7], split="warm-up")}, "Not decided: no test period has been scored yet."),
        (
            {"iu": method("iu", [0.7, math.nan]), "gru": method("gru", [math.nan])},
            "Not decided: no method has finished the test periods with a score: iu (diverged) and gru (diverged).",
        ),
        ({"iu": method("iu", [0.7, 0.72])}, "iu has a mean AUC of 0.7115 and a mean LogLoss of 0.5000"),
        (
            {"iu": method("iu", [0.7]), "gru": method("gru", [0.71], seeds=1)},
            "a single score, which decides nothing",
        ),
        (
            {"iu": method("iu", [0.7, 0.7], seeds=1), "gru": method("gru", [0.71, 0.73], seeds=1)},
            "the intervals say nothing about other seeds",
        ),
    ],
)
def test_what_is_not_decided_is_said_so(methods: dict[str, list[Run]], words: str) -> None:
    assert words in said(methods)


def test_without_a_baseline_nothing_is_said_of_lifts() -> None:
    found = said({"a": method("a", [0.7, 0.72]), "b": method("b", [0.6, 0.62])}, None)
    assert found == (
        "a has the best mean AUC on the test periods 25 to 26, 0.7115. By LogLoss a is best too, with 0.5000."
    )


# ---- where the runs come from

STREAM = {"fingerprint": "fedcba9876543210", "rows": 93_000, "periods": 31, "users": 800, "context": ["device", "os"]}
TOLD = {"walked": "2024-05-06T07:08:09+00:00", "code": {"version": "0.2", "commit": "0123456789abcdef"}}


def test_the_stream_the_days_and_the_program_are_said_once_for_all_runs() -> None:
    run = replace(
        method("iu", [0.7])[0],
        config={"data": {"source": {"class_path": "asmg_pl.data.sources.Stream"}, "root": "streams/clicks"}},
        provenance=TOLD | {"stream": STREAM},
    )
    later = replace(run, provenance={**run.provenance, "walked": "2024-05-09T07:08:09+00:00"})
    changed = replace(run, provenance={**run.provenance, "code": {"version": "0.2", "commit": "abc-dirty"}})
    assert origin([run, later, changed]) == [
        ("stream", "clicks (Stream), 93,000 rows, 31 periods, 800 users, fingerprint fedcba987654"),
        ("context features", "device, os"),
        ("walked", "2024-05-06 to 2024-05-09"),
        ("program", "asmg_pl 0.2, commit 0123456789ab; asmg_pl 0.2, commit abc with changes"),
    ]
    other = replace(run, provenance=TOLD | {"stream": STREAM | {"fingerprint": "ab" * 32, "context": []}})
    _, streams = origin([run, other])[0]
    assert streams.endswith("; clicks (Stream), 93,000 rows, 31 periods, 800 users, fingerprint abababababab")


def test_the_memory_is_said_that_ids_which_come_and_go_save() -> None:
    saved = "10 rows for 20 users (user admitted after 2 sightings): saves 1.3 MiB"
    runs = [replace(method("iu", [0.7])[0], provenance=told) for told in (TOLD, TOLD | {"lifetimes": saved})]
    assert dict(origin(runs))["rows saved"] == saved


def test_of_runs_that_have_kept_nothing_nothing_is_said() -> None:
    assert origin(method("iu", [0.7])) == []
