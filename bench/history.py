"""What a history costs: taking and keeping N findings, comparing as many with a baseline, and the file for each run.

Run: .venv/bin/python bench/history.py [N ...]   (100000 and 1000000 by default; each in a process of its own)
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from dedupaudit.history.memory import Memory
from dedupaudit.model import SEVERITIES, Finding, Report
from tests.history import worlds

_LOOKED = {"activities": "checked"}


def findings(first: int, number: int) -> Iterator[Finding]:
    """Yield findings, made cheaply: each is a copy with a key and a fingerprint of its own."""
    model = worlds.found(("activities", "x"))
    for at in range(first, first + number):
        # Spread as hashes are.
        mixed = (at * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95) % (1 << 256)
        key = {"activity_id": f"activity_{1766557428498 + at}"}
        yield model.model_copy(update={"key": key, "fingerprint": f"{mixed:064x}"})


def night(folder: Path, first: int, number: int, *, baseline: str | None) -> None:
    """Do a run and print what each part of it took."""
    began = time.perf_counter()
    made = sum(1 for _ in findings(first, number))
    making = time.perf_counter() - began
    began = time.perf_counter()
    with worlds.begun(worlds.settings(folder, baseline=baseline)) as memory:
        opened = time.perf_counter() - began
        began = time.perf_counter()
        for finding in findings(first, number):
            memory.take(memory.mark(finding))
        taken = time.perf_counter() - began - making
        began = time.perf_counter()
        told = memory.compared(_report(first, made))
        compared = time.perf_counter() - began
        began = time.perf_counter()
        memory.keep(told, 1)
        kept = time.perf_counter() - began
        untold = _untold(memory)
    size = (folder / "history.db").stat().st_size / 1e6
    print(
        f"{number:>9,} findings, baseline {baseline or '-':<4}  open {opened:5.2f} s  mark and take {taken:6.2f} s "
        f"({taken / number * 1e6:4.1f} us each)  compare {compared:5.2f} s  keep {kept:5.2f} s  "
        f"untold {untold:5.2f} s  file {size:.1f} MB"
    )


def _untold(memory: Memory) -> float:
    began = time.perf_counter()
    memory.untold("bench", SEVERITIES)
    memory.mark_told("bench")
    return time.perf_counter() - began


def _report(first: int, number: int) -> Report:
    report = worlds.report([], _LOOKED)
    summary = report.summary.model_copy(update={"findings": number, "by_severity": {"high": number}})
    kept = tuple(findings(first, min(number, 1000)))
    return report.model_copy(update={"summary": summary, "findings": kept, "truncated": number > len(kept)})


def main() -> None:
    """Measure each size in a process of its own, so that its memory is its own."""
    if sys.argv[1:2] == ["--one"]:
        number = int(sys.argv[2])
        with TemporaryDirectory() as folder:
            night(Path(folder), 0, number, baseline=None)
            night(Path(folder), number // 100, number, baseline="last")
        print(f"{'':>9}  memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        return
    for size in sys.argv[1:] or ["100000", "1000000"]:
        subprocess.run([sys.executable, "-m", "bench.history", "--one", size], check=True)


if __name__ == "__main__":
    main()
