"""Gather the figures of all parts that ran on a GPU into one JSON file and one table.

python tools/benchmarks/gathered.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from asmg_pl.experiments.rendering import Printed, markdown


def main(folder: Path) -> None:
    """Write ``gpu.json`` and ``gpu.md``; print the table."""
    parts = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json")) if file.stem != "gpu"}
    if (use := folder / "use.csv").exists():
        busy = [
            float(line.split(",")[0]) for line in use.read_text().splitlines() if line.split(",")[0].strip().isdigit()
        ]
        if busy:
            parts["period"] = parts.get("period", {}) | {
                "utilisation of the GPU: mean %": sum(busy) / len(busy),
                "utilisation of the GPU: highest %": max(busy),
            }
    (folder / "gpu.json").write_text(json.dumps(parts, indent=1) + "\n")
    rows = [[part, name, f"{value:,.4g}"] for part, found in parts.items() for name, value in found.items()]
    shown = markdown(Printed(["part", "figure", "value"], rows))
    (folder / "gpu.md").write_text(shown + "\n")
    print(shown)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
