"""Matrix factorisation."""

from __future__ import annotations

import torch

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import MatrixFactorization

SIZES = Sizes(6, 9)


def batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    user, item = (torch.randint(size, (20,), generator=draw) for size in SIZES[:2])
    return Batch(user, item, torch.zeros(20, 3, dtype=torch.int64), torch.zeros(20, dtype=torch.int64), torch.ones(20))


def test_a_logit_is_the_dot_product_and_both_biases() -> None:
    model, rows = MatrixFactorization(SIZES, embedding_dim=4), batch()
    users, items = model.table("user").detach().normal_(), model.table("item").detach().normal_()
    for logit, user, item in zip(
        model(rows).tolist(), users[rows.user].tolist(), items[rows.item].tolist(), strict=True
    ):
        dot = sum(a * b for a, b in zip(user[:-1], item[:-1], strict=True))
        assert abs(logit - (dot + user[-1] + item[-1])) < 1e-5


def test_biases_start_at_zero_and_vectors_do_not() -> None:
    model = MatrixFactorization(SIZES)
    for table in model.table_parameters().values():
        assert table.shape[1] == 9
        assert (table[:, -1] == 0).all()
        limit = (6 / (len(table) + 8)) ** 0.5
        assert limit / 2 < table[:, :-1].abs().max() <= limit


def test_it_has_no_dense_parameters() -> None:
    assert not MatrixFactorization(SIZES).dense_parameters()
