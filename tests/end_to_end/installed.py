"""The package as a user has it: a wheel, installed in an environment of its own, far from the repository."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Loads the installed program once, and runs each command line that it is sent in a copy of itself.
FORKING = """
import json, os, sys, traceback
from importlib.metadata import entry_points
from pathlib import Path

program = next(iter(entry_points(group="console_scripts", name="asmg"))).load()
import asmg_pl.cli.commands.convert, asmg_pl.cli.commands.fit  # which the program imports when they are called
for line in sys.stdin:
    arguments, log = json.loads(line)
    child = os.fork()
    if not child:
        sys.path[0], sys.argv = str(Path(sys.executable).parent), ["asmg", *arguments]
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        code = 0
        try:
            program()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass
class Installed:
    """An environment in which the wheel is installed.

    Attributes:
        folder: of the environment.
        wheel: the wheel.
    """

    folder: Path
    wheel: Path

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "bin"

    def environ(self, home: Path) -> dict[str, str]:
        """The variables of a process: no more than a path, a home and one thread."""
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(home), "OMP_NUM_THREADS": "1"}


class Program:
    """The installed program, loaded once."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        """Start it in a folder."""
        self._log = folder.parent / f"{folder.name}.log"
        self._process = subprocess.Popen(
            [installed.bin / "python", "-c", FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=installed.environ(folder.parent),
        )

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Run one command line; its exit status, and what it has said."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([arguments, str(self._log)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self._log.read_text()

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the repository, without network and without a trace in it."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "configs", copy / "configs")
    shutil.copytree(ROOT / "asmg_pl", copy / "asmg_pl", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, folder], cwd=copy, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(folder: Path) -> Installed:
    """Build the wheel and install it, with what else the running environment has."""
    wheel, made = build_wheel(folder), folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    (packages,) = made.glob("lib/*/site-packages")
    (packages / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")) + "\n")
    with zipfile.ZipFile(wheel) as content:  # a wheel of Python alone is installed by unpacking it
        content.extractall(packages)
        (points,) = (name for name in content.namelist() if name.endswith("entry_points.txt"))
        (module, name) = content.read(points).decode().split("asmg = ")[1].split()[0].split(":")
    for program, line in {"asmg": f"from {module} import {name} as main", "torchrun": TORCHRUN}.items():
        script = made / "bin" / program
        script.write_text(
            f"#!{made / 'bin' / 'python'}\nimport sys\n{line}\nif __name__ == '__main__':\n    sys.exit(main())\n"
        )
        script.chmod(0o755)
    return Installed(made, wheel)


TORCHRUN = "from torch.distributed.run import main"
