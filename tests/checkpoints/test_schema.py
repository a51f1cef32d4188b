"""Wrong content of a checkpoint: each entry is checked before it is used, and the message names it."""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.conftest import Fit

from asmg_pl.checkpoints.io import AtomicCheckpointIO, read_checkpoint
from asmg_pl.checkpoints.schema import check
from asmg_pl.checkpoints.values import Flaw
from asmg_pl.errors import CheckpointError
from asmg_pl.updaters import IncrementalUpdate

pytestmark = pytest.mark.filterwarnings("ignore")

Content = dict[str, Any]
TABLE = "recommender.tables.user.weight"


def put(*way: Any) -> Callable[[Content], None]:
    """A change: the last of the arguments stands where the others lead."""
    *places, last, value = way

    def change(content: Content) -> None:
        inner: Any = content
        for place in places:
            inner = inner[place]
        inner[last] = value(inner[last]) if callable(value) else value

    return change


def take(*way: Any) -> Callable[[Content], None]:
    """A change: what stands where the arguments lead is missing."""
    *places, last = way

    def change(content: Content) -> None:
        inner: Any = content
        for place in places:
            inner = inner[place]
        del inner[last]

    return change


PLACE, STREAM, MOMENTS = "place", "PeriodDataModule", ("optimizer_states", 0, "state", 0)
GROUP = ("optimizer_states", 0, "param_groups", 0)
WRONG: dict[str, tuple[Callable[[Content], None], str]] = {
    "a period below 0": (put(PLACE, "period", -5), f"{PLACE}.period"),
    "a period beyond the stream": (put(PLACE, "period", 99), f"{PLACE}.period"),
    "a period that is a text": (put(PLACE, "period", "3"), f"{PLACE}.period"),
    "a phase below 0": (put(PLACE, "phase", -1), f"{PLACE}.phase"),
    "trained beyond the place": (put(PLACE, "trained_until", 4), f"{PLACE}.trained_until"),
    "a seed that is none": (put(STREAM, "seed", 1.5), f"{STREAM}.seed"),
    "boundaries that go back": (put(STREAM, "boundaries", [0, 30, 15, 45, 60]), f"{STREAM}.boundaries"),
    "boundaries below 0": (put(STREAM, "boundaries", [-1, 15, 30, 45, 60]), f"{STREAM}.boundaries"),
    "no boundaries": (put(STREAM, "boundaries", []), f"{STREAM}.boundaries"),
    "fewer rows than boundaries": (put(STREAM, "rows", 10), f"{STREAM}.rows"),
    "a fingerprint that is none": (put(STREAM, "fingerprint", "?"), f"{STREAM}.fingerprint"),
    "no place": (take(PLACE), PLACE),
    "a place without a period": (take(PLACE, "period"), PLACE),
    "a place with more than a place": (put(PLACE, "step", 0), PLACE),
    "no stream": (take(STREAM), STREAM),
    "weights that are not numbers": (put("state_dict", TABLE, lambda t: t.mul(math.nan)), f"state_dict.{TABLE}"),
    "a weight that is a text": (put("state_dict", TABLE, "weight"), f"state_dict.{TABLE}"),
    "a weight that is nothing": (put("state_dict", TABLE, None), f"state_dict.{TABLE}"),
    "pushes below 0": (put("state_dict", "history._extra_state", {"pushes": -1}), "_extra_state.pushes"),
    "no weights": (put("state_dict", {}), "state_dict"),
    "weights in a list": (put("state_dict", [1]), "state_dict"),
    "optimisers in a mapping": (put("optimizer_states", {}), "optimizer_states"),
    "a learning rate that is not a number": (put(*GROUP, "lr", math.nan), "param_groups[0].lr"),
    "a learning rate of 0": (put(*GROUP, "lr", 0.0), "param_groups[0].lr"),
    "a learning rate that is a text": (put(*GROUP, "lr", "fast"), "param_groups[0].lr"),
    "steps below 0": (put(*GROUP, "steps", -3), "param_groups[0].steps"),
    "parameters that are none": (put(*GROUP, "params", ["user"]), "param_groups[0].params"),
    "a moment that is not a number": (put(*MOMENTS, "exp_avg", lambda t: t * math.nan), "state.0.exp_avg"),
    "a square below 0": (put(*MOMENTS, "exp_avg_sq", lambda t: -t - 1), "state.0.exp_avg_sq"),
    "a count of steps below 0": (put(*MOMENTS, "step", torch.tensor(-1.0)), "state.0.step"),
    "moments of no parameter": (put("optimizer_states", 0, "state", 99, {}), "state.99"),
    "a result of another period": (put("results", 2, "period", 3), "results.2.period"),
    "a result without scores": (put("results", 2, "scores", {}), "results.2.scores"),
    "a result with a text for a score": (put("results", 2, "scores", "serving", "auc", "high"), "serving.auc"),
    "more positives than rows": (put("results", 2, "positives", 10**9), "results.2.positives"),
    "an unknown split": (put("results", 2, "split", "train"), "results.2.split"),
    "a result that lacks a field": (take("results", 2, "rows"), "results.2"),
    "a choice that was not scored": (put("results", 2, "served", "other"), "results.2.served"),
    "a reason that is a number": (put("results", 2, "why", 3), "results.2.why"),
    "a regret that is a text": (put("results", 2, "regret", "none"), "results.2.regret"),
    "constant models that are no names": (put("results", 2, "constant", [1]), "results.2.constant"),
    "results by text": (put("results", {"2": {}}), "results"),
    "learned by text": (put("learned", {"2": {}}), "learned"),
    "a best epoch that is half one": (put("best_pretraining_epoch", {"score": 0.5}), "best_pretraining_epoch"),
    "timings that are none": (put("callbacks", {"PeriodReport": {"timings": [1]}}), "PeriodReport.timings"),
    "a run of a name with a path": (put("callbacks", {"WandbRun": {"id": "../../x"}}), "WandbRun.id"),
    "another version of Lightning": (put("pytorch-lightning_version", "1.0"), "pytorch-lightning_version"),
    "an epoch below 0": (put("epoch", -1), "epoch"),
    "reservoir positions beyond the rows": (put("reservoir", 1, torch.tensor([10**9])), "reservoir.1"),
    "a reservoir of one label": (put("reservoir", {0: torch.tensor([1])}), "reservoir"),
    "a reservoir of numbers": (put("reservoir", 1, torch.tensor([1.5])), "reservoir.1"),
    "training rows in a table": (put("training_rows", torch.zeros(2, 2, dtype=torch.int64)), "training_rows"),
    "no method": (take("method"), "method"),
    "an identity that is none": (put("walk", "../x"), "walk"),
}


