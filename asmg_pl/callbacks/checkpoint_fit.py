"""Whether a checkpoint fits the walk that is to go on from it.

A checkpoint by itself is checked in :mod:`asmg_pl.checkpoints.schema`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from asmg_pl.checkpoints.values import Flaw, integer
from asmg_pl.updaters.asmg import ASMG
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.optim.adam import Adam


def check_place(updater: Updater) -> None:
    """Check that an updater's place, restored from a checkpoint, is in its plan, and that all results up to it exist.

    Raises:
        Flaw: naming the entry.
    """
    place, first = updater.place, updater.pretrain_periods + 1
    phases = len(updater.plan(place.period)) if place.period <= updater.data.last_period else 0
    integer("place.phase", place.phase, most=max(0, phases - 1))
    last = place.period if place.phase else place.period - 1
    scored = list(range(first, last + 1))
    scores_first = [phase.name for phase in updater.plan(first)[:1]] == ["score"]  # as every method of the package does
    if scores_first and list(updater.results) != scored:
        raise Flaw("results", f"has the periods {list(updater.results)}, but {scored} have been scored by then")
    if type(updater) is ASMG and updater.history.pushes != len(range(first, place.period)):
        raise Flaw(
            "state_dict.history._extra_state",
            f"has {updater.history.pushes} snapshots, but {len(range(first, place.period))} were taken by then",
        )


def check_types(checkpoint: Mapping[str, Any], module: nn.Module) -> None:
    """Check that tensors have the types of the module's.

    Raises:
        Flaw: naming the entry.
    """
    for name, fresh in module.state_dict().items():
        saved = checkpoint["state_dict"].get(name)
        if isinstance(fresh, Tensor) and isinstance(saved, Tensor) and saved.dtype != fresh.dtype:
            raise Flaw(f"state_dict.{name}", f"has the type {saved.dtype}, not {fresh.dtype}")


def check_loops(saved: Any, fresh: Any, entry: str = "loops") -> None:
    """Check that Lightning's own state has the form that it has in this walk.

    Raises:
        Flaw: naming the entry.
    """
    if isinstance(fresh, dict):
        if not isinstance(saved, dict) or not saved.keys() >= fresh.keys():
            raise Flaw(entry, f"must have the keys {', '.join(map(str, fresh))}")
        for key, inner in fresh.items():
            check_loops(saved[key], inner, f"{entry}.{key}")
    elif type(fresh) is int:
        integer(entry, saved)
    elif isinstance(fresh, bool) and not isinstance(saved, bool):
        raise Flaw(entry, f"must be true or false, not {saved!r}")


def check_optimizers(checkpoint: Mapping[str, Any], optimizers: Sequence[Optimizer], updater: Updater) -> None:
    """Check that there is a state for each optimiser, with moments for its parameters and the rate of the settings.

    The rate is known if the checkpoint has the settings, which have been compared by now, and the updater is one of
    this package: another may have a schedule.

    Raises:
        Flaw: naming the entry.
    """
    states = checkpoint["optimizer_states"]
    rates_known = "settings" in checkpoint and type(updater).__module__.startswith("asmg_pl.")
    if len(states) != len(optimizers):
        raise Flaw("optimizer_states", f"has {len(states)} optimisers, the method has {len(optimizers)}")
    for position, (state, optimizer) in enumerate(zip(states, optimizers, strict=True)):
        rates = {group["lr"] for group in optimizer.param_groups}
        rates |= {updater.learning_rate} if position == 0 else set()
        _check_optimizer(f"optimizer_states[{position}]", state, optimizer, rates if rates_known else None)


def _check_optimizer(entry: str, state: Mapping[str, Any], optimizer: Optimizer, rates: set[float] | None) -> None:
    groups, fresh = state["param_groups"], optimizer.state_dict()["param_groups"]
    if [group["params"] for group in groups] != [group["params"] for group in fresh]:
        raise Flaw(f"{entry}.param_groups", "has other parameters than the model")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, moments in state["state"].items():
        for name, values in moments.items():
            if isinstance(values, Tensor) and values.ndim and values.shape != parameters[number].shape:
                raise Flaw(
                    f"{entry}.state.{number}.{name}",
                    f"has shape {list(values.shape)}, its parameter {list(parameters[number].shape)}",
                )
        by_adam = isinstance(optimizer, Adam) and id(parameters[number]) not in optimizer.apart
        if by_adam and moments.keys() != {"step", "exp_avg", "exp_avg_sq"}:
            raise Flaw(f"{entry}.state.{number}", "must have the keys step, exp_avg and exp_avg_sq")
    if not isinstance(optimizer, Adam):
        return
    changing = {"params", "lr", "eps", "steps"}
    for group, wanted in zip(groups, fresh, strict=True):
        for name in wanted.keys() - changing:
            if group.get(name) != wanted[name]:
                raise Flaw(f"{entry}.param_groups.{name}", f"is {group.get(name)!r}, the method has {wanted[name]!r}")
        if rates is not None and group["lr"] not in rates:
            raise Flaw(f"{entry}.param_groups.lr", f"is {group['lr']}, the settings have {wanted['lr']}")
