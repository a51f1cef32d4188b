"""What Lightning says that tells the user of a walk nothing."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: Warnings about Lightning's own dependencies, and about short phases and fitting without validation, which are meant.
IDLE_WARNINGS = (".*LeafSpec.*", "Total length of .* across ranks is zero.*", "The number of training batches .*")

#: Loggers that list the machine's devices and repeat the seed.
IDLE_LOGGERS = tuple(
    f"lightning.{name}"
    for name in ("pytorch.utilities.rank_zero", "fabric.utilities.seed", "fabric.utilities.distributed")
)


@contextmanager
def quiet() -> Iterator[None]:
    """A context without these warnings, and with these loggers at the level of warnings."""
    loggers = [logging.getLogger(name) for name in IDLE_LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in IDLE_WARNINGS:
            warnings.filterwarnings("ignore", message)
        for logger in loggers:
            logger.setLevel(max(logger.level, logging.WARNING))
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
