"""The rules of a recommender, see docs/recommender.md."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from asmg_pl.data import Batch, Sizes
from asmg_pl.data.sizes import Feature
from asmg_pl.randomness.keyed import seeded
from asmg_pl.recommenders import Lookup, Recommender
from asmg_pl.testing.rules import Rules, alike
from asmg_pl.testing.samples import rows_of, sample_batch
from asmg_pl.testing.sides import check_sides

PLAIN = Sizes(7, 9, 3, context=(2, 4))
#: Features of each kind and of each side.
SIZES = PLAIN._replace(
    context_features=(Feature("device", "row", 2), Feature("colour", "item", 4)),
    numbers=(Feature("price", "item"), Feature("age", "user")),
    lists=(Feature("words", "row", 5),),
)
GROWN = SIZES._replace(users=11, items=14, categories=5, context=(2, 6), lists=(Feature("words", "row", 8),))


def check_recommender(recommender: Callable[[Sizes], Recommender]) -> None:
    """Check a recommender of your own: it scores any mini-batch, row by row, from the vectors that it is given.

    Args:
        recommender: its class, or another callable that takes the sizes, as ``partial(Mine, embedding_dim=4)``.

    Raises:
        BrokenRule: at the first rule that it breaks, with what to write instead.

    Examples:
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.testing import check_recommender
        >>> check_recommender(MatrixFactorization)
    """
    rules = Rules(recommender)
    model = _made(rules, recommender, SIZES)
    batch = sample_batch(SIZES)
    _check_lookups(rules, model, batch)
    _check_batches(rules, recommender, model, batch)
    with torch.no_grad():
        _check_score(rules, model, batch)
        check_sides(rules, model, SIZES)
        check_sides(rules, _made(rules, recommender, PLAIN), PLAIN)
    _check_gradients(rules, model, batch)
    _check_growth(rules, recommender, model)
    _check_start(rules, recommender, model)
    other = _made(rules, recommender, SIZES, number=1)
    with rules.working("its state cannot be loaded into another one: build the same parameters for the same sizes"):
        other.load_state_dict(model.state_dict())
    rules.require(
        torch.equal(other(batch), model(batch)),
        "it scores otherwise after its state was saved and loaded: keep all numbers in parameters or buffers "
        "(register_buffer), which state_dict has",
    )


def _made(rules: Rules, recommender: Callable[[Sizes], Recommender], sizes: Sizes, number: int = 0) -> Recommender:
    """A recommender in evaluation mode, all of whose numbers are drawn, so that none hides behind a zero.

    Args:
        rules: those by which it is checked.
        recommender: makes it.
        sizes: for which it is made.
        number: with another one, other numbers are drawn.
    """
    mend = "it cannot be built: __init__ takes sizes first, and its other arguments need defaults"
    with rules.working(mend), seeded("made", number):
        model = recommender(sizes)
    rules.require(
        isinstance(model, Recommender), "it is no Recommender: derive it from asmg_pl.recommenders.Recommender"
    )
    tables = getattr(model, "tables", None)
    rules.require(
        isinstance(tables, nn.ModuleDict) and len(tables) > 0,
        "it has no tables: set self.tables = nn.ModuleDict({name: nn.Embedding(rows, width), …}) in __init__",
    )
    for name in model.tables:
        weight = getattr(model.tables[name], "weight", None)
        rules.require(
            isinstance(weight, nn.Parameter) and weight.ndim == 2,
            f"the table {name!r} has no weight [rows, width]: use nn.Embedding",
        )
    with torch.no_grad(), seeded("drawn", number):
        for parameter in model.parameters():
            parameter.normal_()
    return model.eval()


def _check_lookups(rules: Rules, model: Recommender, batch: Batch) -> None:
    with rules.working("lookups fails on a mini-batch that has everything"):
        asked = model.lookups(batch)
    for name, ids in asked.items():
        rules.require(
            name in model.tables,
            f"lookups asks for {name!r}, and the tables are {', '.join(model.tables)}: give both the same names",
        )
        rules.require(
            ids.dtype == torch.int64 and ids.ndim >= 1 and len(ids) == len(batch.label),
            f"lookups gives {name!r} ids of type {ids.dtype} and shape {list(ids.shape)}: they must be int64 [B, …], "
            "the ids that each row needs",
        )
        rows = len(model.table(name))
        rules.require(
            bool((ids >= 0).all() and (ids < rows).all()),
            f"lookups asks {name!r}, which has {rows} rows, for ids from {int(ids.min())} to {int(ids.max())}: build "
            "the table with the rows that sizes says, and clamp padding (categories have -1) to 0",
        )


def _check_batches(rules: Rules, recommender: Callable[[Sizes], Recommender], model: Recommender, batch: Batch) -> None:
    """Check that any mini-batch of any stream gets finite logits [B]."""
    bare = Sizes(SIZES.users, SIZES.items)
    cases = [
        (model, batch, "of six rows", ""),
        (model, rows_of(batch, slice(1)), "of one row", ": squeeze(-1) rather than squeeze()"),
        (model, rows_of(batch, slice(0)), "without rows, which an empty period has", ""),
        (model, sample_batch(SIZES, history=False), "whose histories have no places", ": [B, 0] must do"),
    ]
    for sizes, lacking in [
        (SIZES._replace(categories=0), "categories: batch.categories is None there, and sizes.categories 0"),
        (bare._replace(categories=SIZES.categories), "context: batch.context is None there, and sizes.context ()"),
        (bare, "categories and context: both are None there"),
    ]:
        case = f"of a stream without {lacking}"
        with rules.working(f"it cannot be built for a mini-batch {case}"):
            less = _made(rules, recommender, sizes)
        cases.append((less, sample_batch(sizes), case, ""))
    for each, given, case, mend in cases:
        with rules.working(f"it fails on a mini-batch {case}{mend}"):
            logits = each(given)
        rules.require(
            isinstance(logits, Tensor) and logits.shape == given.label.shape and logits.is_floating_point(),
            f"score gives {_described(logits)} for a mini-batch {case}: it must be float [B], one logit for each row"
            f"{mend}",
        )
        rules.require(
            bool(logits.isfinite().all()),
            f"score is not finite on a mini-batch {case}: give logits (no log of 0, no division by the length 0 of a "
            "history)",
        )


def _check_score(rules: Rules, model: Recommender, batch: Batch) -> None:
    """Check what a row's logit may depend on: its own ids, history, categories and context, and the given vectors."""
    logits, asked = model(batch), model.lookups(batch)
    rules.require(
        torch.equal(model(batch), logits),
        "it scores otherwise when it is asked again: draw random numbers in training mode only (self.training, "
        "nn.Dropout), and change nothing in score",
    )
    given = {name: Lookup(model.table(name).clone(), ids) for name, ids in asked.items()}
    kept = {name: table.clone() for name, table in model.table_parameters().items()}
    for table in model.table_parameters().values():
        table.normal_()
    rules.require(
        torch.equal(model(batch, given), logits),
        "score reads vectors from self.tables: read them from its argument, lookups[name].vectors(), so that the rows "
        "of a generator can take their place",
    )
    for name, table in model.table_parameters().items():
        table.copy_(kept[name])
    compact = {}
    for name, ids in asked.items():
        touched, places = ids.unique(return_inverse=True)
        compact[name] = Lookup(model.table(name)[touched], places)
    with rules.working("score takes ids for places in lookups[name].weight: call lookups[name].vectors()"):
        again = model(batch, compact)
    rules.require(
        alike(again, logits),
        "score takes ids for places in lookups[name].weight, which has only the rows that are asked for: call "
        "lookups[name].vectors()",
    )
    dense = {name: torch.randn_like(value) for name, value in model.dense_parameters().items()}
    through = functional_call(model, dense, (batch, given))
    before = {name: value.clone() for name, value in model.dense_parameters().items()}
    for name, value in model.dense_parameters().items():
        value.copy_(dense[name])
    rules.require(
        alike(through, model(batch, given)),
        "score does not use the dense parameters that it has at the time: read them where they are used (self.mlp(…)), "
        "and keep no copies",
    )
    for name, value in model.dense_parameters().items():
        value.copy_(before[name])
    rules.require(
        torch.equal(model(batch._replace(label=1 - batch.label)), logits),
        "score depends on batch.label, which is what it has to predict: leave it out",
    )
    padding = torch.arange(batch.history.shape[1]) >= batch.history_length[:, None]
    rules.require(
        alike(model(batch._replace(history=batch.history + padding.long())), logits),
        "score depends on the padding of batch.history: only the first batch.history_length entries of a row are real "
        "(asmg_pl.recommenders.pooling.history_share weighs the others 0)",
    )
    alone = torch.cat([model(rows_of(batch, slice(row, row + 1))) for row in range(len(logits))])
    rules.require(
        alike(alone, logits),
        "a row's score depends on the other rows of its mini-batch: compute each row by itself (no statistics over "
        "the rows, nn.LayerNorm rather than normalising over dimension 0)",
    )


