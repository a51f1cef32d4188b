"""Measure asmg_pl against rivals, each pair in one run.

    python tools/benchmark.py data --rows 10000000
    python tools/benchmark.py features
    python tools/benchmark.py step
    python tools/benchmark.py profile
    python tools/benchmark.py parts --batch-size 64
    python tools/benchmark.py scaling
    python tools/benchmark.py period
    python tools/benchmark.py guard
    python tools/benchmark.py generation
    python tools/benchmark.py kernels
    python tools/benchmark.py memory
    python tools/benchmark.py scale
    python tools/benchmark.py stages
    python tools/benchmark.py plan --rows 1e9 --users 1e8 --items 1e8
    python tools/benchmark.py peers
    python tools/benchmark.py start
    python tools/benchmark.py top_k
    python tools/benchmark.py serve
    python tools/benchmark.py serve_load
    python tools/benchmark.py spark

Prints a Markdown table; writes it as ``benchmark.md`` and all figures as ``benchmark.json`` into ``--folder``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks import (
    data,
    features,
    generation,
    guard,
    kernels,
    memory,
    parts,
    peers,
    period,
    plan,
    profile,
    scale,
    scaling,
    serve,
    serve_load,
    spark,
    stages,
    start,
    step,
    top_k,
)

from asmg_pl.experiments.rendering import Printed, markdown

PARTS = {
    "data": data,
    "features": features,
    "step": step,
    "profile": profile,
    "parts": parts,
    "scaling": scaling,
    "period": period,
    "peers": peers,
    "guard": guard,
    "generation": generation,
    "kernels": kernels,
    "memory": memory,
    "scale": scale,
    "stages": stages,
    "plan": plan,
    "start": start,
    "top_k": top_k,
    "serve": serve,
    "serve_load": serve_load,
    "spark": spark,
}

#: Parts whose figures are shown in a table of their own.
TABLES = {"plan": plan.table}


def listed(figures: Mapping[str, float]) -> Printed:
    """A line for each figure."""
    return Printed(["figure", "value"], [[name, f"{value:,.4g}"] for name, value in figures.items()])


def main() -> None:
    """Measure one part and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_subparsers(dest="part", required=True)
    for name, module in PARTS.items():
        part = chosen.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        part.add_argument("--folder", type=Path, default=Path("runs") / "benchmark", help="where results go")
        module.add_arguments(part)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    figures = PARTS[given.part].measure(given)
    (given.folder / "benchmark.json").write_text(json.dumps(figures, indent=1) + "\n")
    shown = markdown(TABLES.get(given.part, listed)(figures))
    (given.folder / "benchmark.md").write_text(shown + "\n")
    print(shown)


if __name__ == "__main__":
    main()
