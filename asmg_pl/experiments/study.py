"""A study: trials along one stream with several seeds, all from the same pre-trained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asmg_pl.callbacks.file_names import DIVERGED
from asmg_pl.callbacks.settings import differences, pretraining_settings
from asmg_pl.checkpoints.names import newest_first
from asmg_pl.experiments.pool import Pool
from asmg_pl.experiments.processes import LocalPool
from asmg_pl.experiments.run_files import settings_of
from asmg_pl.experiments.runs import Run, read_runs
from asmg_pl.experiments.trial import Trial
from asmg_pl.experiments.walking import walk_all
from asmg_pl.experiments.walks import Walk, resolved

#: The file, in the folder of a pre-training, with the whole configuration.
SETTINGS = "settings.json"

#: The file, in a run folder, with the configuration that its walk began with.
CONFIG = "config.yaml"


class Study:
    """Walks trials with several seeds, and remembers which walks failed.

    All trials start from the model that the common arguments pre-train, so that a tuned method starts where the others
    do: the batch size and the learning rate of a method's own file are those of its updates. A trial whose settings
    decide on the model itself, such as another base model, has a pre-trained model of its own.

    Attributes:
        failed: the run folders of the walks that failed.
    """

    def __init__(
        self, folder: Path, seeds: Sequence[int], pool: Pool | None = None, common: Sequence[str] = ()
    ) -> None:
        """Begin a study.

        Args:
            folder: of the study; a run folder is ``TRIAL/seed-SEED`` in it.
            seeds: each trial walks once with each of them.
            pool: where walks run; one at a time on this machine by default.
            common: arguments of ``asmg fit`` for all trials, before their own.
        """
        self.folder = folder
        self.seeds = list(dict.fromkeys(seeds))  # a seed given twice is one walk
        self.pool = pool or LocalPool()
        self.common = tuple(common)
        self.failed: list[Path] = []
        self._settings: dict[Trial, dict[str, Any]] = {}
        self._models: dict[Trial, dict[int, tuple[str, ...]]] = {}

    def protocol(self, trial: Trial) -> dict[str, Any]:
        """The model's arguments as ``asmg fit`` has them before the trial's updates are set.

        Raises:
            ConfigError: if ``asmg fit`` does not accept the arguments.
        """
        found: dict[str, Any] = self._resolved(trial.start())["model"]["init_args"]
        return found

    def _resolved(self, start: Trial) -> dict[str, Any]:
        """The whole configuration that a start has."""
        if start not in self._settings:
            arguments = [*self.common, *start.arguments()]
            self._settings[start] = resolved(arguments, kept=self.folder / start.name / SETTINGS)
        return self._settings[start]

    def runs(self, trials: Sequence[Trial]) -> dict[Trial, list[Run]]:
        """Walk trials, and read what they have left, a run per seed.

        Returns:
            The trials all of whose walks have ended, well or by diverging. Divergence is a failure and yet a result:
            the trial's method cannot be the best.

        Raises:
            ConfigError: if ``asmg fit`` does not accept the arguments or the stream.
            DataError: if what a walk has left cannot be read.
        """
        return {trial: read_runs(folders) for trial, folders in self.walk(trials).items()}

    def walk(self, trials: Sequence[Trial]) -> dict[Trial, dict[int, Path]]:
        """Walk trials as :meth:`runs` does; finished walks are not run again.

        Returns:
            The run folders by seed.
        """
        self._pretrain(trials)
        walks = {
            (trial, seed): self._walk(trial, seed, self._models[trial.start()][seed])
            for trial in trials
            for seed in self.seeds
            if seed in self._models[trial.start()]
        }
        failed = self._run(list(walks.values()))
        ended = {key: one.folder for key, one in walks.items() if one not in failed or has_diverged(one.folder)}
        folders = {trial: {s: ended[trial, s] for s in self.seeds if (trial, s) in ended} for trial in trials}
        return {trial: found for trial, found in folders.items() if len(found) == len(self.seeds)}

    def _pretrain(self, trials: Sequence[Trial]) -> None:
        """Pre-train the models that trials start from, as far as that has not been done."""
        walks: dict[tuple[Trial, int], Walk] = {}
        for trial in trials:
            start, protocol = trial.start(), self.protocol(trial)
            if start in self._models:
                continue
            self._models[start] = {}
            if not protocol["pretrain_periods"] or protocol["pretrained_model"]:
                self._models[start] = dict.fromkeys(self.seeds, ())
                continue
            until = ("--loop.until", str(protocol["pretrain_periods"]))
            walks |= {(start, seed): self._walk(start, seed, until) for seed in self.seeds}
        wanted = [one for (start, _), one in walks.items() if not has_pretrained(one, self._resolved(start))]
        failed = self._run(wanted, alike=True)
        for (start, seed), one in walks.items():
            if one not in failed:
                checkpoint = newest_first(one.folder / "checkpoints")[0]
                self._models[start][seed] = ("--model.init_args.pretrained_model", str(checkpoint))

    def _walk(self, trial: Trial, seed: int, more: tuple[str, ...]) -> Walk:
        names = ("--wandb.experiment", self.folder.name, "--wandb.method", trial.name)
        return Walk(self.folder / trial.name / f"seed-{seed}", seed, (*names, *self.common, *trial.arguments(), *more))

    def _run(self, walks: Sequence[Walk], alike: bool = False) -> list[Walk]:
        failed = walk_all(walks, self.pool, alike)
        self.failed += [one.folder for one in failed]
        return failed


def has_diverged(folder: Path) -> bool:
    """Whether a walk has stopped since something was no longer finite."""
    return (folder / DIVERGED).is_file()


def has_pretrained(one: Walk, config: Mapping[str, Any]) -> bool:
    """Whether a run folder has the end of a pre-training that read the same settings; others may have changed since.

    The walks that begin with its model look at the stream themselves.

    Args:
        one: the walk that would pre-train.
        config: the whole configuration that it would have, but for its seed.
    """
    if not (one.folder / CONFIG).is_file():
        return False
    told, method = settings_of(one.folder / CONFIG), config["model"]["init_args"]
    last = f"period-{method['pretrain_periods']:06d}-phase-{2 * method['pretrain_epochs'] - 1:03d}-select.ckpt"
    if not (one.folder / "checkpoints" / last).exists() or told.get("seed_everything") != one.seed:
        return False
    return not differences(pretraining_settings(told), pretraining_settings(config))
