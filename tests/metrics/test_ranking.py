"""AUC of all rows, of groups and per user, against counting pairs."""

from __future__ import annotations

import math

import pytest
import torch
from metrics import brute
from metrics.brute import random_ids, random_scores
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from asmg_pl.metrics import Ranking
from asmg_pl.metrics.ranking import Groups


def exactly(value: float) -> object:
    """Equal up to the rounding of a few float64 operations."""
    return pytest.approx(value, rel=1e-14, abs=0, nan_ok=True)


@pytest.mark.parametrize("levels", [None, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_auc_is_the_share_of_rightly_ranked_pairs_and_a_tie_counts_one_half(seed: int, levels: int | None) -> None:
    logits, labels = random_scores(seed, levels=levels)
    assert Ranking(logits, labels).auc().item() == exactly(brute.auc(logits.tolist(), labels.tolist()))


def test_auc_of_one_score_for_all_is_one_half() -> None:
    assert Ranking(torch.full((5,), 0.3), torch.tensor([1.0, 0, 0, 1, 0])).auc().item() == 0.5


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_auc_without_both_classes_is_nan(rows: int, label: float) -> None:
    ranking = Ranking(torch.arange(float(rows)), torch.full((rows,), label))
    assert math.isnan(ranking.auc())
    assert math.isnan(ranking.gauc(torch.zeros(rows, dtype=torch.int64)))
    assert ranking.auc_by_group(torch.zeros(rows, dtype=torch.int64), 3).isnan().all()


@pytest.mark.parametrize("around", [-40.0, 20.0, 30.0, 40.0])
def test_confident_logits_are_ranked_though_their_float32_probabilities_tie(around: float) -> None:
    logits, labels = random_scores(1, rows=60)
    logits = around + logits / 2
    if around > 0:
        assert logits.sigmoid().unique().numel() < len(logits)
    assert Ranking(logits, labels).auc().item() == exactly(brute.auc(logits.tolist(), labels.tolist()))


def test_auc_of_many_rows_is_that_of_torchmetrics_up_to_its_float32_rounding() -> None:
    logits, labels = random_scores(2, rows=100_000, levels=1000)
    expected = binary_auroc(logits.double().sigmoid(), labels.long()).item()
    assert Ranking(logits, labels).auc().item() == pytest.approx(expected, abs=1e-5)


def test_labels_and_scores_may_be_of_other_types() -> None:
    scores, labels = torch.tensor([3, 1, 2, 2]), torch.tensor([True, False, True, False])
    assert Ranking(scores, labels).auc().item() == 3.5 / 4
    assert Ranking(scores.double(), labels.to(torch.uint8)).auc().item() == 3.5 / 4


@pytest.mark.parametrize("groups", [1, 2, 3, 60])
@pytest.mark.parametrize("levels", [None, 1])
def test_each_group_has_its_own_auc_and_may_have_no_rows(groups: int, levels: int | None) -> None:
    logits, labels = random_scores(4, levels=levels)
    group = random_ids(4, count=groups)
    if groups == 2:
        group = torch.zeros_like(group)
    found = Ranking(logits, labels).auc_by_group(group, groups).tolist()
    expected = [brute.auc(logits[group == g].tolist(), labels[group == g].tolist()) for g in range(groups)]
    assert found == [exactly(value) for value in expected]
    if groups in (2, 60):
        assert any(math.isnan(value) for value in found)


@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("seed", range(3))
def test_gauc_weighs_the_users_of_both_classes_by_their_rows(seed: int, levels: int | None) -> None:
    logits, labels = random_scores(seed, levels=levels)
    user = random_ids(seed)
    labels[user % 5 == 0] = 1.0  # users of one class
    labels[user % 5 == 1] = 0.0
    expected = brute.gauc(logits.tolist(), labels.tolist(), user.tolist())
    ranking = Ranking(logits, labels)
    assert ranking.gauc(user).item() == exactly(expected)
    assert ranking.gauc(10**9 - 7 * user).item() == exactly(expected)  # any ids do
    assert abs(expected - ranking.auc().item()) > 1e-3


def test_gauc_by_hand() -> None:
    user = torch.tensor([7, 7, 7, 3, 3, 9])
    logits, labels = torch.tensor([2.0, 1.0, 0.0, 0.5, 0.5, -1.0]), torch.tensor([1.0, 0, 1, 1, 0, 1])
    assert Ranking(logits, labels).gauc(user).item() == (3 * 0.5 + 2 * 0.5) / 5
    assert Ranking(logits, labels[[0, 2, 1, 3, 4, 5]]).gauc(user).item() == (3 * 1.0 + 2 * 0.5) / 5


def test_gauc_of_one_user_is_the_auc() -> None:
    logits, labels = random_scores(6, levels=2)
    ranking = Ranking(logits, labels)
    assert ranking.gauc(torch.full((len(logits),), 3)).item() == ranking.auc().item()


def test_gauc_is_nan_if_no_user_has_both_classes() -> None:
    user = torch.tensor([0, 0, 1, 1])
    assert math.isnan(Ranking(torch.arange(4.0), torch.tensor([1.0, 1, 0, 0])).gauc(user))


def monotone(logits: Tensor, user: Tensor) -> Tensor:
    """Stretch and shift each user's logits in its own way; exact, so that no tie is made or lost."""
    return logits.double() * 2.0 ** (user % 7) + 64.0 * (user % 5)


def test_gauc_does_not_change_when_each_users_scores_are_stretched_and_shifted_and_auc_does() -> None:
    logits, labels = random_scores(8, levels=4)
    user = random_ids(8)
    plain, stretched = Ranking(logits, labels), Ranking(monotone(logits, user), labels)
    assert stretched.gauc(user).item() == plain.gauc(user).item()
    assert abs(stretched.auc().item() - plain.auc().item()) > 0.01


def test_neither_depends_on_the_order_of_the_rows() -> None:
    logits, labels = random_scores(9, levels=3)
    user, order = random_ids(9), torch.randperm(len(logits), generator=torch.Generator().manual_seed(0))
    one, other = Ranking(logits, labels), Ranking(logits[order], labels[order])
    assert other.auc().item() == one.auc().item()
    assert other.gauc(user[order]).item() == one.gauc(user).item()


def test_the_sum_of_many_pairs_does_not_overflow() -> None:
    """Half a million of each class make more pairs than float32 or int32 can count."""
    rows = 1_000_000
    labels = (torch.arange(rows) % 2).float()
    ranking = Ranking(torch.arange(rows), labels)
    assert ranking.auc().item() == exactly(0.5 + 1 / rows)
    assert ranking.gauc(torch.arange(rows) // 2).item() == 1.0


def test_scores_below_and_above_0_are_in_order_and_both_zeros_tie() -> None:
    scores = torch.tensor([-torch.inf, -3e38, -2.0, -1e-40, -0.0, 0.0, 1e-40, 2.0, 3e38, torch.inf])
    for place, score in enumerate(scores.tolist()):
        labels = torch.arange(len(scores)) == place
        expected = brute.auc(scores.tolist(), labels.tolist())
        assert Ranking(scores, labels).auc().item() == exactly(expected), score
    assert Ranking(scores[4:6], torch.tensor([1, 0])).auc().item() == 0.5


@pytest.mark.parametrize("levels", [None, 2])
def test_chosen_rows_have_the_auc_that_they_have_alone(levels: int | None) -> None:
    logits, labels = random_scores(5, levels=levels)
    chosen = random_ids(5) % 3 == 0
    alone = brute.auc(logits[chosen].tolist(), labels[chosen].tolist())
    assert Ranking(logits, labels).auc(chosen).item() == exactly(alone)
    assert Ranking(logits, labels).auc(torch.zeros_like(chosen)).isnan()


def test_groups_that_are_found_once_serve_several_models() -> None:
    user = random_ids(3)
    groups = Groups.by(user)
    for seed in (1, 2):
        ranking = Ranking(*random_scores(seed))
        assert ranking.gauc(groups).item() == ranking.gauc(user).item()


@pytest.mark.parametrize("place", [0, 1, 3])
def test_rows_one_of_which_has_no_number_for_a_score_have_no_order(place: int) -> None:
    scores, label, user = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])
    assert not Ranking(scores, label).auc_by_group(user, 2).isnan().any()
    scores[place] = torch.nan
    ranking = Ranking(scores, label)
    assert ranking.auc().isnan()
    assert ranking.auc_by_group(user, 2).isnan().all()
    assert ranking.gauc(user).isnan()


def weighted(seed: int, levels: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, labels, users and weights from 0 to 3."""
    draw = torch.Generator().manual_seed(seed)
    return *random_scores(seed, levels=levels), random_ids(seed), torch.randint(4, (501,), generator=draw)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("scale", [1.0, 0.375, 2.0**-140, 2.0**120])
def test_a_row_of_weight_2_counts_as_two_rows_and_one_of_weight_0_as_none(levels: int | None, scale: float) -> None:
    logits, labels, user, weights = weighted(1, levels)
    weighs = Ranking(logits, labels, weights * scale)
    times = torch.arange(501).repeat_interleave(weights)
    repeated = Ranking(logits[times], labels[times])
    assert weighs.auc().item() == repeated.auc().item()
    assert weighs.auc(user < 9).item() == repeated.auc(user[times] < 9).item()
    assert weighs.gauc(user).item() == exactly(repeated.gauc(user[times]).item())
    found, expected = (
        each.tolist() for each in (weighs.auc_by_group(user, 41), repeated.auc_by_group(user[times], 41))
    )
    assert found == [exactly(value) for value in expected]
    assert weighs.auc().item() != Ranking(logits, labels).auc().item()


def test_weights_of_1_change_nothing() -> None:
    logits, labels, user, _ = weighted(2, 2)
    plain, weighs = Ranking(logits, labels), Ranking(logits, labels, torch.ones(501))
    assert weighs.auc().item() == plain.auc().item()
    assert weighs.gauc(user).item() == exactly(plain.gauc(user).item())


def test_no_score_of_weighted_rows_depends_on_their_order() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, labels, user, _ = weighted(3, 2)
    weights, order = torch.rand(501, generator=draw).exp(), torch.randperm(501, generator=draw)
    one, other = Ranking(logits, labels, weights), Ranking(logits[order], labels[order], weights[order])
    assert other.auc().item() == one.auc().item()
    assert other.gauc(user[order]).item() == one.gauc(user).item()


def test_the_weighted_auc_is_the_share_of_the_pairs_weights() -> None:
    draw = torch.Generator().manual_seed(1)
    logits, labels, *_ = weighted(4, 2)
    weights = 100 * torch.rand(501, generator=draw)
    good, bad = labels > 0, labels == 0
    wins = (logits[good][:, None] > logits[bad]).double() + (logits[good][:, None] == logits[bad]).double() / 2
    pairs = weights[good].double()[:, None] * weights[bad].double()
    assert Ranking(logits, labels, weights).auc().item() == pytest.approx(((wins * pairs).sum() / pairs.sum()).item())


def test_without_a_weight_above_0_in_both_classes_auc_is_nan() -> None:
    logits, labels = random_scores(5)
    for weights in (torch.zeros(501), labels, 1 - labels):
        ranking = Ranking(logits, labels, weights)
        assert ranking.auc().isnan()
        assert ranking.gauc(torch.zeros(501, dtype=torch.int64)).isnan()
    none = torch.zeros(0)
    assert Ranking(none, none, none).auc().isnan()


def test_the_sum_of_many_weighted_pairs_does_not_overflow() -> None:
    rows = 1_000_000
    ranking = Ranking(torch.arange(rows), torch.arange(rows) % 2, torch.full((rows,), 3e38))
    assert ranking.auc().item() == exactly(0.5 + 1 / rows)
    assert ranking.gauc(torch.arange(rows) // 2).item() == 1.0
