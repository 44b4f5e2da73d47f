"""Measures `logs` beside grep and ripgrep, on a log like the incident's: whole commands, from start-up to the report.

Run it as `.venv/bin/python -m bench.read_logs [--quick]`: 6 M lines of about 70 bytes, 40 % with an ID, 2 % re-queues
(--quick: a tenth; --large: nine times as many, for memory). Ratios that must be reached: re-queues 3.0, all events 4.0,
gzip 3.0; 400 MB of memory.
"""

from __future__ import annotations

import gzip
import random
import shutil
import sys
import tempfile
from pathlib import Path

from bench.measure import PROGRAM, best, run
from dedupaudit.demo.rows import stamp

LINES = 6_000_000
_FIRST = 1_766_534_400_000
_WITH_ID = (
    "发送 {}",
    "接收 {}",
    "写入数据库 {}",
    "发送响应 {}",
    "[Screenshot] 上传完成: {}",
    "[Idempotent] {} 已完成上传，跳过",
)
_OTHER = (
    "[heartbeat] websocket ping answered, rtt={}ms, connection healthy",
    "[queue] 队列长度 {}，空闲中继续等待下一批，未发现异常",
    "[ui] window focus changed, handle={}, recording goes on",
)


def generate(path: Path, lines: int) -> None:
    """Write the log; it is the same in every run."""
    chance = random.Random(5)  # noqa: S311 (nothing secret)
    moment = _FIRST
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for _ in range(lines):
            moment += chance.randrange(30)
            kind = chance.random()
            item = f"{'activity' if kind < 0.3 else 'screenshot'}_{moment}"
            if kind < 0.02:
                words = f"超时（30秒），重新入队 {item}"
            elif kind < 0.4:
                words = chance.choice(_WITH_ID).format(item)
            else:
                words = chance.choice(_OTHER).format(chance.randrange(1000))
            out.write(f"{stamp(moment, 'T')}Z {words}\n")


def main() -> None:
    """Measure and print; exits 1 where a limit is missed."""
    lines = LINES // 10 if "--quick" in sys.argv else LINES * 9 if "--large" in sys.argv else LINES
    with tempfile.TemporaryDirectory() as folder:
        log, packed = Path(folder, "app.log"), Path(folder, "app.log.gz")
        generate(log, lines)
        with log.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        print(f"{lines:,} lines, {log.stat().st_size / 1e6:,.0f} MB, packed {packed.stat().st_size / 1e6:,.0f} MB")
        ids = "rg -o '(activity|screenshot)_[0-9]+'"
        logs = [PROGRAM, "logs", "-f", "json", "-o", str(Path(folder, "report.json"))]
        commands = {
            "grep | grep": ["sh", "-c", f"grep activity_ {log} | grep 重新入队"],
            "requeue": [*logs, "--event", "requeue", str(log)],
            "rg": ["sh", "-c", f"{ids} {log} | wc -l"],
            "all events": [*logs, str(log)],
            "zcat | rg": ["sh", "-c", f"zcat {packed} | {ids} | wc -l"],
            "gzip": [*logs, str(packed)],
        }
        times = best(commands, 1 if "--large" in sys.argv else 3)
        for name, seconds in times.items():
            print(f"{name:12} {seconds:6.2f} s")
        limits = (("requeue", "grep | grep", 3.0), ("all events", "rg", 4.0), ("gzip", "zcat | rg", 3.0))
        missed = [mine for mine, theirs, limit in limits if times[mine] > limit * times[theirs]]
        for mine, theirs, limit in limits:
            print(f"{mine:12} {times[mine] / times[theirs]:6.2f} x {theirs} (limit {limit})")
        for name in ("requeue", "all events", "gzip"):
            print(f"{name:12} {run(commands[name], memory=True).peak_bytes / 1e6:6.0f} MB")
        if missed:
            sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
