"""The rules of a recommender's sides: what a score takes from the user alone, and from the item alone."""

from __future__ import annotations

from asmg_pl.data import Sizes
from asmg_pl.recommenders import Lookup, Recommender
from asmg_pl.recommenders.features import Part, rows_of_user
from asmg_pl.testing.rules import Rules, alike
from asmg_pl.testing.samples import of_side, rows_of, sample_batch


def check_sides(rules: Rules, model: Recommender, sizes: Sizes) -> None:
    """Check that sides, where the recommender has them, are joined to the scores, and depend on their own ids alone."""
    sides, batch = model.sides(), sample_batch(sizes)
    if sides is None:
        return
    whole = batch._replace(history=batch.history[:, :0], history_length=batch.history_length * 0)
    for_user, for_item = batch._replace(item=batch.item * 0), whole._replace(user=batch.user * 0)
    if sizes.context_features:
        for_user, for_item = of_side(for_user, sizes, Part.USER), of_side(for_item, sizes, Part.ITEM)
    else:  # nobody knows a feature of the item
        for_item = for_item._replace(context=None)
    given = [
        (each, {name: Lookup(model.table(name), ids) for name, ids in model.lookups(each).items()})
        for each in (for_user, for_item)
    ]
    with rules.working("its sides fail: item_side is also given histories of no places, and none but its features"):
        joined = sides.join(sides.user_side(*given[0]), sides.item_side(*given[1]))
    rules.require(
        alike(joined, model(batch)),
        "join gives other logits than score: user_side takes user, history and all features but the item's, item_side "
        "the item, its categories and its features, and join what depends on both",
    )
    same = rows_of_user(rows_of(batch, slice(1)), batch, sizes)
    alone = [side[:1] for side in sides.user_side(*given[0])]
    rules.require(
        alike(sides.join(tuple(alone), sides.item_side(*given[1])), model(same)),
        "join fails to join one user's side to those of many items: let tensors broadcast over the first axis",
    )
