"""Rules by which tables take their steps apart from dense parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.checks import check_positive
from asmg_pl.updaters.optim.adam import Adam, AdamAside, RowAdam
from asmg_pl.updaters.optim.lazy_adam import LazyAdam
from asmg_pl.updaters.optim.rates import Group, Rates

State = dict[str, Tensor]


class TableOptimizer(ABC):
    """A rule by which a table takes a step.

    Examples:
        Plain gradient descent, which keeps no state:

        >>> class Descent(TableOptimizer):
        ...     def move(self, table, gradient, state, rate):
        ...         table.add_(gradient, alpha=-rate)
        >>> table = torch.ones(2, 1)
        >>> Descent().move(table, torch.tensor([[1.0], [0.0]]), {}, rate=0.5)
        >>> table.flatten()
        tensor([0.5000, 1.0000])
    """

    @abstractmethod
    def move(self, table: Tensor, gradient: Tensor, state: State, rate: float) -> None:
        """Change a table in place.

        Args:
            table: float [N, D].
            gradient: of its shape; sparse, with the rows that a mini-batch touches, where the base model is
                ``row_wise``.
            state: what the rule remembers of the table, by name. A tensor has the table's shape, and 0 for a row that
                has never been touched, since a row that is added later begins with 0.
            rate: the learning rate.
        """


class Adagrad(TableOptimizer):
    """Adagrad: a step is -rate · g / (√(initial accumulator + Σ g²) + ε), the sum being over all steps so far.

    The rate of a coordinate falls with what it has moved, so that rare rows take longer steps than frequent ones. A row
    without a gradient stays where it is. The numbers are those of :class:`torch.optim.Adagrad` without decay. Source:
    Duchi, Hazan and Singer, "Adaptive Subgradient Methods", JMLR 2011.

    Examples:
        >>> table, state = torch.zeros(2, 1), {}
        >>> Adagrad(initial_accumulator=0.0).move(table, torch.tensor([[4.0], [0.0]]), state, rate=0.1)
        >>> table.flatten(), state["sum"].flatten()
        (tensor([-0.1000,  0.0000]), tensor([16.,  0.]))
    """

    def __init__(self, initial_accumulator: float = 0.1, epsilon: float = 1e-10) -> None:
        """Set the rule's constants.

        Args:
            initial_accumulator: what the sum of squares begins with; the larger, the shorter the first steps.
            epsilon: ε, added to the root, above 0.
        """
        if not initial_accumulator >= 0:
            raise ConfigError(
                f"model.table_optimizer.initial_accumulator must not be negative, got {initial_accumulator}"
            )
        check_positive(**{"table_optimizer.epsilon": epsilon})
        self.initial_accumulator = initial_accumulator
        self.epsilon = epsilon

    def move(self, table: Tensor, gradient: Tensor, state: State, rate: float) -> None:
        """Change a table in place, in time that grows with the rows of a sparse gradient alone."""
        squares = state.setdefault("sum", torch.zeros_like(table))
        if not gradient.is_sparse:
            squares.addcmul_(gradient, gradient)
            table.addcdiv_(gradient, self._root(squares), value=-rate)
            return
        rows, slope = gradient.indices()[0], gradient.values()
        touched = squares.index_select(0, rows).addcmul_(slope, slope)
        squares.index_copy_(0, rows, touched)
        table.index_add_(0, rows, slope / self._root(touched), alpha=-rate)

    def _root(self, squares: Tensor) -> Tensor:
        return (squares + self.initial_accumulator).sqrt_().add_(self.epsilon)


class AdamBesideTables(AdamAside):
    """Adam on dense parameters, and another rule on tables."""

    def __init__(self, params: Iterable[Group], lr: float, tables: Iterable[Tensor], rule: TableOptimizer) -> None:
        """Create the optimiser.

        Args:
            params: groups of parameters.
            lr: learning rate of groups without one.
            tables: those of the parameters that the rule moves.
            rule: moves them.
        """
        super().__init__(params, lr)
        self.apart = frozenset(id(table) for table in tables)
        self.rule = rule

    def leaves_out(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> bool:
        """See :meth:`~asmg_pl.updaters.optim.adam.AdamAside.leaves_out`: the tables."""
        return id(parameter) in self.apart

    def move(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        """See :meth:`~asmg_pl.updaters.optim.adam.AdamAside.move`."""
        state = self.state[parameter]
        state["step"] = state.get("step", torch.zeros((), device=parameter.device)) + 1  # as Adam has it
        self.rule.move(parameter, gradient, state, group["lr"])


def optimizer_of(
    recommender: Recommender, rates: Rates, rule: TableOptimizer | None = None, lazy: bool | None = False
) -> Adam:
    """The optimiser of a base model.

    Args:
        recommender: the base model; if it is ``row_wise``, Adam changes only the rows that a mini-batch touches.
        rates: the learning rates.
        rule: moves the tables; Adam moves them by default.
        lazy: whether dense Adam moves rows when they are next read, with the same numbers up to rounding; ``None`` for
            tables where this is faster.
    """
    groups = rates.groups(recommender)
    if rule is not None:
        return AdamBesideTables(groups, rates.dense, recommender.table_parameters().values(), rule)
    if recommender.row_wise:
        return RowAdam(groups, rates.dense)
    return Adam(groups, rates.dense) if lazy is False else LazyAdam(groups, rates.dense, recommender, always=bool(lazy))
