"""Dense Adam that moves the rows of a table when they are next read.

step      rows of the mini-batch                              all other rows
read      catch up ─▶ looked up                               wait
move      dense Adam's step                                   wait: they are a step further behind
          …
whole tables are read: a phase ends, a checkpoint, ``state_dict``, ``parameters``          all catch up

Without a gradient a row moves in a way that is known in advance (:mod:`asmg_pl.updaters.optim.idle_steps`). So a step
costs what it touches, and the numbers are dense Adam's up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.distributed.processes import several
from asmg_pl.recommenders import Recommender, Request
from asmg_pl.updaters.optim.adam import AdamAside
from asmg_pl.updaters.optim.idle_steps import IdleSums
from asmg_pl.updaters.optim.lazy_rows import LazyRows, NativeLazyRows, is_native
from asmg_pl.updaters.optim.rates import Group

#: The fewest known rows of a table that wait by default: in all, and for each id that a mini-batch asks for.
FEWEST_ROWS, ROWS_PER_ID = 16384, 1


class LazyAdam(AdamAside):
    """Adam whose step on a table takes time in proportion to the rows that its mini-batch touches.

    By default a table's rows wait if C++ computes their moves, and the table has at least :data:`FEWEST_ROWS` known
    rows, and :data:`ROWS_PER_ID` of them for each id that the mini-batch asks for. This is decided with a phase's first
    mini-batch. Other tables take dense steps. Between phases no row waits, so that checkpoints, snapshots and exports
    are those of dense Adam.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.updaters.optim.rates import Rates
        >>> model = MatrixFactorization(Sizes(users=9, items=7))
        >>> optimizer = LazyAdam(Rates(1e-3).groups(model), 1e-3, model, always=True)
        >>> model.deferred is optimizer
        True
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[Group], lr: float, recommender: Recommender, always: bool = False
    ) -> None:
        """Create the optimiser; the recommender asks it for rows from now on.

        Args:
            params: the recommender's parameters, or groups of them.
            lr: learning rate of groups without one.
            recommender: the base model.
            always: whether the rows of all tables wait.
        """
        super().__init__(params, lr)
        self._always = always
        self.may_wait = always or all(p.device.type == "cpu" for p in recommender.parameters())
        self._recommender = recommender
        self._tables: dict[str, nn.Parameter] = recommender.table_parameters()
        self._names = {id(table): name for name, table in self._tables.items()}
        self._waits: dict[str, bool] = {}  # by table, until all rows catch up
        self._rows: dict[str, LazyRows] = {}  # of tables whose rows wait
        self._moves: list[tuple[NativeLazyRows, Tensor, Tensor, float]] = []  # of the step that is being taken
        recommender.deferred = self
        self.register_state_dict_pre_hook(_catch_up)
        self.register_load_state_dict_pre_hook(_catch_up)

    # ---- what the recommender asks for

    def catch_up(self, name: str | None = None, ids: Tensor | None = None) -> None:
        """Let rows take the steps that they have missed, so that they and their moments are dense Adam's.

        Args:
            name: the table; all tables by default.
            ids: of its rows, int64 of any shape; all rows by default. Processes that share a table see different ids.
                They catch up together, so that their tables stay equal: here, or in the step in which the ids have
                a gradient on one of them.
        """
        if name is None:
            for table in [*self._rows]:
                self.catch_up(table)
            self._waits.clear()
        elif rows := self._rows.get(name):
            if ids is None or self._catches_up_whole(name):
                rows.catch_up()
                self.state[self._tables[name]]["step"].fill_(rows.now)
                del self._rows[name]
            else:
                rows.read(ids)

    def prepare(self, requests: Mapping[str, Request]) -> None:
        """Let the rows that requests ask for catch up, those of all tables in one go.

        Args:
            requests: by table, see :meth:`catch_up`.
        """
        together, alone = [], not several()
        for name, request in requests.items():
            rows = self._rows.get(name)
            if isinstance(rows, NativeLazyRows) and (alone or not self._catches_up_whole(name)):
                together.append((rows, request.rows))
            else:
                self.catch_up(name, request.rows)
        NativeLazyRows.read_together(together)

    def read(self, name: str, request: Request, known: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """The rows that a request needs of a table whose other rows wait; ``None`` if the table takes dense steps.

        Args:
            name: the table.
            request: the ids.
            known: the table's rows that have appeared.

        Returns:
            The distinct rows, int64 [n] ascending; their vectors, float [n, D]; and the place of each id among them,
            int64.
        """
        waits = self._waits.get(name)
        if waits is None:
            waits = self._waits[name] = self._shall_wait(name, request, known)
        if not waits:
            return None
        if name not in self._rows:
            self._rows[name] = self._waiting(name)
        return self._rows[name].read(request.rows)

    def _catches_up_whole(self, name: str) -> bool:
        """Whether processes that share a table read different rows of it, in no step."""
        return several() and name not in self._recommender.owners and not torch.is_grad_enabled()

    def _shall_wait(self, name: str, request: Request, known: int) -> bool:
        table = self._tables[name]
        if int(self.state.get(table, {}).get("step", 0)) != self._group(table)["steps"]:
            return False  # the table began later than its group, and ε counts the group's steps
        asked = request.rows.numel() + request.rows_on_other_ranks * request.rows.shape[1:].numel()
        many = known >= max(FEWEST_ROWS, ROWS_PER_ID * asked)
        return self._always or (many and is_native(table.data, _sums(*self.defaults["betas"])))

    def _waiting(self, name: str) -> LazyRows:
        """A table whose rows have all moved up to the latest step."""
        table, group = self._tables[name], self._group(self._tables[name])
        state, sums = self.begun(table), _sums(*group["betas"])
        kind = NativeLazyRows if is_native(table.data, sums) else LazyRows
        given = table.data, state["exp_avg"], state["exp_avg_sq"], sums, group["uncorrected_eps"]
        return kind(*given, now=int(state["step"]), rate=group["lr"])

    def _group(self, parameter: Tensor) -> Mapping[str, Any]:
        return next(group for group in self.param_groups for each in group["params"] if each is parameter)

    # ---- the step

    def leaves_out(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> bool:
        """See :meth:`~asmg_pl.updaters.optim.adam.AdamAside.leaves_out`: tables whose rows wait.

        A table with a dense gradient catches up, and takes dense steps from now on.
        """
        name = self._names.get(id(parameter))
        if name is None:
            return False
        rows = self._rows.get(name)
        if gradient.is_sparse:
            if rows and rows.now + 1 == group["steps"]:
                return True
            found = gradient.coalesce()  # in plain operations its last row may stand there several times
            parameter.grad = torch.zeros_like(parameter).index_add_(0, found.indices()[0], found.values())
        if rows:
            self.catch_up(name)
        self._waits[name] = False
        return False

    def move(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        """See :meth:`~asmg_pl.updaters.optim.adam.AdamAside.move`."""
        rows, given = self._rows[self._names[id(parameter)]], (gradient.indices()[0], gradient.values(), group["lr"])
        if isinstance(rows, NativeLazyRows):
            self._moves.append((rows, *given))
        else:
            rows.step(*given)

    def finish(self) -> None:
        """See :meth:`~asmg_pl.updaters.optim.adam.AdamAside.finish`: C++ moves the rows of all tables in one go."""
        NativeLazyRows.step_together(self._moves)
        self._moves.clear()

    def forget(self) -> None:
        """Go back to the state before the first step; rows that wait take the steps behind them first."""
        self.catch_up()
        super().forget()


def rows_moved_by(lazy: bool | None, device: torch.device) -> str:
    """What moves the rows of large tables on a device, in words.

    Args:
        lazy: the setting ``lazy_tables``.
        device: of the tables.
    """
    native = device.type == "cpu" and is_native(torch.empty(1, 1, device=device), _sums(0.9, 0.999))
    if lazy is False or (lazy is None and not native):
        return "dense steps"
    return "C++ when read" if native else "plain operations when read"


@cache
def _sums(*betas: float) -> IdleSums:
    """The sums of all tables with these decays."""
    return IdleSums((betas[0], betas[1]))


def _catch_up(optimizer: torch.optim.Optimizer, *state: Any) -> None:
    assert isinstance(optimizer, LazyAdam)
    optimizer.catch_up()
