"""Options of Lightning's trainer that a walk cannot have, and those that take a class or a word."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry

from asmg_pl.callbacks.others import refuse_callback
from asmg_pl.cli.options import refuse_word
from asmg_pl.errors import ConfigError

#: Options that take a class or a word, and the words that Lightning knows.
WORDS: dict[str, Callable[[], Collection[str]]] = {
    "strategy": lambda: ("auto", *StrategyRegistry.available_strategies()),
    "accelerator": lambda: ("auto", "gpu", *AcceleratorRegistry.available_accelerators()),
    "profiler": lambda: ("simple", "advanced", "pytorch", "xla"),
}

#: Options that Lightning refuses where a module takes its own steps, their default, and what to give instead.
REPLACED = [
    ("gradient_clip_val", 0.0, "give --model.init_args.gradient_clip, the largest norm of a step's gradient"),
    (
        *("accumulate_grad_batches", 1),
        "give --data.accumulate, the parts in which a mini-batch is gone over, and --data.batch_size, a step's rows",
    ),
]

#: Switches that a walk cannot have so, and why.
UNFIT = [
    ("enable_checkpointing", False, "a walk keeps at least its newest checkpoint, see --checkpoint.keep"),
    ("barebones", True, "it takes the checkpoints away; --progress.enable false takes the bar away"),
]


def check_trainer(trainer: Any) -> None:
    """Refuse settings of the trainer that a walk cannot have.

    Args:
        trainer: the trainer's settings, a namespace of jsonargparse.

    Raises:
        ConfigError: with what to give instead.
    """
    for option, unset, instead in REPLACED:
        if trainer.get(option, unset) not in (unset, None):
            raise ConfigError(f"trainer.{option} cannot be used, as updaters take their own steps: {instead}")
    named = trainer.callbacks or []
    for callback in named if isinstance(named, list) else [named]:
        refuse_callback([callback.class_path.rpartition(".")[2]])
    for option, unfit, reason in UNFIT:
        if trainer.get(option) is unfit:
            raise ConfigError(f"trainer.{option} cannot be {str(unfit).lower()}: {reason}")


def classes_given_as_words(trainer: Any) -> dict[str, Any]:
    """Settings in which a class stands where its bare path was given, which the parser takes for a word.

    Args:
        trainer: the trainer's settings, a namespace of jsonargparse.

    Raises:
        ConfigError: if a word is neither a class nor one that Lightning knows.
    """
    strategy = trainer.strategy
    if isinstance(strategy, str) and strategy.endswith(("_spawn", "_fork", "_notebook")):
        raise ConfigError(f"trainer.strategy cannot be {strategy}, whose processes cannot be given a walk: use ddp")
    found = {}
    for option, words in WORDS.items():
        given = trainer.get(option)
        if isinstance(given, str) and given.lower() not in words():
            refuse_word(option, given, words())
            found[option] = {"class_path": given}
    return found
