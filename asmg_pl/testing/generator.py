"""The rules of a generator, see :class:`asmg_pl.generators.Generator`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from asmg_pl.generators import Generator, ParameterShapes
from asmg_pl.generators.counts import NUMBERS
from asmg_pl.randomness.keyed import seeded
from asmg_pl.testing.rules import Rules, alike

WINDOW, ROWS = 3, 20
SHAPES = ParameterShapes(tables={"user": 3, "item": 2}, dense={"a": 4, "b": 1}, window=WINDOW)


def check_generator(generator: Callable[[ParameterShapes], Generator]) -> None:
    """Check a generator of your own: rows are generated alone as among others, and from earlier snapshots only.

    Args:
        generator: its class, or another callable that takes the shapes, as ``partial(Mine, hidden_size=2)``.

    Raises:
        BrokenRule: at the first rule that it breaks, with what to write instead.

    Examples:
        >>> from asmg_pl.generators import LinearGenerator
        >>> from asmg_pl.testing import check_generator
        >>> check_generator(LinearGenerator)
    """
    rules = Rules(generator)
    made = _made(rules, generator)
    size = made.hidden_size
    draw = torch.Generator().manual_seed(0)
    for name, width in SHAPES.tables.items():
        window, hidden = _drawn(draw, WINDOW, ROWS, width), _drawn(draw, ROWS, width, size)
        updates = _counted(draw, made, WINDOW, ROWS)
        with rules.working(f"table fails on rows of {name!r}: window is [k, n, D], hidden is [n, D, H]{_asked(made)}"):
            generated, states = made.table(name, window, hidden, *updates)
        _check_shapes(rules, "table", generated, states, (WINDOW, ROWS, width), size)
        with torch.no_grad():
            _check_rows(rules, made, name, window, hidden, *updates)
            _check_shortcuts(rules, made, name, window, hidden, *updates)
    width = sum(SHAPES.dense.values())
    window, hidden = _drawn(draw, WINDOW, width), _drawn(draw, width, size)
    with rules.working("dense fails: window is [k, P], hidden is [P, H]"):
        generated, states = made.dense(window, hidden)
    _check_shapes(rules, "dense", generated, states, (WINDOW, width), size)
    with torch.no_grad():
        _check_order(rules, "dense", lambda values: made.dense(values, hidden)[0], window)
    _check_learning(rules, generator, made, draw)


def _made(rules: Rules, generator: Callable[[ParameterShapes], Generator], number: int = 0) -> Generator:
    """A generator all of whose numbers are drawn, so that none hides behind a zero; ``number`` decides which."""
    mend = "it cannot be built: __init__ takes shapes first, and its other arguments need defaults"
    with rules.working(mend), seeded("made", number):
        made = generator(SHAPES)
    rules.require(isinstance(made, Generator), "it is no Generator: derive it from asmg_pl.generators.Generator")
    size = getattr(made, "hidden_size", None)
    rules.require(
        isinstance(size, int) and size >= 0,
        f"hidden_size is {size!r}: set it to the numbers of state that a coordinate carries, 0 for none",
    )
    with torch.no_grad(), seeded("drawn", number):
        for parameter in made.parameters():
            parameter.normal_()
    return made.eval()


def _check_shapes(
    rules: Rules, method: str, generated: Tensor, states: Tensor, shape: tuple[int, ...], size: int
) -> None:
    for what, tensor, wanted in (("generated values", generated, shape), ("states", states, (*shape, size))):
        rules.require(
            tuple(tensor.shape) == wanted and bool(tensor.isfinite().all()),
            f"the {what} of {method} are {list(tensor.shape)}: they must be finite and {list(wanted)}, one for each "
            "snapshot of the window, the oldest first",
        )


def _check_rows(rules: Rules, made: Generator, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> None:
    generated, states = made.table(name, window, hidden, *updates)
    again, _ = made.table(name, window, hidden, *updates)
    rules.require(torch.equal(again, generated), "it generates otherwise when it is asked again: draw nothing in it")
    with rules.working("table fails without rows, which a mini-batch may touch none of"):
        none, _ = made.table(name, window[:, :0], hidden[:0], *(each[:, :0] for each in updates))
    rules.require(none.shape == window[:, :0].shape, f"table makes {list(none.shape)} of no rows")
    rows = torch.tensor([ROWS - 1, 7, 7, 0])
    some, their_states = made.table(name, window[:, rows], hidden[rows], *(each[:, rows] for each in updates))
    rules.require(
        alike(some, generated[:, rows]) and alike(their_states, states[:, rows]),
        "a row is generated otherwise alone than among others: only the rows that a mini-batch touches are generated, "
        "so compute each by itself (no statistics over the rows)",
    )
    _check_order(rules, "table", lambda values, *counts: made.table(name, values, hidden, *counts)[0], window, *updates)


def _check_order(rules: Rules, method: str, generate: Callable[..., Tensor], *given: Tensor) -> None:
    """Check that what is generated after a snapshot knows no later snapshot: those were trained on what it scores."""
    changed = [each.clone() for each in given]
    for each in changed:
        each[-1] += 1
    rules.require(
        alike(generate(*changed)[:-1], generate(*given)[:-1]),
        f"{method} lets later snapshots into what it generates after earlier ones: a later snapshot has been trained "
        "on the rows that the earlier model is scored on, so read the window in its order only",
    )


def _check_shortcuts(
    rules: Rules, made: Generator, name: str, window: Tensor, hidden: Tensor, *updates: Tensor
) -> None:
    """Check the methods that give one of two results: whoever overrides them gives the same."""
    generated, states = made.table(name, window, hidden, *updates)
    rules.require(
        alike(made.generate(name, window, hidden, *updates), generated),
        "generate differs from the first result of table: give the same, or leave it out",
    )
    rules.require(
        alike(made.advance(name, window, hidden, *updates), states[-1]),
        "advance differs from the last state of table: give the same, or leave it out",
    )
    for value in made.learned(name, window, hidden, *updates).values():
        rules.require(isinstance(value, float), f"learned gives a {type(value).__name__}: give plain floats, .item()")


def _check_learning(
    rules: Rules, generator: Callable[[ParameterShapes], Generator], made: Generator, draw: torch.Generator
) -> None:
    window, hidden = _drawn(draw, WINDOW, ROWS, 3), _drawn(draw, ROWS, 3, made.hidden_size)
    updates = _counted(draw, made, WINDOW, ROWS)
    parameters = list(made.parameters())
    rules.require(bool(parameters), "it has no parameters, so that there is nothing to learn: register nn.Parameter")
    generated, _ = made.table("user", window, hidden, *updates)
    rules.require(
        generated.requires_grad,
        "what it generates has no gradient: compute it from the parameters, without detach() or .data",
    )
    other = _made(rules, generator, number=1)
    with rules.working("its state cannot be loaded into another one: build the same parameters for the same shapes"):
        other.load_state_dict(made.state_dict())
    rules.require(
        torch.equal(other.table("user", window, hidden, *updates)[0], generated),
        "it generates otherwise after its state was saved and loaded: keep all numbers in parameters or buffers",
    )
    first, second = (_started(generator) for _ in range(2))
    rules.require(
        all(torch.equal(value, second[name]) for name, value in first.items()),
        "its parameters start otherwise each time: draw from torch's generator (nn.init), which the walk's seed sets",
    )


def _started(generator: Callable[[ParameterShapes], Generator]) -> dict[str, Tensor]:
    with seeded("check"):
        return dict(generator(SHAPES).named_parameters())


def _drawn(draw: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=draw)


def _counted(draw: torch.Generator, made: Generator, *shape: int) -> tuple[Tensor, ...]:
    """Counts of updates, for a generator that asks for them."""
    if not made.counts_updates:
        return ()
    return (torch.randint(0, 9, (*shape, NUMBERS), generator=draw).float(),)


def _asked(made: Generator) -> str:
    return ", and updates, the further argument, is [k, n, 3], since counts_updates is true" * made.counts_updates