def test_what_a_walk_has_written_is_right(checkpoint: Path) -> None:
    check(read_checkpoint(checkpoint))


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_value_is_refused_by_its_name(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    change, name = WRONG[kind]
    content = copy.deepcopy(dict(read_checkpoint(checkpoint)))
    change(content)
    with pytest.raises(Flaw) as caught:
        check(content)
    assert name in str(caught.value)
    path, earlier = tmp_path / "period-000003-phase-001-rank.ckpt", tmp_path / "period-000003-phase-000-score.ckpt"
    shutil.copyfile(checkpoint, earlier)
    AtomicCheckpointIO().save_checkpoint({k: v for k, v in content.items() if k != "digests"}, path)
    with pytest.raises(CheckpointError) as refused:
        AtomicCheckpointIO().load_checkpoint(path)
    for part in (str(path), name, f"the previous one is {earlier}"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "change", ["rows exchanged", "entries exchanged", "a score", "an entry added", "an entry removed"]
)
def test_values_that_could_be_right_but_are_not_what_was_written_are_refused(
    checkpoint: Path, tmp_path: Path, change: str
) -> None:
    content = dict(read_checkpoint(checkpoint))
    if change == "rows exchanged":
        content["state_dict"][TABLE] = content["state_dict"][TABLE].flip(0)
    elif change == "entries exchanged":
        content["reservoir"] = {0: content["reservoir"][1], 1: content["reservoir"][0]}
    elif change == "a score":
        content["results"][2]["scores"]["serving"]["auc"] += 1e-9
    elif change == "an entry added":
        content["more"] = 1
    else:
        del content["training_rows"]
    torch.save(content, tmp_path / "changed.ckpt")
    with pytest.raises(CheckpointError, match="was written"):
        read_checkpoint(tmp_path / "changed.ckpt")


FOREIGN: dict[str, tuple[Callable[[Content], None], str]] = {
    "a phase beyond the plan": (put(PLACE, "phase", 9), f"{PLACE}.phase"),
    "a period without its result": (take("results", 2), "results"),
    "an optimiser missing": (put("optimizer_states", []), "optimizer_states"),
    "an optimiser more": (put("optimizer_states", lambda states: states * 2), "optimizer_states"),
    "other parameters": (put(*GROUP, "params", [0]), "state.1"),
    "moments of another shape": (put(*MOMENTS, "exp_avg", torch.zeros(3)), "exp_avg|optimiser state"),
    "another weight decay": (put(*GROUP, "weight_decay", 0.5), "weight_decay"),
    "a weight of another type": (put("state_dict", TABLE, lambda t: t.double()), TABLE),
    "infinite weights": (put("state_dict", TABLE, lambda t: t.clone().fill_(math.inf)), f"state_dict.{TABLE}"),
    "loops without epochs": (put("loops", "fit_loop", {}), "loops.fit_loop"),
    "a count of Lightning's below 0": (
        put("loops", "fit_loop", "epoch_progress", "total", "ready", -1),
        "epoch_progress.total.ready",
    ),
    "another method": (put("method", "ADER"), "ADER, not of SPMF"),
    "without the method's own entry": (take("reservoir"), "reservoir"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_does_not_fit_the_walk_is_refused_and_nothing_is_lost(
    walked: Path, checkpoint: Path, tmp_path: Path, fit: Fit, kind: str
) -> None:
    change, name = FOREIGN[kind]
    content = dict(read_checkpoint(checkpoint))
    del content["digests"]
    change(content)
    path = tmp_path / "checkpoints" / checkpoint.name
    AtomicCheckpointIO().save_checkpoint(content, path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.").replace("[", r"\[")):
        fit(tmp_path, path)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_of_another_method_is_refused(checkpoint: Path, tmp_path: Path, fit: Fit) -> None:
    with pytest.raises(CheckpointError, match="is one of SPMF, not of IncrementalUpdate"):
        fit(tmp_path, checkpoint, method=IncrementalUpdate)


def test_a_checkpoint_from_the_middle_of_a_phase_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    content = dict(read_checkpoint(checkpoint)) | {"within_a_phase": True}
    del content["digests"]
    AtomicCheckpointIO().save_checkpoint(content, tmp_path / "hpc_ckpt_1.ckpt")
    with pytest.raises(CheckpointError, match=r"in the middle of a phase.*--ckpt_path last"):
        read_checkpoint(tmp_path / "hpc_ckpt_1.ckpt")


def test_what_could_not_be_read_is_not_written(checkpoint: Path, tmp_path: Path) -> None:
    content = {**read_checkpoint(checkpoint), "settings": {"root": tmp_path}}
    with pytest.raises(CheckpointError, match=r"settings\.root has a pathlib.*Path, where a plain value must stand"):
        AtomicCheckpointIO().save_checkpoint(content, tmp_path / "new.ckpt")
    assert not list(tmp_path.iterdir())


def test_what_other_callbacks_keep_may_be_infinite(checkpoint: Path) -> None:
    content = dict(read_checkpoint(checkpoint))
    content["callbacks"] = {**content["callbacks"], "EarlyStopping": {"best_score": torch.tensor(math.inf)}}
    content["state_dict"] = {**content["state_dict"], "recommender.mask": torch.tensor([0.0, -math.inf])}
    check(content)
