"""What a walk's checkpoint must hold: types, ranges, and what its entries say of each other.

    epoch, global_step, loops, callbacks, pytorch-lightning_version     Lightning's own
    state_dict, optimizer_states, lr_schedulers                          parameters, buffers and moments, all finite
    place                                                                where the walk stands, see asmg_pl.data.place
    PeriodDataModule                                                     the seed, and the rows that the walk is along
    results, learned, best_pretraining_epoch, method, initial            what the updater adds
    exemplars, exemplar_weight, reservoir, training_rows                 what some methods add
    replayed, last_seen, user_statistics
    self_tuning                                                          the race, see asmg_pl.updaters.tuning.race
    sharded, files                                                       what a folder adds, see asmg_pl.distributed
    walk, within_a_phase, settings, machine                              what callbacks add, see asmg_pl.callbacks
    filed                                                                notes of early periods in files of their own

Whether a checkpoint fits the walk that is to go on from it is another question: see
:mod:`asmg_pl.callbacks.checkpoint_fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from asmg_pl.checkpoints.archive import check_filed
from asmg_pl.checkpoints.races import race
from asmg_pl.checkpoints.scores import check_learned, check_results
from asmg_pl.checkpoints.states import best_epoch, optimizer_states, state_dict
from asmg_pl.checkpoints.values import Flaw, integer, mapping, number, sequence, shown, tensor, text

#: What the entry of a data module has at least.
STREAM = ("seed", "boundaries", "rows", "fingerprint")

PLACE = ("period", "phase", "trained_until")


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
    place, boundaries = checkpoint["place"], boundaries_of(stream)
    last = len(boundaries) - 1
    _check_place("place", place, last)
    check_results("results", checkpoint["results"], min(place["period"], last))
    for setting, found in checkpoint.get("self_tuning", {}).get("results", {}).items():
        check_results(f"self_tuning.results.{setting}", found, min(place["period"], last))
    check_learned("learned", checkpoint["learned"], place["period"])
    for name in ("exemplars", "training_rows", "reservoir", "replayed"):
        _check_positions(name, checkpoint.get(name), boundaries[-1])


def stream_of(checkpoint: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The entry of the data module, whatever its class is called, and its name before it.

    Raises:
        Flaw: if there is none.
    """
    for name, entry in checkpoint.items():
        if isinstance(entry, dict) and all(key in entry for key in STREAM):
            return name, entry
    raise Flaw("PeriodDataModule", f"is missing, or lacks one of {', '.join(STREAM)}")


def boundaries_of(stream: Mapping[str, Any]) -> Any:
    """The boundaries in the entry of a data module, as a list; a checkpoint has many of them as a tensor, int64 [n]."""
    found = stream["boundaries"]
    return found.tolist() if isinstance(found, Tensor) else found


def _whole_number(entry: str, value: Any) -> None:
    integer(entry, value)


def _version(entry: str, value: Any) -> None:
    text(entry, value, r"2\.\d+.*")


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
    boundaries = sequence(f"{entry}.boundaries", boundaries_of(stream))
    if not boundaries:
        raise Flaw(f"{entry}.boundaries", "is empty")
    for boundary in boundaries:
        integer(f"{entry}.boundaries", boundary)
    if boundaries != sorted(boundaries):
        raise Flaw(f"{entry}.boundaries", "does not ascend")
    integer(f"{entry}.rows", stream["rows"], least=boundaries[-1])
    integer(f"{entry}.seed", stream["seed"], most=2**32 - 1)
    text(f"{entry}.fingerprint", stream["fingerprint"], r"[0-9a-f]{64}")


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
    "state_dict": state_dict,
    "optimizer_states": optimizer_states,
    "place": _mapping,
    "lr_schedulers": _list,
    "results": _by_period,
    "learned": _by_period,
    "best_pretraining_epoch": best_epoch,
    "method": _name,
    "initial": _initial,
}

OPTIONAL: dict[str, Callable[[str, Any], None]] = {
    "sharded": _shared_out,
    "files": _file_digests,
    "walk": _identity,
    "filed": check_filed,
    "within_a_phase": _truth,
    "settings": _mapping,
    "machine": _mapping,
    "last_seen": _tensors,
    "user_statistics": _tensors,
    "self_tuning": race,
    "exemplar_weight": lambda entry, value: number(entry, value, least=0),
}
