"""A study: trials along one stream with several seeds, all from the same pre-trained models."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from messages import say
from trial import Trial
from walks import Walk, walk_all

from asmg_pl.callbacks.report import DIVERGED
from asmg_pl.checkpoints.io import newest_first


class Study:
    """Walks trials with several seeds and remembers what failed.

    Of a trial, only what decides on the pre-trained model takes part in pre-training: a method's file that names
    another base model, say, but not the batch size and learning rate of its updates. Those of the common arguments
    pre-train, so that a tuned method starts where the others do.

    Attributes:
        failures: what went wrong.
    """

    def __init__(self, options: argparse.Namespace, common: Sequence[str]) -> None:
        """Begin a study.

        Args:
            options: what a parser made by :func:`study_parser` has read.
            common: arguments of ``asmg fit`` for all trials, before their own.
        """
        self.folder: Path = options.folder
        self.seeds: list[int] = options.seeds
        self.jobs: int = options.jobs
        self.common = tuple(common)
        self.failures: list[str] = []
        self._protocols: dict[Trial, dict[str, Any]] = {}
        self._models: dict[Trial, dict[int, tuple[str, ...]]] = {}

    def protocol(self, trial: Trial) -> dict[str, Any]:
        """The model's arguments as ``asmg fit`` would have them before the trial's updates are set.

        Raises:
            SystemExit: if ``asmg fit`` does not accept the arguments.
        """
        start = trial.start()
        if start not in self._protocols:
            command = [sys.executable, "-m", "asmg_pl", "fit", *self.common, *start.arguments(), "--print_config"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            self._protocols[start] = yaml.safe_load(done.stdout)["model"]["init_args"]
        return self._protocols[start]

    def walk(self, trials: Sequence[Trial]) -> dict[Trial, dict[int, Path]]:
        """Run folders by seed of those trials whose walks have all ended, well or by diverging.

        Finished walks are not run again. One that diverges is a failure, and yet a result: its method cannot be best.
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

    def exit(self) -> NoReturn:
        """End the tool: report what failed, with status 1, or nothing, with status 0."""
        for failure in self.failures:
            for line in failure.splitlines():
                say(line)
        sys.exit(1 if self.failures else 0)

    def _pretrain(self, trials: Sequence[Trial]) -> None:
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
        failed = self._run(list(walks.values()))
        for (start, seed), one in walks.items():
            if one not in failed:
                checkpoint = newest_first(one.folder / "checkpoints")[0]
                self._models[start][seed] = ("--model.init_args.pretrained_model", str(checkpoint))

    def _walk(self, trial: Trial, seed: int, more: tuple[str, ...]) -> Walk:
        names = ("--wandb.experiment", self.folder.name, "--wandb.method", trial.name)
        return Walk(self.folder / trial.name / f"seed-{seed}", seed, (*names, *self.common, *trial.arguments(), *more))

    def _run(self, walks: Sequence[Walk]) -> dict[Walk, str]:
        failed = walk_all(walks, self.jobs)
        self.failures += failed.values()
        return failed


def has_diverged(folder: Path) -> bool:
    """Whether a walk has stopped since something was no longer finite."""
    return (folder / DIVERGED).is_file()


def existing_file(text: str) -> Path:
    """The path of a file that is there, for a parser."""
    if not (path := Path(text)).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path}")
    return path


def study_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the arguments that every study has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the run folders and the results go")
    parser.add_argument("--methods", type=existing_file, nargs="+", required=True, help="one file per method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1234, 1235, 1236])
    parser.add_argument(
        "--jobs", type=int, default=1, help="walks at a time; seconds can only be compared if it is 1, the default"
    )
    return parser
