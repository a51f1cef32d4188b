"""What a walk's checkpoint must hold: types, ranges, and what its entries say of each other.

    epoch, global_step, loops, callbacks, pytorch-lightning_version     Lightning's own
    state_dict, optimizer_states, lr_schedulers                          parameters, buffers and moments, all finite
    place                                                                where the walk stands, see asmg_pl.data.place
    PeriodDataModule                                                     the seed, and the rows that the walk is along
    results, learned, best_pretraining_epoch, method, initial            what the updater adds
    exemplars, exemplar_weight, reservoir, training_rows                 what some methods add
    replayed, last_seen, user_statistics
    self_tuning                                                          the race of settings, see asmg_pl.updaters.race
    sharded, files                                                       what a folder adds, see asmg_pl.distributed
    walk, within_a_phase, settings, machine                              what callbacks add, see asmg_pl.callbacks

Whether a checkpoint fits the walk that is to go on from it is another question: see
:mod:`asmg_pl.callbacks.checkpoint_fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from asmg_pl.checkpoints.values import Flaw, integer, mapping, number, sequence, shown, tensor, text
from asmg_pl.metrics.results import PeriodResult

#: What the entry of a data module has at least.
STREAM = ("seed", "boundaries", "rows", "fingerprint")

PLACE = ("period", "phase", "trained_until")

RACE = ("settings", "turns", "losses", "work", "results", "fallen", "live", "waiting")

#: Entries of a result that may be missing where no guard has chosen.
GUARDED = {"constant", "served", "why", "regret"}

SPLITS = ("selection", "warm-up", "test", "seen")


def check(checkpoint: Mapping[str, Any]) -> None:
    """Check all entries that a walk's checkpoint has.

    Raises:
        Flaw: naming the first entry that is wrong.
    """
    for name, check_entry in ENTRIES.items():
        if name not in checkpoint:
            raise Flaw(name, "is missing")
        check_entry(name, checkpoint[name])
    for name, check_entry in OPTIONAL.items():
        if name in checkpoint:
            check_entry(name, checkpoint[name])
    if "sharded" not in checkpoint and (absent := [name for name, x in checkpoint["state_dict"].items() if x is None]):
        raise Flaw(f"state_dict.{absent[0]}", "is missing")
    name, stream = stream_of(checkpoint)
    _check_stream(name, stream)
    place, last = checkpoint["place"], len(stream["boundaries"]) - 1
    _check_place("place", place, last)
    _check_results("results", checkpoint["results"], min(place["period"], last))
    for setting, found in checkpoint.get("self_tuning", {}).get("results", {}).items():
        _check_results(f"self_tuning.results.{setting}", found, min(place["period"], last))
    _check_learned("learned", checkpoint["learned"], place["period"])
    for name in ("exemplars", "training_rows", "reservoir", "replayed"):
        _check_positions(name, checkpoint.get(name), stream["boundaries"][-1])


def stream_of(checkpoint: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The entry of the data module, whatever its class is called, and its name before it.

    Raises:
        Flaw: if there is none.
    """
    for name, entry in checkpoint.items():
        if isinstance(entry, dict) and all(key in entry for key in STREAM):
            return name, entry
    raise Flaw("PeriodDataModule", f"is missing, or lacks one of {', '.join(STREAM)}")


def _whole_number(entry: str, value: Any) -> None:
    integer(entry, value)


def _version(entry: str, value: Any) -> None:
    text(entry, value, r"2\.\d+.*")


def _state_dict(entry: str, value: Any) -> None:
    if not mapping(entry, value):
        raise Flaw(entry, "is empty")
    for name, inner in value.items():
        if isinstance(inner, Tensor):
            tensor(f"{entry}.{name}", inner, finite=False)  # a mask may be infinite
        elif name.endswith("_extra_state"):
            if isinstance(inner, dict) and "pushes" in inner:
                integer(f"{entry}.{name}.pushes", inner["pushes"])
        elif inner is not None:  # a folder keeps the rows of sharded tables in files of their own
            raise Flaw(f"{entry}.{name}", f"must be a tensor, not {shown(inner)}")


