"""The origin of runs in words: along which stream they walked, when, and by which version of the program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from asmg_pl.experiments.run_files import section
from asmg_pl.experiments.runs import Run


def origin(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Facts about some runs, each with its title; several values of a fact stand side by side.

    Returns:
        ``stream``, ``context features``, ``rows saved``, ``walked`` and ``program``, those that are known.
    """
    facts = {
        "stream": "; ".join(_distinct(map(_stream, runs))),
        "context features": "; ".join(_distinct(", ".join(context_names(run)) for run in runs)),
        "rows saved": "; ".join(_distinct(str(run.provenance.get("lifetimes") or "") for run in runs)),
        "walked": _dates(runs),
        "program": "; ".join(_distinct(map(_program, runs))),
    }
    return [(title, text) for title, text in facts.items() if text]


def context_names(run: Run) -> list[str]:
    """The names of the stream's context features, in their order; empty where they are not known."""
    names = section(run.provenance, "stream").get("context")
    return [str(name) for name in names] if isinstance(names, list) else []


def _stream(run: Run) -> str:
    """The source and its folder, the sizes, and the fingerprint."""
    data, stream = section(run.config, "data"), section(run.provenance, "stream")
    source = data.get("source")
    path = source.get("class_path") if isinstance(source, dict) else source
    parts = [str(path).rpartition(".")[2]] if path else []
    if parts and data.get("root"):
        parts = [f"{PurePath(str(data['root'])).name} ({parts[0]})"]
    for name in ("rows", "periods", "users", "items", "categories"):
        if isinstance(count := stream.get(name), int) and count:
            parts.append(f"{count:,} {name}")
    if fingerprint := stream.get("fingerprint"):
        parts.append(f"fingerprint {str(fingerprint)[:12]}")
    return ", ".join(parts)


def _dates(runs: Sequence[Run]) -> str:
    days = sorted({str(run.provenance["walked"])[:10] for run in runs if run.provenance.get("walked")})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""


def _program(run: Run) -> str:
    """The version and the commit; ``-dirty`` is a commit with changes on top."""
    code = section(run.provenance, "code")
    commit, _, changed = str(code.get("commit") or "").partition("-")
    shown = [f"asmg_pl {code['version']}"] if code.get("version") else []
    shown += [f"commit {commit[:12]}" + (" with changes" if changed else "")] if commit else []
    return ", ".join(shown)


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
