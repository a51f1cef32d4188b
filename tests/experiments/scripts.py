"""Walks that are scripts of the shell."""

from __future__ import annotations

import pytest

from asmg_pl.experiments.walks import Walk


def shell(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a walk be a script of the shell."""
    monkeypatch.setattr(Walk, "command", property(lambda walk: ["sh", "-c", script, "sh", walk.folder.name]))
