"""Checks of an updater's settings. Each refusal names the option as a configuration does."""

from __future__ import annotations

from asmg_pl.errors import ConfigError


def check_at_least(least: int, **settings: int) -> None:
    """Refuse whole numbers that are too small.

    Args:
        least: the smallest that can work.
        settings: the numbers, by the name of their option.

    Raises:
        ConfigError: naming the option.
    """
    for name, value in settings.items():
        if value < least:
            raise ConfigError(f"model.{name} must be at least {least}, got {value}")


def check_positive(**settings: float | None) -> None:
    """Refuse numbers that are not above 0, not-a-number among them; ``None`` passes.

    Args:
        settings: the numbers, by the name of their option.

    Raises:
        ConfigError: naming the option.
    """
    for name, value in settings.items():
        if value is not None and not value > 0:
            raise ConfigError(f"model.{name} must be positive, got {value}")


def check_share(**settings: float) -> None:
    """Refuse numbers that are not from 0 to 1, not-a-number among them.

    Args:
        settings: the numbers, by the name of their option.

    Raises:
        ConfigError: naming the option.
    """
    for name, value in settings.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"model.{name} must be from 0 to 1, got {value}")
