"""Builds the demo: plans it whole, looks whether the folder may be written, then writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dedupaudit.demo.background import MOST_ROWS, Background
from dedupaudit.demo.configuration import CONFIGURATION
from dedupaudit.demo.database import fill
from dedupaudit.demo.files import MARK, DemoFolder
from dedupaudit.demo.incident import plant, truth_of
from dedupaudit.demo.logfiles import LogFile, rotate
from dedupaudit.demo.scene import Case, StoredObject
from dedupaudit.demo.truth import Truth
from dedupaudit.errors import UsageError

DATABASE = "app.db"
CONFIGURATION_FILE = "dedupaudit.toml"


@dataclass(frozen=True)
class _Plan:
    """Everything that will be written, but for the good rows, which are streamed."""

    background: Background
    cases: tuple[Case, ...]
    objects: tuple[StoredObject, ...]
    logs: tuple[LogFile, ...]
    truth: Truth


def build(directory: Path, *, rows: int = 600, seed: int = 2025) -> Truth:
    """Build the incident in a new folder, or again in one that a demo was built in, and return its truth.

    `rows` good rows surround the damage; the same `rows` and `seed` give the same files. Raises Refused where the
    folder holds anything that the demo did not make, UsageError for a wrong number or path, and OutputError where
    writing fails; after the last the same call builds it again.
    """
    if not 0 <= rows <= MOST_ROWS:
        raise UsageError(f"the demo cannot have {rows} good rows", f"choose a number from 0 to {MOST_ROWS}")
    plan = _planned(rows, seed)
    folder = DemoFolder.check(directory, plan.truth.files)
    folder.begin()
    folder.write(CONFIGURATION_FILE, CONFIGURATION.encode("utf-8"))
    for log in plan.logs:
        folder.write(log.name, log.content)
    for stored in plan.objects:
        # As old as the upload: a new file would be within the grace period, and no orphan yet.
        folder.write(_file_of(stored), stored.content, modified=stored.written_at)
    fill(folder.create(DATABASE), plan.cases, plan.background)
    folder.finish(plan.truth.to_json())
    return plan.truth


def _planned(rows: int, seed: int) -> _Plan:
    background, cases = Background.of(rows, seed), plant(seed)
    objects = (*background.objects(), *(stored for case in cases for stored in case.objects))
    lines = sorted((*background.log(), *(line for case in cases for line in case.log)), key=lambda line: line.at)
    logs = rotate(lines)
    files = _names(objects, logs)
    truth = truth_of(cases, background, rows=rows, objects=objects, logs=logs, lines=lines, files=files)
    return _Plan(background, cases, objects, logs, truth)


def _names(objects: Sequence[StoredObject], logs: Sequence[LogFile]) -> list[str]:
    made = [DATABASE, CONFIGURATION_FILE, MARK, *(log.name for log in logs), *map(_file_of, objects)]
    return sorted(made)


def _file_of(stored: StoredObject) -> str:
    return f"objects/{stored.key}"
