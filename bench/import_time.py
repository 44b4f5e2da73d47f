"""Measures what `dedupaudit --help` costs beside `python -c pass`: the target is at most 7 times.

Run it as `.venv/bin/python bench/import_time.py [RUNS]`; the two alternate, and each one's best time counts.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

TARGET = 7.0


def seconds(command: list[str]) -> float:
    """Return the wall time of one whole process, in seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print both times and their ratio; return 1 where the ratio is over the target."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    program = Path(sysconfig.get_path("scripts")) / "dedupaudit"
    bare = [sys.executable, "-c", "pass"]
    helped = [str(program), "--help"]
    times = [(seconds(bare), seconds(helped)) for _ in range(runs + 1)][1:]  # the first one fills the caches
    least_bare, least_help = (min(column) for column in zip(*times, strict=True))
    ratio = least_help / least_bare
    print(f"python -c pass      {least_bare * 1000:7.1f} ms")
    print(f"dedupaudit --help   {least_help * 1000:7.1f} ms")
    print(f"ratio               {ratio:7.1f}     target: at most {TARGET:g}; best of {runs} alternating runs")
    return 1 if ratio > TARGET else 0


if __name__ == "__main__":
    sys.exit(main())
