"""A generator that breaks a rule gets the sentence that mends it, one wrong class for each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.generators import Generator, ParameterShapes
from asmg_pl.testing import BrokenRule, check_generator


class Scaled(Generator):
    """A number per table by which the newest value is multiplied: it keeps all rules."""

    hidden_size = 0

    def __init__(self, shapes: ParameterShapes) -> None:
        super().__init__()
        self.scale = nn.ParameterDict({name: torch.ones(width) for name, width in shapes.tables.items()})
        self.of_dense = nn.Parameter(torch.ones(sum(shapes.dense.values())))

    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return window * self.scale[name], hidden.expand(len(window), *hidden.shape)

    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return window * self.of_dense, hidden.expand(len(window), *hidden.shape)


class NeedsMore(Scaled):
    def __init__(self, shapes: ParameterShapes, more: int) -> None:
        super().__init__(shapes)


class NoStateSize(Scaled):
    hidden_size = None  # type: ignore[assignment]


class OnlyTheNewest(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        generated, states = super().table(name, window, hidden)
        return generated[-1], states


class OneState(Scaled):
    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return super().dense(window, hidden)[0], hidden


class Fails(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return super().table(name, window.view(-1, 7), hidden)


class Random(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        generated, states = super().table(name, window, hidden)
        return generated + torch.rand_like(generated), states


class Centred(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        mean = window.mean(1, keepdim=True) if window.shape[1] else 0
        return super().table(name, window - mean, hidden)


class NeedsRows(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return super().table(name, window * (window.amax() > -1e9), hidden)


class LooksAhead(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return super().table(name, window.mean(0, keepdim=True).expand_as(window), hidden)


class CountsLater(Scaled):
    """Its rows know how often they are asked for after the snapshot."""

    counts_updates = True

    def table(self, name: str, window: Tensor, hidden: Tensor, updates: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert updates is not None
        return super().table(name, window * (1 + updates[..., :1].sum(0, keepdim=True)), hidden)


class TakesNoCounts(Scaled):
    counts_updates = True


class DenseLooksAhead(Scaled):
    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return super().dense(window.mean(0, keepdim=True).expand_as(window), hidden)


class OtherShortcut(Scaled):
    def generate(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        return window


class OtherState(Scaled):
    hidden_size = 2

    def advance(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        return hidden + 1


class LearnsTensors(Scaled):
    def learned(self, name: str | None, window: Tensor, hidden: Tensor, *updates: Tensor) -> dict[str, float]:
        return {"mean": window.mean()}  # type: ignore[dict-item]


class NothingToLearn(Scaled):
    def __init__(self, shapes: ParameterShapes) -> None:
        Generator.__init__(self)
        self.scale = dict.fromkeys(shapes.tables, torch.ones(()))  # type: ignore[assignment]
        self.of_dense = torch.ones(())  # type: ignore[assignment]


class Detached(Scaled):
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        generated, states = super().table(name, window, hidden)
        return generated.detach(), states


class HidesNumbers(Scaled):
    def __init__(self, shapes: ParameterShapes) -> None:
        super().__init__(shapes)
        self.shift = torch.rand(())

    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        generated, states = super().table(name, window, hidden)
        return generated + self.shift, states


class DrawsOtherwise(Scaled):
    def __init__(self, shapes: ParameterShapes) -> None:
        super().__init__(shapes)
        nn.init.normal_(self.of_dense, generator=torch.Generator().manual_seed(torch.seed() % 2**60))


WRONG: dict[Callable[..., Any], str] = {
    NeedsMore: "it cannot be built: __init__ takes shapes first",
    nn.Identity: "it is no Generator: derive it from",
    NoStateSize: "hidden_size is None: set it to the numbers of state",
    Fails: r"table fails on rows of 'user': window is \[k, n, D\]",
    OnlyTheNewest: r"the generated values of table are \[20, 3\]: they must be finite and \[3, 20, 3\]",
    OneState: r"the states of dense are \[5, 0\]: they must be finite and \[3, 5, 0\]",
    Random: "it generates otherwise when it is asked again: draw nothing in it",
    NeedsRows: "table fails without rows",
    Centred: "a row is generated otherwise alone than among others: .* compute each by itself",
    LooksAhead: "table lets later snapshots into what it generates after earlier ones",
    CountsLater: "table lets later snapshots into what it generates after earlier ones",
    TakesNoCounts: "updates, the further argument, is .k, n, 3., since counts_updates is true",
    DenseLooksAhead: "dense lets later snapshots into what it generates after earlier ones",
    OtherShortcut: "generate differs from the first result of table: give the same, or leave it out",
    OtherState: "advance differs from the last state of table",
    LearnsTensors: r"learned gives a Tensor: give plain floats, \.item\(\)",
    NothingToLearn: r"it has no parameters, .*: register nn\.Parameter",
    Detached: r"what it generates has no gradient: compute it from the parameters, without detach\(\)",
    HidesNumbers: "it generates otherwise after its state was saved and loaded",
    DrawsOtherwise: "its parameters start otherwise each time: draw from torch's generator",
}


def test_one_that_keeps_all_rules_passes() -> None:
    check_generator(Scaled)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_broken_rule_is_named_with_its_mend(wrong: Callable[..., Any]) -> None:
    with pytest.raises(BrokenRule, match=f"^{wrong.__name__}: ") as caught:
        check_generator(wrong)
    caught.match(WRONG[wrong])