def _optimizer_states(entry: str, value: Any) -> None:
    for position, state in enumerate(sequence(entry, value)):
        optimizer_state(f"{entry}[{position}]", state)


def optimizer_state(entry: str, value: Any) -> None:
    """Check the ``state_dict`` of an optimiser."""
    if mapping(entry, value).keys() != {"state", "param_groups"}:
        raise Flaw(entry, "must have the keys state and param_groups")
    numbers = [
        parameter
        for position, group in enumerate(sequence(f"{entry}.param_groups", value["param_groups"]))
        for parameter in _param_group(f"{entry}.param_groups[{position}]", group)
    ]
    for parameter, state in mapping(f"{entry}.state", value["state"], int).items():
        here = f"{entry}.state.{parameter}"
        if parameter not in numbers:
            raise Flaw(here, "belongs to no parameter")
        for name, inner in mapping(here, state).items():
            if name in ("step", "exp_avg_sq", "max_exp_avg_sq", "sum") and inner is not None:
                tensor(f"{here}.{name}", torch.as_tensor(inner), least=0)
            elif isinstance(inner, Tensor):
                tensor(f"{here}.{name}", inner)


def _param_group(entry: str, value: Any) -> Sequence[int]:
    group = mapping(entry, value)
    number(f"{entry}.lr", group.get("lr"))
    if group["lr"] <= 0:
        raise Flaw(f"{entry}.lr", f"must be above 0, not {group['lr']}")
    if "steps" in group:
        integer(f"{entry}.steps", group["steps"])
    if "eps" in group:
        number(f"{entry}.eps", group["eps"], least=0)
    parameters = sequence(f"{entry}.params", group.get("params"))
    for parameter in parameters:
        integer(f"{entry}.params", parameter)
    return parameters


def _best_epoch(entry: str, value: Any) -> None:
    if not mapping(entry, value):
        return
    if value.keys() != {"score", "weights", "optimizer"}:
        raise Flaw(entry, "must have the keys score, weights and optimizer")
    number(f"{entry}.score", value["score"])
    _state_dict(f"{entry}.weights", value["weights"])
    optimizer_state(f"{entry}.optimizer", value["optimizer"])


def _race(entry: str, value: Any) -> None:
    if not mapping(entry, value):
        return
    if value.keys() != set(RACE):
        raise Flaw(entry, f"must have the keys {', '.join(RACE)}")
    numbers = range(len(sequence(f"{entry}.settings", value["settings"])))
    _setting(f"{entry}.live", value["live"], numbers)
    for setting in sequence(f"{entry}.fallen", value["fallen"]):
        _setting(f"{entry}.fallen", setting, numbers)
    for period, order in mapping(f"{entry}.turns", value["turns"], int).items():
        for setting in sequence(f"{entry}.turns.{period}", order):
            _setting(f"{entry}.turns.{period}", setting, numbers)
    for name in ("losses", "work"):
        for period, found in mapping(f"{entry}.{name}", value[name], int).items():
            for setting, amount in mapping(f"{entry}.{name}.{period}", found, int).items():
                _setting(f"{entry}.{name}.{period}", setting, numbers)
                number(f"{entry}.{name}.{period}.{setting}", amount, least=0, defined=name == "work")
    for setting in mapping(f"{entry}.results", value["results"], int):
        _setting(f"{entry}.results", setting, numbers)
    for setting, state in mapping(f"{entry}.waiting", value["waiting"], int).items():
        here = f"{entry}.waiting.{setting}"
        _setting(here, setting, numbers)
        if not mapping(here, state).keys() >= {"state_dict", "optimizer_states"}:
            raise Flaw(here, "must have the keys state_dict and optimizer_states")
        _state_dict(f"{here}.state_dict", state["state_dict"])
        _optimizer_states(f"{here}.optimizer_states", state["optimizer_states"])


