"""What a run was made of, beside its configuration: the program's version, the stream, and the machine."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer

from asmg_pl.callbacks.file_names import PROVENANCE
from asmg_pl.callbacks.tenants import spared
from asmg_pl.recommenders.kernels import fields
from asmg_pl.system.files import written_whole
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.optim.lazy_adam import rows_moved_by

#: The file of an installed wheel that has the commit; ``setup.py`` writes it.
BUILT = "commit.txt"


def provenance(updater: Updater) -> dict[str, Any]:
    """What tells two runs with one configuration apart, as plain values for a logger.

    Returns:
        ``code``, with the package's version and :func:`commit`; ``stream``, with the fingerprint of the rows that were
        cut into periods, see :meth:`asmg_pl.data.InteractionLog.fingerprint`, the numbers of rows, periods, users,
        items and categories, and the names of the context features. If ids come and go, ``lifetimes`` says what this
        saves.
    """
    data, saved = updater.data, spared(updater)
    cut, sizes = data.state_dict(), data.log.sizes
    counts = {"users": sizes.users, "items": sizes.items, "categories": sizes.categories}
    features = {"context": list(data.log.context_names)}
    stream = {"fingerprint": cut["fingerprint"], "rows": cut["rows"], "periods": len(cut["boundaries"]) - 1}
    code = {"version": version("asmg_pl"), "commit": commit()}
    return {"code": code, "stream": stream | counts | features} | ({"lifetimes": saved} if saved else {})


def write_provenance(folder: Path, updater: Updater) -> None:
    """Note in a run folder when the walk has begun, or gone on, and its :func:`provenance`."""
    found = {"walked": datetime.now(UTC).isoformat(timespec="seconds"), **provenance(updater)}
    with written_whole(folder / PROVENANCE) as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def commit() -> str | None:
    """The git commit of the package, with ``-dirty`` if files have been changed since.

    In a checkout of its own repository git knows the commit, and an installed wheel has noted it when it was built.
    ``None`` if neither is so.
    """
    try:
        if _git("ls-files", "--error-unmatch", "__init__.py") is not None:
            return _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    except OSError:  # there is no git
        pass
    noted = Path(__file__).parents[1] / BUILT
    return noted.read_text(encoding="utf-8").strip() or None if noted.is_file() else None


def machine(trainer: Trainer) -> dict[str, Any]:
    """What decides how a walk's numbers are rounded, as plain values: they are the same byte for byte where it is.

    Returns:
        the ``processor``, or the GPU; the number of CPU ``threads`` and of ``processes``; the version of ``torch``;
        what computes the ``fields`` of mini-batches; what moves the rows of ``tables``; and, if there is a generator,
        what computes it, as ``kernel``.
    """
    device = trainer.strategy.root_device
    found = {
        "processor": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "processes": trainer.world_size,
        "torch": str(torch.__version__),
        "fields": "C++" if fields.runs(device) else "plain",
        "tables": rows_moved_by(getattr(trainer.lightning_module, "lazy_tables", False), device),
    }
    generator = getattr(trainer.lightning_module, "generator", None)
    return found if generator is None else {**found, "kernel": str(getattr(generator, "computed_by", "plain"))}


def changed_machine(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """One line that says in what two machines differ; ``None`` if in nothing."""
    differing = [f"{key} {before.get(key)} (now {now.get(key)})" for key in now if before.get(key) != now.get(key)]
    if not differing:
        return None
    return (
        f"the checkpoint was written with other {', '.join(differing)}: rounding differs, which can change scores from "
        "here on in the third digit"
    )


def _processor() -> str:
    """The processor's name, as far as the system says it, and the vector instructions that torch uses."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
