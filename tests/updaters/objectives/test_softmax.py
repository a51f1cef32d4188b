"""What base models are trained on, against the softmax over all items, and under a generator."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from distributed.ranks import on_ranks
from recommenders.test_embedding_mlp import ITEMS, USERS, draw
from slowness import slow_but
from torch import Tensor
from torch.func import functional_call
from updaters.test_asmg import gradients, random_batches, random_model

from asmg_pl.data import EqualRows, PeriodDataModule, Sizes
from asmg_pl.data.batch import Batch, RankShare
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import ConfigError
from asmg_pl.generators import GRUGenerator, ResidualGRU
from asmg_pl.recommenders import DIN, GRU4Rec, Recommender, SASRec
from asmg_pl.testing import check_updater
from asmg_pl.testing.samples import GrowingStream, rows_of
from asmg_pl.updaters import ADER, ASMG, SFTL, SRIU, FeSAIL, IncCTR, IncrementalUpdate, ReLoop
from asmg_pl.updaters.objectives import (
    BinaryCrossEntropy,
    FullSoftmax,
    InBatchSoftmax,
    Objective,
    SampledSoftmax,
    Softmax,
    Step,
)

SAMPLED = SampledSoftmax(5)


def data(rows: int = 600) -> PeriodDataModule:
    return PeriodDataModule(DriftingStream(users=20, items=40, rows=rows), periods=EqualRows(100), history_size=5)


def step(stream: PeriodDataModule, number: int = 0, period: int = 3, **reading: Any) -> Step:
    return Step(stream, Reading("update", period, (period,), **reading), (period,), number)


def ranked(objective: Softmax, batch: Batch, at: Step) -> Batch:
    items, log_expected = objective.candidates(batch, at)
    return batch._replace(candidates=items, log_expected=log_expected)


def full(logits: Tensor, batch: Batch) -> Tensor:
    """The mean over all rows of the positive ones' softmax cross-entropy, from the logits of all items [B, N]."""
    positive = batch.label > 0
    return F.cross_entropy(logits[positive], batch.item[positive], reduction="sum") / len(batch.item)


def rows(stream: PeriodDataModule, period: int = 3) -> Batch:
    span = stream.rows_of(period)
    return stream.log.batch(torch.arange(span.start, span.stop), history_size=5)


def model(items: int) -> SASRec:
    torch.manual_seed(0)
    made = SASRec(Sizes(20, items), embedding_dim=8)
    made.table("item").data.normal_()
    return made


# ---- the losses


def test_the_full_softmax_is_that_over_all_items_known_by_then() -> None:
    stream = data()
    batch, known = rows(stream), stream.ids_by(3).items
    recommender = model(stream.sizes.items)
    given = ranked(FullSoftmax(), batch, step(stream))
    logits = torch.stack([recommender(batch._replace(item=torch.full_like(batch.item, i))) for i in range(known)], 1)
    torch.testing.assert_close(FullSoftmax().loss(recommender(given), given), full(logits, batch))


@pytest.mark.parametrize("positive", [0.0, 1.0])
def test_rows_of_label_0_add_nothing(positive: float) -> None:
    stream = data()
    batch = rows(stream)
    batch = batch._replace(label=torch.full_like(batch.label, positive))
    given, recommender = ranked(FullSoftmax(), batch, step(stream)), model(stream.sizes.items)
    loss = FullSoftmax().loss(recommender(given), given)
    loss.backward()
    assert bool(loss > 0) == bool(positive)
    gradient = recommender.table("item").grad
    assert gradient is not None
    assert bool(gradient.any()) == bool(positive)


def asking(stream: PeriodDataModule) -> tuple[Batch, Tensor]:
    """A positive row, and its logits of all items known by then, float [N]."""
    batch = rows(stream)
    row = int((batch.label > 0).nonzero()[0])
    one = rows_of(batch, slice(row, row + 1))
    given = ranked(FullSoftmax(), one, step(stream))
    return one, model(stream.sizes.items)(given)[0, 1:].detach()


def sum_under(one: Batch, logits: Tensor, candidates: tuple[Tensor, Tensor]) -> float:
    """The sum under the softmax, from the loss of a row, whose logits of all items are given."""
    items, log_expected = candidates
    own = logits[one.item]
    given = one._replace(candidates=items, log_expected=log_expected)
    loss = SampledSoftmax().loss(torch.cat([own, logits[items]])[None], given)
    return float((loss + own).exp())


def test_the_sampled_sum_is_expected_to_be_that_over_all_items() -> None:
    stream, objective = data(), SampledSoftmax(negatives=15)
    one, logits = asking(stream)
    sums = [sum_under(one, logits, objective.candidates(one, step(stream, number))) for number in range(800)]
    assert sum(sums) / len(sums) == pytest.approx(float(logits.exp().sum()), rel=0.05)