def _check_gradients(rules: Rules, model: Recommender, batch: Batch) -> None:
    weights = {name: model.table(name).detach().clone().requires_grad_() for name in model.lookups(batch)}
    lookups = {name: Lookup(weights[name], ids) for name, ids in model.lookups(batch).items()}
    logits = model(batch, lookups)
    mend = "use all vectors that lookups asks for, and do not detach() them or work on .data"
    rules.require(logits.requires_grad, f"score has no gradient: {mend}")
    found = torch.autograd.grad(logits.sum(), list(weights.values()), allow_unused=True)
    for name, gradient in zip(weights, found, strict=True):
        rules.require(gradient is not None, f"score passes no gradient to the vectors of {name!r}: {mend}")


def _check_growth(rules: Rules, recommender: Callable[[Sizes], Recommender], model: Recommender) -> None:
    """Check that with the stream only the number of the tables' rows grows."""
    grown = _made(rules, recommender, GROWN)
    rules.require(
        list(grown.tables) == list(model.tables),
        f"its tables are {', '.join(model.tables)} for a small stream and {', '.join(grown.tables)} for a large one: "
        "build the same ones",
    )
    for name in model.tables:
        (rows, width), (more, now) = model.table(name).shape, grown.table(name).shape
        rules.require(
            width == now and rows <= more,
            f"its table {name!r} is [{rows}, {width}] for a small stream and [{more}, {now}] for a large one: only the "
            "number of rows may grow",
        )
    shapes = {name: tuple(value.shape) for name, value in model.dense_parameters().items()}
    for name, value in grown.dense_parameters().items():
        rules.require(
            shapes.get(name) == tuple(value.shape),
            f"its dense parameter {name!r} depends on the size of the stream: what there is for each user, item, "
            "category or context value belongs into a table, which can grow (nn.Embedding in self.tables)",
        )
    _check_lookups(rules, grown, sample_batch(GROWN))


