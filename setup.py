"""Notes in each wheel the commit that it was built from; see setup.cfg for the rest."""

from __future__ import annotations

import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithCommit(build_py):
    """Copies the package, and writes ``asmg_pl/commit.txt`` beside its files if this is a clone with its history."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:  # the clone itself is used, and says its commit
            return
        told = commit()
        if told:
            Path(self.build_lib, "asmg_pl", "commit.txt").write_text(told + "\n", encoding="utf-8")


def commit() -> str:
    """The commit of this clone, with ``-dirty`` if files were changed since; empty if there is none."""
    git = ["git", "-C", str(HERE)]
    describe = [*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        for command in ([*git, "ls-files", "--error-unmatch", "setup.py"], describe):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return ""
    except OSError:
        return ""
    return done.stdout.strip()


setup(cmdclass={"build_py": BuildWithCommit})