def test_the_corrected_sum_over_a_mini_batch_is_expected_to_be_that_over_all_items() -> None:
    stream, whole = data(), rows(data())
    one, logits = asking(stream)
    positives, draws, at = whole.item[whole.label > 0], torch.Generator().manual_seed(0), step(stream)
    corrected, plain = InBatchSoftmax(), InBatchSoftmax(correction=False)
    sums: dict[Softmax, list[float]] = {corrected: [], plain: []}
    for _ in range(800):
        others = positives[torch.randint(len(positives), (15,), generator=draws)]
        mini_batch = one._replace(item=torch.cat([one.item, others]), label=torch.ones(16))
        for objective, found in sums.items():
            found.append(sum_under(one, logits, objective.candidates(mini_batch, at)))
    wanted = float(logits[positives.unique()].exp().sum())  # what has no positive row is never in a mini-batch
    assert sum(sums[corrected]) / 800 == pytest.approx(wanted, rel=0.05)
    assert sum(sums[plain]) / 800 != pytest.approx(wanted, rel=0.2)


def test_a_candidate_that_is_the_row_s_own_item_counts_once() -> None:
    logits = torch.tensor([[1.0, 2.0, 1.0, 1.0]])
    ids = torch.tensor([4])
    batch = Batch(ids, ids, ids[:, None], ids, torch.ones(1), candidates=torch.tensor([7, 4, 4]))
    loss = FullSoftmax().loss(logits, batch._replace(log_expected=torch.zeros(3)))
    torch.testing.assert_close(loss, F.cross_entropy(torch.tensor([[1.0, 2.0]]), torch.tensor([0])))


@pytest.mark.parametrize("shares", [2, 3])
def test_the_mean_over_shares_is_that_of_the_whole(shares: int) -> None:
    stream = data()
    batch, recommender = rows(stream), model(stream.sizes.items)
    given = ranked(SampledSoftmax(9), batch, step(stream))
    expected = FullSoftmax().loss(recommender(given), given)
    parts = zip(*(column.tensor_split(shares) for column in batch[:5] if column is not None), strict=True)
    losses = []
    for part in parts:
        share = given._replace(**dict(zip(Batch._fields[:5], part, strict=True)), share=RankShare(100, shares))
        losses.append(SampledSoftmax(9).loss(recommender(share), share))
    torch.testing.assert_close(torch.stack(losses).mean(), expected)


def test_of_labels_it_is_the_binary_cross_entropy() -> None:
    batch = draw(categories=False)
    logits, label = torch.randn(12), torch.arange(12) % 2.0
    found = BinaryCrossEntropy().loss(logits, batch._replace(label=label))
    assert found == F.binary_cross_entropy_with_logits(logits, label)


# ---- the candidates


@pytest.mark.parametrize("objective", [FullSoftmax(), SampledSoftmax(500), InBatchSoftmax()])
def test_no_item_of_a_later_period_is_a_candidate(objective: Softmax) -> None:
    short, long = (PeriodDataModule(GrowingStream(n), periods=EqualRows(100), history_size=5) for n in (300, 600))
    assert short.sizes.items < long.sizes.items, "the stream grows"
    found = [objective.candidates(rows(stream), step(stream)) for stream in (short, long)]
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other), "what follows makes no difference"
    assert int(found[0][0].max()) < long.ids_by(3).items


def test_draws_depend_on_seed_pass_and_step_alone() -> None:
    stream, objective = data(), SampledSoftmax(20)
    batch = rows(stream)

    def drawn(**changed: Any) -> list[int]:
        return objective.candidates(batch, step(stream, **changed))[0].tolist()

    torch.manual_seed(3)
    first = drawn()
    torch.manual_seed(4)
    assert drawn() == first
    others = [drawn(number=1), drawn(period=4), drawn(repeat=1)]
    stream.seed += 1
    others.append(drawn())
    assert len({tuple(each) for each in [first, *others]}) == 5


def test_shares_are_counted_among_the_rows_that_are_read() -> None:
    stream = data()
    span = stream.rows_of(2)
    chosen = torch.arange(span.start, span.start + 40)
    some = stream.log.batch(chosen, history_size=0)
    items = some.item[some.label > 0]
    found, log_expected = InBatchSoftmax().candidates(some, step(stream, period=2, rows=chosen))
    assert torch.equal(found, items)
    share = items.bincount()[items] / len(items)
    torch.testing.assert_close(log_expected.exp(), share * (len(items) - 1))


def of_one_share() -> list[list[float]]:
    """The candidates that this process finds for its share of a period; rows divide unevenly."""
    stream, part = data(), RankShare.take(torch.arange(100), dist.get_rank(), dist.get_world_size())
    batch = rows_of(rows(stream), slice(int(part[0]), int(part[-1]) + 1))
    found = InBatchSoftmax().candidates(batch._replace(share=RankShare(100, 3)), step(stream))
    return [each.tolist() for each in found]


@pytest.mark.slow
def test_processes_rank_among_the_items_of_the_whole_mini_batch() -> None:
    stream = data()
    expected = InBatchSoftmax().candidates(rows(stream), step(stream))
    assert on_ranks(3, of_one_share) == [[each.tolist() for each in expected]] * 3


# ---- under a generator


