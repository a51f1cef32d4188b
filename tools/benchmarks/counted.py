"""Runs a command as a process of its own, and prints the processor seconds that it and all that it starts have taken.

    python tools/benchmarks/counted.py COMMAND …

What the command leaves behind, as Spark leaves its Java, becomes a child of this process, and is waited for.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys

_SUBREAPER = 36  # of Linux's prctl: processes whose parent ends become children of this one

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    status = subprocess.run(sys.argv[1:], stdout=sys.stderr, check=False).returncode
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(used.ru_utime + used.ru_stime)
    sys.exit(status)
