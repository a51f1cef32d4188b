"""A generator that has broken down begins anew, so that the walk goes on with the incremental model.

after generate   the generator's loss, parameters and moments must be finite
after update     the generated model must be finite, and must tell the rows of a mini-batch apart, if the base does
otherwise        the generator, its moments and its carried state are set back; θ* is the incremental model again
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.distributed.processes import several
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.metrics.scored_rows import all_equal
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.walking.finite import everywhere, listed, unsound

log = logging.getLogger(__name__)


class Restart:
    """Looks at a generator and at what it has generated, and sets the generator back if one of them is unsound.

    Attributes:
        probe: a mini-batch of the newest period, on which the generated model is tried; ``None`` without one.
    """

    def __init__(self, generator: nn.Module, history: ParameterHistory) -> None:
        """Remember how the generator began.

        Args:
            generator: as it begins; its parameters are copied.
            history: with the state that the generator carries.
        """
        self.probe: Batch | None = None
        self._generator, self._history = generator, history
        self._initial = copy.deepcopy(generator.state_dict())
        self._said = False

    def see(self, batch: Batch) -> None:
        """Keep a mini-batch, if it is larger than the one kept already."""
        if self.probe is None or batch.total > self.probe.total:
            self.probe = batch

    def flaw_trained(self, found: Sequence[str], trained: Sequence[Mapping[str, Tensor]]) -> str:
        """What of the generator's training is not finite, in words, on any process; empty if all of it is.

        Args:
            found: what is known not to be finite already.
            trained: the generator's parameters and their moments, by name.
        """
        unfit = next((names for tensors in trained if (names := unsound(tensors))), [])
        unfit = everywhere([*found, *unfit], self._history.dense.device)
        return f"NaN or infinite are {listed(unfit)}" if unfit else ""

    def flaw_generated(self, base: Recommender, generated: Recommender) -> str:
        """Why a generated model can serve nobody, in words, on any process; empty if it can.

        Args:
            base: the base model.
            generated: the generated model.
        """
        unfit = everywhere(unsound(dict(generated.named_parameters())), self._history.dense.device)
        if unfit:
            return f"NaN or infinite are {listed(unfit)} of the generated model"
        return self._flaw_of_scores(base, generated)

    @torch.no_grad()
    def _flaw_of_scores(self, base: Recommender, generated: Recommender) -> str:
        """Why the generated model's scores of the probe can serve nobody, although those of the base model can."""
        batch, self.probe = self.probe, None
        if batch is None:  # the period has no rows
            return ""
        with torch.autocast(batch.label.device.type, enabled=False):
            logits = torch.stack([base(batch), generated(batch)])  # [2, B]
        bounds = torch.full((2, 2), -torch.inf, device=logits.device)  # largest and negated least, of each model
        if logits.shape[1]:
            bounds = torch.stack([logits.amax(1), -logits.amin(1)]).float()
        if several():
            dist.all_reduce(bounds, dist.ReduceOp.MAX)
        base_finite, finite = bounds.isfinite().all(0).tolist()
        if base_finite and not finite:
            return "the generated model gives scores that are not finite"
        same = all_equal(bounds[0], -bounds[1]) == [False, True]
        return "the generated model gives all rows one score" * same

    def begin_anew(self, optimizer: Adam, flaw: str) -> None:
        """Set the generator, its moments and its carried state back to how they began; say so once.

        Args:
            optimizer: of the generator.
            flaw: the reason, in words.
        """
        self._generator.load_state_dict(self._initial)
        optimizer.forget()
        for state in self._history.states():
            state.zero_()
        log.log(
            logging.DEBUG if self._said else logging.WARNING,
            "the generator has broken down after %d snapshots: %s. It begins anew, and the incremental model serves "
            "until the generated one is better again. Later times are not told here. Lower "
            "model.init_args.generator_learning_rate if the generator is to learn more",
            *(self._history.pushes, flaw),
        )
        self._said = True
