"""The baseline: the method that the others are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from asmg_pl.errors import ConfigError
from asmg_pl.experiments.run_files import section
from asmg_pl.experiments.runs import Run

Methods = Mapping[str, Sequence[Run]]

#: The method that stands for the incremental model beside which a generated model was scored.
INCREMENTAL = "incremental model"

#: Options by which tables are treated otherwise than in the plain incremental update.
TABLES_APART = ("table_learning_rate", "table_optimizer", "new_rows")


def with_baseline(methods: Methods, wanted: str | None = None) -> tuple[Methods, str | None]:
    """The methods, and the name of the baseline among them.

    By default that is the first plain incremental update, whose tables are not apart in any way. Where no run is one,
    the incremental model beside which a generated model was scored becomes a method of its own, and the baseline.

    Args:
        methods: the runs of each method.
        wanted: the name of the baseline.

    Returns:
        The methods, and ``None`` for the baseline where there is nothing to compare with.

    Raises:
        ConfigError: if the wanted baseline is not among the methods.
    """
    if wanted is not None and wanted not in methods:
        raise ConfigError(f"the baseline {wanted!r} is not among the methods: choose from {', '.join(methods)}")
    plain = [name for name, runs in methods.items() if _is_plain(runs[0])]
    if wanted or plain:
        return methods, wanted or plain[0]
    for runs in methods.values():
        if all("incremental_auc" in run.metrics.columns for run in runs):
            return {INCREMENTAL: [_incremental(run) for run in runs], **methods}, INCREMENTAL
    return methods, None


def _is_plain(run: Run) -> bool:
    """Whether a run is the plain incremental update, in which tables start and move as other parameters do."""
    model = section(run.config, "model")
    updater = str(model.get("class_path", "")).rpartition(".")[2]
    apart = [section(model, "init_args").get(option) for option in TABLES_APART]
    return updater == "IncrementalUpdate" and all(value is None for value in apart)


def _incremental(run: Run) -> Run:
    metrics = run.metrics.drop("^serving_.*$").drop("served", "why", "regret", strict=False)
    metrics = metrics.rename({name: name.replace("incremental_", "serving_", 1) for name in metrics.columns})
    return replace(run, method=INCREMENTAL, metrics=metrics, timings=run.timings.clear(), peak_mib=None, config={})
