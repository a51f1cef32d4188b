"""The names of files in a run folder that other commands look for. Nothing heavy is imported here."""

from __future__ import annotations

#: What a run was made of, see :mod:`asmg_pl.callbacks.provenance`.
PROVENANCE = "provenance.json"

#: Where and why a walk has stopped, if it has diverged.
DIVERGED = "diverged.txt"