def _check_start(rules: Rules, recommender: Callable[[Sizes], Recommender], model: Recommender) -> None:
    """Check that initial numbers depend on seed and row alone."""
    for name, table in model.table_parameters().items():
        width, rows = table.shape[1], torch.arange(20)
        with rules.working(f"initial_rows fails for the table {name!r}"), seeded("first"):
            whole = model.initial_rows(name, rows, width, 5, 1)
        rules.require(
            whole.shape == (20, width) and bool(whole.isfinite().all()),
            f"initial_rows gives {_described(whole)} for 20 rows of {name!r}: it must be finite, float [20, {width}]",
        )
        with seeded("second"):
            some = model.initial_rows(name, rows[[7, 3]], width, 5, 1)
        rules.require(
            torch.equal(some, whole[[7, 3]]),
            f"initial_rows draws a row of {name!r} otherwise alone than among others: draw by key, with "
            "asmg_pl.randomness.keyed.uniform(rows, width, seed, 'table', name)",
        )
    first, second = (_dense_drawn(recommender) for _ in range(2))
    for name, value in first.items():
        rules.require(
            torch.equal(value, second[name]),
            f"its dense parameter {name!r} starts otherwise each time: draw from torch's generator (nn.init), which "
            "the walk's seed sets",
        )


def _dense_drawn(recommender: Callable[[Sizes], Recommender]) -> dict[str, Tensor]:
    with seeded("check"):
        return dict(recommender(SIZES).dense_parameters())


def _described(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