def _setting(entry: str, value: Any, numbers: range) -> None:
    integer(entry, value, most=len(numbers) - 1)


def _callbacks(entry: str, value: Any) -> None:
    for name, state in mapping(entry, value).items():
        here = f"{entry}.{name}"
        mapping(here, state)
        if name == "PeriodReport":
            _timings(f"{here}.timings", state.get("timings"))
        if name == "WandbRun" and state.get("id") is not None:
            text(f"{here}.id", state["id"], r"[\w-]{1,128}")


def _timings(entry: str, value: Any) -> None:
    for position, row in enumerate(sequence(entry, value)):
        here = f"{entry}[{position}]"
        for name in ("period", "mini_batches", "steps"):
            integer(f"{here}.{name}", mapping(here, row).get(name))
        text(f"{here}.phase", row.get("phase"), r"[\w -]+")
        integer(f"{here}.pass", row.get("pass"), least=1)
        number(f"{here}.seconds", row.get("seconds"), least=0)
        number(f"{here}.peak_mib", row.get("peak_mib"), least=0, defined=False)


def _mapping(entry: str, value: Any) -> None:
    mapping(entry, value)


def _shared_out(entry: str, value: Any) -> None:
    for table, counts in mapping(entry, value).items():
        if not isinstance(counts, tuple) or len(counts) != 2:
            raise Flaw(f"{entry}.{table}", f"must be the numbers of rows and shards, not {shown(counts)}")
        integer(f"{entry}.{table}", counts[0])
        integer(f"{entry}.{table}", counts[1], least=1)


def _file_digests(entry: str, value: Any) -> None:
    for name, digest in mapping(entry, value).items():
        text(entry, name, r"\.metadata|__\d+_\d+\.distcp")
        text(f"{entry}.{name}", digest, r"\d+ \d+")


def _initial(entry: str, value: Any) -> None:
    if mapping(entry, value).keys() != {"seed", "known"}:
        raise Flaw(entry, "must have the keys seed and known")
    integer(f"{entry}.seed", value["seed"])
    for table, rows in mapping(f"{entry}.known", value["known"]).items():
        integer(f"{entry}.known.{table}", rows, least=1)


def _by_period(entry: str, value: Any) -> None:
    mapping(entry, value, int)


def _list(entry: str, value: Any) -> None:
    sequence(entry, value)


def _identity(entry: str, value: Any) -> None:
    text(entry, value, r"[0-9a-f]{32}")


