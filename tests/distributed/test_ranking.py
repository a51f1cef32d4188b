"""Lists over several processes: the metrics are those of a single one, however models and cases are spread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from distributed.ranks import on_ranks
from distributed.test_walks import compare_metrics, metrics, walk

from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.metrics import TopK
from asmg_pl.recommenders import EmbeddingMLP, Recommender, TwoTower
from asmg_pl.updaters.top_k.ranking import PeriodRanking

TOP_K = ["--model.top_k=TopK", "--model.top_k.at=[3,8]", "--model.top_k.exclude_seen=true"]


def ranked(candidates: int | None) -> str:
    """What a process finds; the period has several chunks of cases."""
    source = DriftingStream(users=50, items=70, rows=4000, categories=3)
    data = PeriodDataModule(source, periods=EqualCounts(5), history_size=4, seed=3)
    torch.manual_seed(0)
    models: dict[str, Recommender] = {"incremental": EmbeddingMLP(data.sizes), "serving": TwoTower(data.sizes)}
    top_k = TopK(at=[3, 8], rows=None, candidates=candidates or "all", exclude_seen=True)
    share = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    with torch.no_grad():
        for model in models.values():
            for parameter in model.eval().parameters():
                parameter.normal_(std=0.4)
    found = PeriodRanking(top_k, data).rank(4, models, torch.device("cpu"), share)
    assert found.beside["cases"]["ranked"] > 128
    return str(found)


@pytest.mark.slow
@pytest.mark.parametrize("candidates", [None, 30])
def test_two_and_three_processes_find_the_numbers_of_one_to_the_last_bit(candidates: int | None) -> None:
    alone = on_ranks(1, ranked, candidates)[0]
    assert on_ranks(2, ranked, candidates) == [alone] * 2
    assert on_ranks(3, ranked, candidates) == [alone] * 3


@pytest.mark.slow
def test_walks_with_copies_and_with_sharded_tables_have_the_lists_of_a_single_process(tmp_path: Path) -> None:
    assert walk(tmp_path / "alone", 1, "ASMG", *TOP_K, sharded=False) == ""
    copies = ["--trainer.strategy=ddp", "--trainer.devices=2"]
    assert walk(tmp_path / "copies", 2, "ASMG", *TOP_K, *copies, sharded=False) == ""
    assert walk(tmp_path / "sharded", 2, "ASMG", *TOP_K) == ""
    assert "serving_ndcg_at_8" in metrics(tmp_path / "alone").columns
    for folder in ("copies", "sharded"):
        compare_metrics(tmp_path / folder, tmp_path / "alone")


@pytest.mark.slow
def test_a_walk_that_goes_on_has_the_bytes_of_one_that_was_never_cut(tmp_path: Path) -> None:
    assert walk(tmp_path / "whole", 1, "ASMG", *TOP_K, sharded=False) == ""
    assert walk(tmp_path / "cut", 1, "ASMG", *TOP_K, "--loop.until=5", sharded=False) == ""
    assert walk(tmp_path / "cut", 1, "ASMG", *TOP_K, "--ckpt_path=last", sharded=False) == ""
    assert (tmp_path / "cut" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
