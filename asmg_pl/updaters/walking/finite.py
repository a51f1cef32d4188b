"""Whether a walk stays finite, found out without waiting for the device in each step.

step          1   2   3   4   5   …
loss        .69 .71 .68 nan nan   …
sound         1   2   3   3   3   …      a count on the device, which stops at the first number that is not finite
end of the phase                         one look at the count, at the parameters and at their moments
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from asmg_pl.distributed.processes import several
from asmg_pl.errors import DivergedError
from asmg_pl.generators.table_entries import models_in
from asmg_pl.updaters.walking.phase import Phase

#: How many findings a message names; further ones are counted.
SHOWN = 5

#: How many losses and gradients are looked at together.
TOGETHER = 64


class Watch:
    """Remembers in which mini-batch of a phase a loss or a gradient was not finite for the first time."""

    def __init__(self) -> None:
        """Begin a phase."""
        self._seen: dict[str, _Sequence] = {}

    def see(self, kind: str, number: Tensor, mini_batch: int) -> None:
        """Look at the next number of a kind.

        Args:
            kind: what the number is, for messages.
            number: a scalar, on any device; the program does not wait for it.
            mini_batch: where it was found, counted from 0.
        """
        self._seen.setdefault(kind, _Sequence()).add(number, mini_batch)

    def take(self) -> list[str]:
        """Say in words what was not finite, and begin another phase."""
        first = {kind: sequence.first() for kind, sequence in self._seen.items()}
        self._seen = {}
        return [f"the {kind} of mini-batch {place + 1}" for kind, place in first.items() if place is not None]


class _Sequence:
    """Numbers that are looked at many at a time, so that a step has no operations of its own for it."""

    def __init__(self) -> None:
        self._waiting: list[Tensor] = []
        self._places: list[int] = []
        self._trace: Tensor | float = 0.0  # 0 as long as all numbers are finite, then NaN
        self._sound: Tensor | int = 0  # how many numbers came before the first one that is not finite

    def add(self, number: Tensor, place: int) -> None:
        self._waiting.append(number.detach())
        self._places.append(place)
        if len(self._waiting) == TOGETHER:
            self._look()

    def first(self) -> int | None:
        self._look()
        sound = int(self._sound)
        return self._places[sound] if sound < len(self._places) else None

    def _look(self) -> None:
        if self._waiting:
            trace = (torch.stack(self._waiting).float() * 0 + self._trace).cumsum(0)
            self._trace, self._sound = trace[-1], self._sound + (trace == 0).sum()
            self._waiting.clear()


@torch.no_grad()
def unsound(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that are not finite, each with how many of its values are not.

    A tensor that is finite costs one pass over it, and no memory.
    """
    filled = {name: tensor for name, tensor in tensors.items() if tensor.numel() and tensor.is_floating_point()}
    if not filled:
        return []
    largest = [torch.linalg.vector_norm(tensor, torch.inf).float() for tensor in filled.values()]
    finite = torch.stack(largest).isfinite().tolist()
    return [
        f"{name} ({int((~tensor.isfinite()).sum()):,} of {tensor.numel():,} values)"
        for (name, tensor), fine in zip(filled.items(), finite, strict=True)
        if not fine
    ]


def made(module: nn.Module, base: nn.Module) -> dict[str, Tensor]:
    """The parameters of the recommenders within a module, but for the base model, as ``MODEL PATH``."""
    models = {name.removesuffix("."): model for name, model in models_in(module) if model is not base}
    return {f"{name} {path}": value for name, model in models.items() for path, value in model.named_parameters()}


def trained(module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> tuple[dict[str, Tensor], ...]:
    """The parameters that a module's optimisers move, by name, and their moments as ``exp_avg of NAME``."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    parameters, moments = {}, {}
    for number, optimizer in enumerate(optimizers):
        moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for place, parameter in enumerate(moved):
            name = names.get(id(parameter), f"parameter {place} of optimiser {number}")
            parameters[name] = parameter.detach()
            for kind, moment in optimizer.state.get(parameter, {}).items():
                if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                    moments[f"{kind} of {name}"] = moment
    return parameters, moments


def everywhere(found: Sequence[str], device: torch.device) -> list[str]:
    """What any process has found, in words.

    Sent: one number, and the words if there are some.

    Args:
        found: what this process has found.
        device: of the model.
    """
    if several():
        flag = torch.tensor(float(bool(found)), device=device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        if flag:
            every: list[list[str]] = [[] for _ in range(dist.get_world_size())]
            dist.all_gather_object(every, list(found))
            found = list(dict.fromkeys(words for each in every for words in each))
    return list(found)


def listed(found: Sequence[str]) -> str:
    """Findings in words, the first few of them, and how many more there are."""
    return "; ".join(found[:SHOWN]) + (f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def stop_if(found: Sequence[str], phase: Phase, device: torch.device) -> None:
    """Stop the walk, in all processes together, if one of them has found something that is not finite.

    Args:
        found: what this process has found, in words.
        phase: the phase that ends.
        device: of the model.

    Raises:
        DivergedError: with what any process has found, the period, the phase, and how to go on.
    """
    found = everywhere(found, device)
    if found:
        raise DivergedError(
            f"the walk has diverged in {_place(phase)}: NaN or infinite are {listed(found)}. Nothing of this phase is "
            "kept: the checkpoint before it, if there is one, is sound, and its model can go on serving. With the same "
            "settings --ckpt_path last leads here again, unless the cause is in rows or code that you mend. Else walk "
            "in another folder (--trainer.default_root_dir) with a lower learning rate, or with "
            "--model.init_args.gradient_clip 1"
        )


def _place(phase: Phase) -> str:
    if phase.name in ("pretrain", "select"):
        return f"epoch {phase.repeat + 1} of pre-training on periods 1 to {phase.period} · {phase.name}"
    return f"period {phase.period} · {phase.name}" + (f", pass {phase.repeat + 1}" if phase.repeat else "")
