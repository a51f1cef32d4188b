"""Ray Train: a walk on two workers of a Ray cluster, one of which is lost on the way."""

# %% [markdown]
# It needs the extra `ray` (`pip install 'asmg_pl[ray]'`). Ray starts the workers, and starts them again when one is
# lost. With `resume=True` the walk then goes on from its last checkpoint.

# %%
import os
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import ray
from lightning import Callback, LightningModule, Trainer
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer

from asmg_pl import DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, walk
from asmg_pl.data import Sizes

# %% [markdown]
# This callback ends the second worker in period 6, once. Leave it out of your own program.


# %%
class Lost(Callback):
    """Ends the second worker after its first mini-batch of period 6, unless that has been done before."""

    def __init__(self, sign: Path) -> None:
        """Take the file that says that it has been done."""
        self.sign = sign

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """End this worker."""
        if trainer.global_rank == 1 and pl_module.phase.period == 6 and not self.sign.exists():
            self.sign.touch()
            os._exit(1)


# %%
def method(sizes: Sizes) -> IncrementalUpdate:
    """The plain update, pre-trained on three periods."""
    return IncrementalUpdate(sizes, pretrain_periods=3, pretrain_epochs=2, test_from=6)


def data() -> PeriodDataModule:
    """A small stream in eight periods."""
    return PeriodDataModule(DriftingStream(users=60, items=40, rows=1_600), periods=EqualCounts(8), batch_size=50)


def on_worker(given: dict[str, str]) -> None:
    """What each worker does. All of them see the run folder."""
    walk(
        method,
        data(),
        given["run"],
        resume=True,
        callbacks=[Lost(Path(given["sign"]))],
        accelerator="auto",
        strategy=RayDDPStrategy(),
        plugins=[RayLightningEnvironment()],
        enable_progress_bar=False,
    )


# %% [markdown]
# Ray finds the cluster to which this machine belongs, or begins one of this machine alone.

# %%
folder = Path(tempfile.mkdtemp())
ray.init()
TorchTrainer(
    on_worker,
    train_loop_config={"run": str(folder / "run"), "sign": str(folder / "lost")},
    scaling_config=ScalingConfig(num_workers=2),
    run_config=RunConfig(storage_path=str(folder / "ray"), failure_config=FailureConfig(max_failures=3)),
).fit()

# %% [markdown]
# The scores are those of a single process that nothing disturbs, up to rounding.

# %%
together = pl.read_csv(folder / "run" / "metrics.csv")["serving_auc"]
alone = walk(method, data(), enable_progress_bar=False).frame()["serving_auc"]
print("a worker was lost:", (folder / "lost").exists())
print("the same scores:", bool(((together - alone).abs() < 1e-5).all()))