def loss_from_whole_models(updater: ASMG, batches: tuple[Batch, ...]) -> Tensor:
    """Every row of both positions' tables is generated; the positions weigh 1/3 and 2/3."""
    whole: dict[str, Tensor] = {}
    for name, table in updater.recommender.table_parameters().items():
        found, _ = updater.generator.table(name, *updater.history.rows(name, torch.arange(len(table))))
        whole[f"tables.{name}.weight"] = found
    dense, _ = updater.generator.dense(*updater.history.dense_window())
    total = torch.zeros(())
    for j, (batch, weight) in enumerate(zip(batches, [1 / 3, 2 / 3], strict=True)):
        parameters = {name: values[j] for name, values in whole.items()} | updater.history.split_dense(dense[j])
        total = total + weight * updater.objective.loss(
            functional_call(updater.recommender, parameters, (batch,)), batch
        )
    return total


@pytest.mark.parametrize("generator", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize("recommender", [SASRec, GRU4Rec])
def test_a_generator_s_step_on_touched_rows_is_one_on_whole_tables(
    recommender: type[Recommender], generator: type[GRUGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, chosen = Sizes(60, 900), torch.tensor([5, 11, 5, 890])
    updater = random_model(sizes, recommender=recommender, generator=generator, window=2, objective=SampledSoftmax(4))
    batches = tuple(
        batch._replace(candidates=chosen + j, log_expected=torch.zeros(4))
        for j, batch in enumerate(random_batches(sizes)[:2])
    )
    monkeypatch.setattr(updater, "ranked_by_period", lambda _: batches)
    generated: list[int] = []
    generate = updater.generator.generate_stored

    def spy(name: str, stored: Any) -> Tensor:
        generated.append(len(stored))
        return generate(name, stored)

    monkeypatch.setattr(updater.generator, "generate_stored", spy)
    loss = updater.generator_loss(batches)
    asked = torch.cat([ids.flatten() for b in batches for ids in (b.item, b.history, chosen, chosen + 1)]).unique()
    assert generated == [len(asked)], "of 900"
    found, expected = gradients(updater, loss), loss_from_whole_models(updater, batches)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients(updater, expected).items():
        torch.testing.assert_close(found[name], gradient, atol=1e-4, rtol=1e-4, msg=f"gradients of {name} differ")


# ---- what is learned, and what is refused


@pytest.mark.parametrize("objective", [FullSoftmax(), SampledSoftmax(8), InBatchSoftmax()])
@pytest.mark.parametrize("recommender", [SASRec, GRU4Rec])
def test_the_item_that_follows_is_learned(recommender: type[Recommender], objective: Softmax) -> None:
    stream, items = data(), 12
    torch.manual_seed(0)
    learner = recommender(Sizes(1, items))
    latest = torch.arange(items).repeat(4)
    history = torch.stack([latest, (latest - 1) % items], dim=1)
    none = torch.zeros_like(latest)
    batch = Batch(none, (latest + 1) % items, history, none + 2, torch.ones(len(latest)))
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.01)
    for number in range(150):
        chosen, _ = objective.candidates(batch, step(stream, number))
        given = batch._replace(candidates=chosen % items, log_expected=torch.zeros(len(chosen)))
        optimizer.zero_grad()
        objective.loss(learner(given), given).backward()
        optimizer.step()
    everything = batch._replace(candidates=torch.arange(items), log_expected=torch.zeros(items))
    assert torch.equal(learner.eval()(everything)[:, 1:].argmax(1), batch.item)


@pytest.mark.parametrize("objective", slow_but([SAMPLED], [FullSoftmax(), SAMPLED, InBatchSoftmax()]))
def test_walks_neither_leak_nor_go_on_otherwise_after_a_kill(objective: Softmax) -> None:
    check_updater(partial(ASMG, window=2, recommender=SASRec, objective=objective))


@pytest.mark.parametrize("objective", [FullSoftmax(), SampledSoftmax(), InBatchSoftmax()])
def test_a_model_without_dot_products_is_refused(objective: Objective) -> None:
    with pytest.raises(ConfigError, match="ranks items by dot products, and DIN has none: choose SASRec"):
        IncrementalUpdate(Sizes(USERS, ITEMS), recommender=DIN, objective=objective)


@pytest.mark.parametrize("method", [ADER, FeSAIL, IncCTR, ReLoop, SFTL, SRIU])
def test_a_method_that_needs_labels_is_refused(method: Any) -> None:
    build = partial(method, Sizes(USERS, ITEMS), recommender=SASRec)
    with pytest.raises(ConfigError, match=f"{method.__name__} does not work with FullSoftmax: it .*Leave"):
        build(objective=FullSoftmax())
    build()


def test_micro_batches_do_not_know_each_other_s_items() -> None:
    with pytest.raises(ConfigError, match=r"data\.accumulate is 2: set it to 1"):
        InBatchSoftmax().check(model(3), accumulate=2)
    SampledSoftmax().check(model(3), accumulate=2)
    with pytest.raises(ConfigError, match=r"objective\.negatives must be at least 1, got 0"):
        SampledSoftmax(0)
