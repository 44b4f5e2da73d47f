"""Runs whole programs side by side: wall time, and the peak anonymous memory of a program and its children."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "dedupaudit")
_SAMPLE_SECONDS = 0.02
_ANONYMOUS = re.compile(rb"^Anonymous:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Ran:
    """One finished program: wall seconds, peak anonymous bytes of its process tree, exit code."""

    seconds: float
    peak_bytes: int
    code: int


def run(command: list[str], *, memory: bool = False) -> Ran:
    """Run a program to its end; its memory is sampled only on request, because sampling costs time."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while memory and process.poll() is None:
        peak = max(peak, sum(_anonymous(pid) for pid in _tree(process.pid)))
        time.sleep(_SAMPLE_SECONDS)
    code = process.wait()
    return Ran(time.perf_counter() - started, peak, code)


def best(commands: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Return each command's best wall time over rounds in which each runs once: all meet the same load."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            ran = run(command)
            if ran.code not in (0, 1):
                sys.exit(f"{name} ended with {ran.code}: {' '.join(command)}")
            times[name].append(ran.seconds)
    return {name: min(values) for name, values in times.items()}


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in _tree(int(child)))]


def _anonymous(pid: int) -> int:
    try:
        found = _ANONYMOUS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