def _truth(entry: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise Flaw(entry, f"must be true or false, not {shown(value)}")


def _name(entry: str, value: Any) -> None:
    text(entry, value, r"[\w.<>]+")


def _tensors(entry: str, value: Any) -> None:
    for name, inner in mapping(entry, value).items():
        tensor(f"{entry}.{name}", inner)


def _check_place(entry: str, place: Mapping[str, Any], last_period: int) -> None:
    if mapping(entry, place).keys() != set(PLACE):
        raise Flaw(entry, f"must have the keys {', '.join(PLACE)}")
    integer(f"{entry}.period", place["period"], most=last_period + 1)
    integer(f"{entry}.phase", place["phase"])
    integer(f"{entry}.trained_until", place["trained_until"], most=min(place["period"], last_period))


def _check_stream(entry: str, stream: Mapping[str, Any]) -> None:
    boundaries = sequence(f"{entry}.boundaries", stream["boundaries"])
    if not boundaries:
        raise Flaw(f"{entry}.boundaries", "is empty")
    for boundary in boundaries:
        integer(f"{entry}.boundaries", boundary)
    if boundaries != sorted(boundaries):
        raise Flaw(f"{entry}.boundaries", "does not ascend")
    integer(f"{entry}.rows", stream["rows"], least=boundaries[-1])
    integer(f"{entry}.seed", stream["seed"], most=2**32 - 1)
    text(f"{entry}.fingerprint", stream["fingerprint"], r"[0-9a-f]{64}")


def _check_results(entry: str, results: Any, newest: int) -> None:
    names = {field.name for field in fields(PeriodResult)}
    for period, result in mapping(entry, results, int).items():
        here = f"{entry}.{period}"
        if mapping(here, result).keys() | GUARDED != names:
            raise Flaw(here, f"must have the keys {', '.join(sorted(names))}")
        integer(f"{here}.period", result["period"], period, period)
        integer(here, period, 1, newest)
        if result["split"] not in SPLITS:
            raise Flaw(f"{here}.split", f"must be one of {', '.join(SPLITS)}, not {shown(result['split'])}")
        integer(f"{here}.rows", result["rows"])
        for model, rows in mapping(f"{here}.diverged", result["diverged"]).items():
            integer(f"{here}.diverged.{model}", rows, 1, result["rows"])
        for model in sequence(f"{here}.constant", result.get("constant", [])):
            text(f"{here}.constant", model)
        for name in ("served", "why"):
            if result.get(name) is not None:
                text(f"{here}.{name}", result[name])
        if result.get("served") is not None and result["served"] not in result["scores"]:
            raise Flaw(f"{here}.served", f"must be a scored model, not {shown(result['served'])}")
        if result.get("regret") is not None:
            number(f"{here}.regret", result["regret"], defined=False)
        for name in ("positives", "new_user_rows", "new_item_rows"):
            integer(f"{here}.{name}", result[name], most=result["rows"])
        if not mapping(f"{here}.scores", result["scores"]):
            raise Flaw(f"{here}.scores", "is empty")
        for model, scores in result["scores"].items():
            for metric, score in mapping(f"{here}.scores.{model}", scores).items():
                number(f"{here}.scores.{model}.{metric}", score, defined=False)
    if list(results) != sorted(results):
        raise Flaw(entry, "has periods in another order than the walk")


def _check_learned(entry: str, learned: Any, newest: int) -> None:
    for period, found in mapping(entry, learned, int).items():
        integer(f"{entry}.{period}", period, 1, newest)
        for parameters, quantities in mapping(f"{entry}.{period}", found).items():
            for quantity, value in mapping(f"{entry}.{period}.{parameters}", quantities).items():
                number(f"{entry}.{period}.{parameters}.{quantity}", value, defined=False)


def _check_positions(entry: str, found: Any, rows: int) -> None:
    """Check positions of rows, int64 [n], by name if there are several."""
    if isinstance(found, dict):
        if found.keys() != {0, 1}:
            raise Flaw(entry, "must have positions for the labels 0 and 1")
        for label, positions in found.items():
            _check_positions(f"{entry}.{label}", positions, rows)
    elif found is not None:
        if not isinstance(found, Tensor) or found.dtype != torch.int64 or found.ndim != 1:
            raise Flaw(entry, f"must be positions of rows, int64 [n], not {shown(found)}")
        if len(found) and not 0 <= int(found.min()) <= int(found.max()) < rows:
            raise Flaw(entry, f"has a position outside of the {rows:,} rows of the walk")


ENTRIES: dict[str, Callable[[str, Any], None]] = {
    "pytorch-lightning_version": _version,
    "epoch": _whole_number,
    "global_step": _whole_number,
    "loops": _mapping,
    "callbacks": _callbacks,
    "state_dict": _state_dict,
    "optimizer_states": _optimizer_states,
    "place": _mapping,
    "lr_schedulers": _list,
    "results": _by_period,
    "learned": _by_period,
    "best_pretraining_epoch": _best_epoch,
    "method": _name,
    "initial": _initial,
}

OPTIONAL: dict[str, Callable[[str, Any], None]] = {
    "sharded": _shared_out,
    "files": _file_digests,
    "walk": _identity,
    "within_a_phase": _truth,
    "settings": _mapping,
    "machine": _mapping,
    "last_seen": _tensors,
    "user_statistics": _tensors,
    "self_tuning": _race,
    "exemplar_weight": lambda entry, value: number(entry, value, least=0),
}
