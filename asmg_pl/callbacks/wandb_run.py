"""A run on Weights & Biases: a view of what the run folder has, offline unless told otherwise."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.callbacks.checkpoint import FOLDER
from asmg_pl.callbacks.configuration import described
from asmg_pl.callbacks.report import PLOT, PeriodReport
from asmg_pl.callbacks.schedule import logged
from asmg_pl.checkpoints.archive import FILES as NOTES
from asmg_pl.checkpoints.io import newest_first
from asmg_pl.errors import ConfigError, DivergedError
from asmg_pl.metrics.results import PeriodResult, mean_over
from asmg_pl.updaters.base import Updater

log = logging.getLogger(__name__)

#: Characters that names of projects and entities cannot have.
FORBIDDEN = r"/\#?%:"


class WandbRun(Callback):
    """Shows a walk on Weights & Biases, if a project is named.

    The run gets a row per period, when the period has ended: ``MODEL/METRIC`` for each model scored, side by side,
    ``data/…`` and ``cost/…``, all with ``period`` as the x-axis, and as ``diverged`` the number of models whose scores
    were not finite. Its summary is the mean over the test periods so far, and, as ``warm-up/…``, over the warm-up
    periods; ``diverged`` is 1 in that of a walk that has stopped since something was not finite, and else 0. At the end
    it gets the period table, the plot, and what ``artifacts`` asks for. Its configuration is the whole resolved one,
    with the stream's fingerprint and the program's version.

    The run's id is kept in checkpoints, so that a resumed walk goes on with its run. Online, only the periods that the
    run lacks are added; offline, a new folder of the same run gets all periods again, so that it is whole by itself:
    ``wandb sync`` the newest one. In either case no period has two rows. Of several processes, the first logs.
    """

    def __init__(
        self,
        project: str | None = None,
        entity: str | None = None,
        mode: Literal["offline", "online"] = "offline",
        experiment: str | None = None,
        method: str | None = None,
        tags: list[str] | None = None,
        artifacts: Literal["none", "serving", "all"] = "none",
    ) -> None:
        """Say where the run belongs.

        Args:
            project: of the run; without one, nothing is logged to Weights & Biases.
            entity: the user or team that the project belongs to; by default the account's own.
            mode: ``offline`` needs no account and no network, and writes to ``wandb/`` in the run folder, from where
                ``wandb sync`` uploads it later; ``online`` uploads while walking.
            experiment: the runs to be compared with each other, a group; by default the name of the stream's source.
            method: of the run, its job type; by default the name of the updater's class.
            tags: of the run.
            artifacts: what is uploaded as an artifact when the walk ends: ``serving``, the parameters of the model that
                serves; ``all``, the newest checkpoint as well.

        Raises:
            ConfigError: if Weights & Biases would not take a name or a tag.
        """
        _check_name("project", project)
        _check_name("entity", entity)
        _check_tags(tags or [])
        self.project = project
        self.entity = entity
        self.mode = mode
        self.experiment = experiment
        self.method = method
        self.tags = tags
        self.artifacts = artifacts
        self._id: str | None = None
        self._run: Any = None  # a wandb.Run; jsonargparse would import whatever this file names for type checkers
        self._logged = 0  # the latest period that the run has
        self._models: set[str] = set()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the run, or go on with it."""
        if self.project is None or not trainer.is_global_zero:
            return
        import wandb  # takes a second

        data = cast(Updater, pl_module).data
        method = self.method or type(pl_module).__name__
        try:
            self._run = wandb.init(
                project=self.project,
                entity=self.entity,
                mode=self.mode,
                dir=trainer.default_root_dir,
                id=self._id,
                resume="allow",
                name=f"{method}-seed-{data.seed}",
                group=self.experiment or type(data.source).__name__,
                job_type=method,
                tags=self.tags,
            )
        except Exception as error:  # of the account, the network, or a variable WANDB_… of the environment
            said = " ".join(str(error).split()).rstrip(".")
            offline = "" if self.mode == "offline" else ". Or walk with --wandb.mode offline, and wandb sync later"
            raise ConfigError(f"Weights & Biases does not begin the run: {said}{offline}") from error
        self._id = self._run.id
        self._logged = int(self._run.summary.get("period", 0))
        self._models = set()
        self._run.config.update(described(trainer), allow_val_change=True)
        self._run.define_metric("period")
        self._run.define_metric("diverged", step_metric="period", summary="none")
        for section in ("data", "cost", "guard"):
            self._run.define_metric(f"{section}/*", step_metric="period", summary="none")
        with self._outlived():
            self._log(trainer, cast(Updater, pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of a period that has ended."""
        with self._outlived():
            self._log(trainer, cast(Updater, pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add table, plot and artifacts, and end the run."""
        with self._outlived():
            self._end(trainer, pl_module)

    def _end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._run is None:
            return
        results = list(cast(Updater, pl_module).results.values())
        if results:
            import wandb

            rows = [result.flat() for result in results]
            table = wandb.Table(columns=list(rows[-1]), data=[[row.get(name) for name in rows[-1]] for row in rows])
            plot = wandb.Image(str(Path(trainer.default_root_dir) / PLOT))
            self._run.log({"periods": table, "plot": plot})
        self._add_artifacts(Path(trainer.default_root_dir), cast(Updater, pl_module))
        self._finish(0)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the run as a failed one; a resumed walk goes on with it. One that has diverged gets its last row."""
        with self._outlived():
            if self._run is not None and isinstance(exception, DivergedError):
                self._log(trainer, cast(Updater, pl_module), whole=True)
                self._run.summary.update({"diverged": 1})
            self._finish(1)

    def state_dict(self) -> dict[str, Any]:
        """The run's id."""
        return {"id": self._id}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self._id = state_dict["id"]

    @contextmanager
    def _outlived(self) -> Iterator[None]:
        """A context in which the walk goes on without Weights & Biases if its client fails."""
        try:
            yield
        except Exception as error:
            *_, (frame, _) = traceback.walk_tb(error.__traceback__)
            if frame.f_globals.get("__name__", "").partition(".")[0] != "wandb" and not isinstance(error, OSError):
                raise
            self._run = None
            log.warning(
                "Weights & Biases takes no more rows (%s: %s). The walk goes on, and its files have everything; wandb "
                "sync uploads what the run's folder has",
                *(type(error).__name__, error),
            )

    def _log(self, trainer: Trainer, updater: Updater, whole: bool = False) -> None:
        """Add the rows of periods that have ended and that the run lacks, and bring the summary up to date.

        With ``whole``, the period whose phases are running has a row too.
        """
        if self._run is None:
            return
        ended = [result for result in updater.results.values() if whole or result.period < updater.place.period]
        missing = [result for result in ended if result.period > self._logged]
        timings = _timings(trainer.callbacks)  # type: ignore[attr-defined]
        for result in missing:
            for model in (result.scores.keys() | result.ranking.keys()) - self._models:
                self._run.define_metric(f"{model}/*", step_metric="period", summary="none")
                self._models.add(model)
            words = {"split": result.split} | ({"served": result.served} if result.served else {})
            numbers = result.logged() | logged(updater, result.period) | _costs(timings, result.period)
            self._run.log(words | numbers)
            self._logged = result.period
        if missing:
            self._run.summary.update(_summary(ended, timings))

    def _add_artifacts(self, folder: Path, updater: Updater) -> None:
        if self._run is None or self.artifacts == "none":
            return
        import wandb

        serving = wandb.Artifact(f"serving-{self._id}", type="model")
        with serving.new_file("serving.pt", mode="wb") as file:
            torch.save(updater.served_model().state_dict(), file)
        self._run.log_artifact(serving)
        if self.artifacts == "all" and (checkpoints := newest_first(folder / FOLDER)):
            checkpoint = wandb.Artifact(f"checkpoint-{self._id}", type="checkpoint")
            for path in (checkpoints[0], *(folder / FOLDER).glob(NOTES)):  # without its notes it cannot be read
                checkpoint.add_file(str(path))
            self._run.log_artifact(checkpoint)

    def _finish(self, status: int) -> None:
        if self._run is not None:
            self._run.finish(exit_code=status)
            self._run = None


def _check_name(option: str, name: str | None) -> None:
    """Refuse what the client or the server would refuse."""
    if name is None:
        return
    entity, slash, project = name.partition("/")
    if option == "project" and slash and entity and project and not set(project) & set(FORBIDDEN):
        raise ConfigError(
            f"wandb.project is {name}, which names the entity too: give --wandb.entity {entity} "
            f"--wandb.project {project}"
        )
    if not name.strip() or len(name) > 128 or set(name) & set(FORBIDDEN) or not name.isprintable():
        none_of = " ".join(FORBIDDEN)
        raise ConfigError(f"wandb.{option} must have 1 to 128 characters and none of {none_of}, got {name!r}")


def _check_tags(tags: Sequence[str]) -> None:
    for tag in tags:
        if not tag.strip() or len(tag) > 64 or "," in tag:
            raise ConfigError(
                f"wandb.tags must have 1 to 64 characters each and no comma, got {tag!r}: give a list like [small, new]"
            )
        if tags.count(tag) > 1:
            raise ConfigError(f"wandb.tags has {tag!r} twice")


def _timings(callbacks: Iterable[Callback]) -> Sequence[Mapping[str, Any]]:
    """The phases' timings, if there is a report."""
    return next((callback.timings for callback in callbacks if isinstance(callback, PeriodReport)), [])


def _costs(timings: Sequence[Mapping[str, Any]], period: int) -> dict[str, float]:
    """Steps and seconds of a period's training, and the memory that the process had needed by its end."""
    phases = [timing for timing in timings if timing["period"] == period and timing["phase"] != "score"]
    totals = {f"cost/{name}": sum(phase[name] for phase in phases) for name in ("steps", "seconds")}
    peaks = [phase["peak_mib"] for phase in phases if "peak_mib" in phase]
    return totals | ({"cost/peak_mib": max(peaks)} if peaks else {})


def _summary(results: Sequence[PeriodResult], timings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over the test periods, of the memory the peak; scores also over the warm-up periods."""
    tested = [result for result in results if result.split == "test"]
    costs = [_costs(timings, result.period) for result in tested]
    means = {name: sum(cost[name] for cost in costs) / len(costs) for name in (costs[0] if costs else {})}
    if "cost/peak_mib" in means:
        means["cost/peak_mib"] = max(cost["cost/peak_mib"] for cost in costs)
    warm_up = {f"warm-up/{name}": mean for name, mean in mean_over(results, "warm-up", join="/").items()}
    return mean_over(tested, join="/") | means | warm_up | {"diverged": 0}
