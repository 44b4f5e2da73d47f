"""Runs made by hand over a history: reports of chosen findings, as the commands hand them to the memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from dedupaudit.config import Settings
from dedupaudit.config.load import load_settings
from dedupaudit.history.memory import Memory, memory_of
from dedupaudit.model import Finding, Report, fingerprint
from tests.reports import samples

_clock = count()
IDENTITY = "1d" * 16

Key = tuple[str, str]
"""A table and an ID that is stored twice in it."""


def settings(folder: Path, **options: Any) -> Settings:
    """Return settings of one database, with a history in a folder."""
    given = {"history": str(folder / "history.db"), **options}
    overrides = {name: value for name, value in given.items() if value is not None}
    url = "postgresql://auditor@replica/app"
    return load_settings(None, cwd=folder, environ={}, db=(url,), objects={}, logs={}, overrides=overrides)


def found(key: Key, verdict: str = "confirmed") -> Finding:
    """Return a duplicate."""
    table, ident = key
    print_ = fingerprint("duplicate_ids", "db", table, {"id": ident})
    return Finding.model_validate(
        samples.finding(
            "duplicate_ids", fingerprint=print_, key={"id": ident}, source="db", target=table, verdict=verdict
        )
    )


def report(
    keys: Mapping[Key, str] | Iterable[Key],
    tables: Mapping[str, str],
    *,
    identity: str = IDENTITY,
    command: str = "scan",
) -> Report:
    """Return a report of these keys (with verdicts), on tables of which it says what became of them."""
    verdicts = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, "confirmed")
    findings = [found(key, verdict).model_dump(mode="json", by_alias=True) for key, verdict in verdicts.items()]
    coverage = [row for table, status in tables.items() for row in _covered(table, status)]
    whole = all(status == "checked" for status in tables.values())
    document = samples.report(findings, coverage, {}, complete=whole).model_dump(mode="json", by_alias=True)
    number = next(_clock)
    document["run"] |= {
        "id": f"20251224T0200{number % 60:02d}Z-{number:08x}",
        "command": command,
        "started_at": f"2025-12-24T02:00:00.{number:06d}Z",
        "finished_at": f"2025-12-24T02:00:01.{number:06d}Z",
        "databases": {"db": identity},
    }
    return Report.model_validate(document)


def _covered(table: str, status: str) -> list[dict[str, Any]]:
    reason: dict[str, Any] = (
        {} if status == "checked" else {"reason": "the server went away", "strategy": None, "rows": None}
    )
    return samples.covered(table, ("duplicate_ids",), status=status, **reason)


@contextmanager
def begun(configured: Settings, identity: str = IDENTITY) -> Iterator[Memory]:
    """Begin a run."""
    with memory_of(configured) as memory:
        memory.databases["db"] = identity
        yield memory


def ended(memory: Memory, seen: Report, *, streamed: bool = True) -> Report:
    """End a run with what it saw; return the report as it is told."""
    for finding in seen.findings if streamed else ():
        memory.take(memory.mark(finding))
    told = memory.compared(seen)
    memory.keep(told, 0)
    return told


def kept(configured: Settings, seen: Report, *, streamed: bool = True) -> Report:
    """Do a whole run."""
    identity = (seen.run.databases or {}).get("db", IDENTITY)
    with begun(configured, identity) as memory:
        return ended(memory, seen, streamed=streamed)
