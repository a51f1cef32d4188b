"""A model that starts anew each period."""

from __future__ import annotations

from collections.abc import Callable

import torch

from asmg_pl.data import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.updaters import Retrain, Updater

Walk = Callable[..., Updater]


def weights(updater: Updater) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in updater.recommender.parameters()])


class Disturbed(Retrain):
    """Is thrown off course in all periods but the last."""

    def update(self, batch: Batch) -> None:
        super().update(batch)
        if self.phase is not None and self.phase.period < 7:
            with torch.no_grad():
                for parameter in self.recommender.parameters():
                    parameter.add_(1.0)


def test_a_retrained_model_remembers_nothing_of_earlier_models(short_walk: Walk) -> None:
    straight, disturbed = short_walk(Retrain), short_walk(Disturbed)
    assert repr(straight.results[5]) != repr(disturbed.results[5])
    assert torch.equal(weights(straight), weights(disturbed))


def test_retraining_reads_all_periods_so_far() -> None:
    phases = Retrain(Sizes(5, 5), passes=2).phases(13)
    assert [phase.reading.periods for phase in phases[1:]] == [tuple(range(1, 14))] * 2


def test_forgetting_goes_back_to_the_first_weights_and_empties_the_optimizer(short_walk: Walk) -> None:
    updater = short_walk(Retrain)
    assert isinstance(updater, Retrain)
    initial = torch.cat([p.flatten() for p in updater.initial.parameters()])
    assert not torch.equal(weights(updater), initial)
    updater.forget()
    assert torch.equal(weights(updater), initial)
    optimizer = updater.trainer.optimizers[0]
    assert not optimizer.state
    assert optimizer.param_groups[0]["steps"] == 0
