"""A walk from Python: what ``asmg fit`` does, as a function.

    updater ─┐
    data ────┼─▶ walk ─▶ Walk:  frame()  plot()  mean()  serving  updater  trainer
    folder ──┘

``import asmg_pl`` imports this file. So what takes long to import (torch, Lightning, polars, matplotlib) is imported
within the functions that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from lightning import Callback, Trainer
    from matplotlib.figure import Figure
    from torch import nn

    from asmg_pl.data import PeriodDataModule, Sizes
    from asmg_pl.metrics.paired import Lift
    from asmg_pl.updaters import Updater


@dataclass(frozen=True, eq=False)
class Walk:
    """What a walk has come to.

    Attributes:
        updater: the method as it stands after the last period walked.
        data: the stream that was walked.
        trainer: the trainer that ran the walk.
    """

    updater: Updater
    data: PeriodDataModule
    trainer: Trainer

    def frame(self) -> pl.DataFrame:
        """The scores, a row per scored period, with the columns of ``metrics.csv`` (docs/run-folder.md)."""
        import polars as pl

        return pl.DataFrame([result.flat() for result in self.updater.results.values()], infer_schema_length=None)

    def mean(self, split: str = "test") -> dict[str, float]:
        """The mean scores over the periods of one split, by column of :meth:`frame`.

        Args:
            split: ``"test"``, ``"warm-up"`` or ``"selection"``. Without a period of this split there is no mean.
        """
        from asmg_pl.metrics.results import mean_over

        return mean_over(self.updater.results.values(), split)

    def lift(self) -> Lift | None:
        """The mean lift of what serves over the plain update on the test periods, in AUC, with its 95 % interval.

        ``None`` if no test period was scored, or the method scores no plain update beside what serves. To compare such
        a method, walk :class:`~asmg_pl.updaters.IncrementalUpdate` along the same data.
        """
        from asmg_pl.metrics.verdict import lift_over_plain_update

        return lift_over_plain_update(self.updater.results.values())

    def verdict(self) -> str | None:
        """The last line of ``asmg fit``: the lift, its interval, and what it decides; ``None`` if there is no lift."""
        from asmg_pl.metrics.verdict import verdict

        return verdict(self.updater.results.values())

    def plot(self) -> Figure:
        """The scores by period, as in ``auc.png``. A notebook shows the figure; ``savefig`` writes it to a file.

        Raises:
            ConfigError: if no period has been scored.
        """
        from asmg_pl.callbacks.plot import draw
        from asmg_pl.errors import ConfigError

        if not self.updater.results:
            raise ConfigError("the walk has scored no period yet, so there is nothing to plot: walk further (until)")
        return draw(list(self.updater.results.values()))

    @property
    def serving(self) -> nn.Module:
        """The model that answers requests after the last period walked, in evaluation mode and on the CPU.

        Call it with a :class:`~asmg_pl.data.Batch` for logits [B], of which the sigmoid is the probability.

        Raises:
            ConfigError: if the tables are shared out among processes, so that none has the whole model.
        """
        from asmg_pl.errors import ConfigError

        model = self.updater.served_model()
        if model.owners:
            raise ConfigError(
                "each process of this walk has some rows of the tables only: read the model from a checkpoint in one "
                "process, with resume and without trainer.strategy"
            )
        return model.cpu().eval()

    def __repr__(self) -> str:
        """The method, the periods that were scored, and the mean over the test periods."""
        scored = list(self.updater.results)
        span = f"periods {scored[0]} to {scored[-1]} scored" if scored else "no period scored"
        means = {name: value for name, value in self.mean().items() if name.endswith(("_auc", "_logloss"))}
        tested = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in means.items())
        return f"<Walk of {type(self.updater).__name__}: {span}" + (f", mean of tests: {tested}>" if tested else ">")

    def _repr_html_(self) -> str:
        """The table of scores, which a notebook shows."""
        return self.frame()._repr_html_()


def walk(
    updater: Updater | Callable[[Sizes], Updater],
    data: PeriodDataModule,
    folder: str | Path | None = None,
    *,
    until: int | None = None,
    resume: bool | str | Path = False,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
    **trainer: Any,
) -> Walk:
    """Walk a stream period by period: score, then train. It is ``asmg fit`` as a function, with the same numbers.

    Args:
        updater: the method: a class, ``partial(ASMG, window=2)``, or any callable that takes ``data.sizes``. It is
            called after the seed ``data.seed`` has been set, so that the initial model depends on that seed alone. An
            updater that is made already is taken as it is; it was drawn from the seed that torch had then. Of such an
            updater, and of one that a function makes, ``config.yaml`` has the class only, and resuming compares no
            other setting.
        data: the stream, and how it is cut into periods. It may be walked again, by another method for example.
        folder: the run folder, or its address, such as s3://bucket/runs/shop. It gets the files that ``asmg fit``
            writes. Without one, nothing is written.
        until: the last period to walk; by default the stream's last one.
        resume: ``True`` goes on from the newest checkpoint in ``folder``, or begins if there is none; a path goes on
            from that checkpoint.
        overwrite: whether the walk may replace an earlier one in ``folder``.
        callbacks: further callbacks. One of the walk's own classes takes the place of the walk's own, as
            ``PhaseCheckpoint(keep=-1)``, ``ServingExport(keep=1)`` or ``WandbRun(project="fresh")``.
        trainer: further arguments of :class:`lightning.pytorch.trainer.trainer.Trainer`: ``accelerator``, ``devices``,
            ``strategy``, ``precision``, ``logger``, ``enable_progress_bar`` and so on.

    Returns:
        The walk, once the last period has been walked.

    Raises:
        UserError: if an argument, the stream or a checkpoint is not usable; the message says what to change.

    Examples:
        >>> from asmg_pl import DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, walk
        >>> stream = DriftingStream(users=20, items=20, rows=500)
        >>> data = PeriodDataModule(stream, periods=EqualCounts(5), batch_size=50)
        >>> done = walk(lambda sizes: IncrementalUpdate(sizes, pretrain_periods=2, test_from=4), data)
        >>> done.frame()["period", "split", "rows"].rows()
        [(3, 'selection', 100), (4, 'test', 100), (5, 'test', 100)]
    """
    import copy
    from inspect import isroutine

    from lightning.pytorch import seed_everything
    from lightning.pytorch.utilities.seed import isolate_rng

    from asmg_pl.callbacks.given import GivenConfig, configuration
    from asmg_pl.callbacks.mirror import RunMirror
    from asmg_pl.data import PeriodDataModule
    from asmg_pl.distributed.launched import counts_of_torchrun
    from asmg_pl.errors import ConfigError, UserError
    from asmg_pl.serving.store import about_versions
    from asmg_pl.storage.address import is_address
    from asmg_pl.storage.copy import Copy
    from asmg_pl.system.quiet import quiet
    from asmg_pl.updaters import Updater
    from asmg_pl.updaters.sharing import tables_for

    if not isinstance(data, PeriodDataModule):
        raise ConfigError(f"data is a {type(data).__name__}: give a stream cut into periods, PeriodDataModule(source)")
    data.sizes  # noqa: B018 - reads the stream, so that copies of the data module share it
    data = copy.copy(data)  # the walk's place is the copy's, so that the stream can be walked again
    try:
        with quiet(), isolate_rng():
            seed_everything(data.seed, verbose=False)
            method = updater
            if not isinstance(updater, Updater):
                with tables_for(trainer.get("strategy")):
                    updater = updater(data.sizes)
                if not isinstance(updater, Updater):
                    raise ConfigError(f"updater made a {type(updater).__name__}: give an Updater, or a class of one")
            elif updater.results:
                raise ConfigError("this updater has walked already: give its class, as in walk(ASMG, data)")
            there = None
            if is_address(folder):
                counts = counts_of_torchrun(trainer.get("devices", "auto"), trainer.get("num_nodes", 1))
                several = (trainer | counts).get("num_nodes", 1) > 1
                there, folder = Copy.work(str(folder), new=True, several=several)
                there.fetch(about_versions)
            checkpoint = _checkpoint(folder, resume)
            bar = trainer.pop("enable_progress_bar", None) is not False
            made = _callbacks(folder, until, overwrite, bar, callbacks)
            if folder is not None:
                # Of a function, such as a lambda, only the updater that it made tells the settings.
                made.append(GivenConfig(configuration(updater if isroutine(method) else method, data, trainer)))
            if there is not None:
                made.append(RunMirror(there))
            runner = _trainer(folder, made, trainer)
            runner.fit(updater, data, ckpt_path=checkpoint)
    except UserError as error:
        if "--" in str(error):
            error.add_note(
                "In Python: --ckpt_path last is resume=True, --loop.until N is until=N, --checkpoint.overwrite true is "
                "overwrite=True, --trainer.default_root_dir is folder, --data.X and --model.init_args.X are arguments "
                "of the classes"
            )
        raise
    return Walk(updater, data, runner)


def _checkpoint(folder: str | Path | None, resume: bool | str | Path) -> str | None:
    """The checkpoint to go on from, if there is one.

    Raises:
        ConfigError: if there is no folder to look into.
        CheckpointError: if the checkpoint cannot be read.
    """
    from asmg_pl.callbacks.checkpoint import FOLDER
    from asmg_pl.checkpoints.io import newest_first, read_checkpoint
    from asmg_pl.errors import ConfigError

    if resume is False:
        return None
    if folder is None:
        raise ConfigError("resume goes on in a run folder: give the folder that the walk began in")
    found = newest_first(Path(folder) / FOLDER)[:1] if resume is True else [Path(resume)]
    for path in found:
        read_checkpoint(path)
    return str(found[0]) if found else None


def _trainer(folder: str | Path | None, callbacks: Sequence[Callback], settings: dict[str, Any]) -> Trainer:
    """The trainer of a walk.

    Raises:
        ConfigError: if a setting does not fit a walk, or the walk would wait for processes that nobody starts.
    """
    from lightning import Trainer
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from asmg_pl.callbacks.defaults import TRAINER_DEFAULTS
    from asmg_pl.distributed.launched import check_launched, counts_of_torchrun
    from asmg_pl.errors import ConfigError

    if "default_root_dir" in settings:
        raise ConfigError("default_root_dir is the run folder: give it as folder")
    if folder is None and settings.get("logger"):
        raise ConfigError("a logger gets its rows from the report, which needs a run folder: give folder")
    own = {"default_root_dir": folder, "enable_checkpointing": folder is not None, "callbacks": list(callbacks)}
    settings = settings | counts_of_torchrun(settings.get("devices", "auto"), settings.get("num_nodes", 1))
    try:
        trainer = Trainer(**(TRAINER_DEFAULTS | own | settings))
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        raise ConfigError(f"the trainer cannot be made: {error}") from error
    check_launched(trainer)
    return trainer


def _callbacks(
    folder: str | Path | None, until: int | None, overwrite: bool, bar: bool, given: Sequence[Callback]
) -> list[Callback]:
    """The given callbacks and those that every walk has; without a folder, of the latter those that write nothing.

    Raises:
        ConfigError: if a given callback does not fit a walk.
    """
    from asmg_pl.callbacks import Heartbeat, PeriodLoop, PeriodProgress, PhaseCheckpoint
    from asmg_pl.callbacks.defaults import CALLBACKS
    from asmg_pl.callbacks.others import refuse_callback
    from asmg_pl.errors import ConfigError

    makers: dict[type[Callback], Callable[[], Callback]] = {kind: kind for kind in CALLBACKS.values()}
    makers[PeriodLoop] = lambda: PeriodLoop(until)
    makers[PeriodProgress] = lambda: PeriodProgress(bar)
    makers[PhaseCheckpoint] = lambda: PhaseCheckpoint(overwrite=overwrite)
    instead = {PeriodLoop: "until", PeriodProgress: "enable_progress_bar"}
    write_nothing = {*instead, Heartbeat}
    others, own = [], {}
    for callback in given:
        kind = type(callback)
        if kind in instead:
            raise ConfigError(f"callbacks has a {kind.__name__}, which walk makes: give {instead[kind]}")
        if kind not in makers:
            refuse_callback([each.__name__ for each in kind.__mro__])
            others.append(callback)
            continue
        if folder is None and kind not in write_nothing:
            raise ConfigError(f"callbacks has a {kind.__name__}, which writes to a run folder: give folder too")
        if kind is PhaseCheckpoint and overwrite:
            raise ConfigError("callbacks has a PhaseCheckpoint, so that overwrite is its argument: give it there only")
        own[kind] = callback
    wanted = makers if folder is not None else write_nothing
    # The walk's own run in their order, given or made: a period's end is known only after the loop has found it.
    return [*others, *(own.get(kind) or make() for kind, make in makers.items() if kind in wanted)]
