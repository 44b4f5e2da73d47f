"""What `migrate` says to programs: one document a command. Fields are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from dedupaudit.migrate.telling import incident, is_unfinished
from dedupaudit.repair.past import Known
from dedupaudit.repair.telling import run_json

if TYPE_CHECKING:
    from dedupaudit.migrate.evidence import Migrated
    from dedupaudit.migrate.plan import MigrateHeader, Step
    from dedupaudit.migrate.rollback import RolledBack
    from dedupaudit.migrate.status import TableStatus


def plan_json(header: MigrateHeader, steps: Sequence[Step], path: str | None) -> dict[str, object]:
    """Return one plan; `plan` is its file, null where none was written."""
    refused = [one for one in header.concerns if one.level == "refusal"]
    return {
        **header.model_dump(by_alias=True),
        "steps": [step.model_dump() for step in steps],
        "state": "done" if header.protecting is not None else "refused" if refused else "planned",
        "plan": path,
    }


def migration_json(known: Known) -> dict[str, object]:
    """Return a migration's run: as a repair's, with its kind; `proof` is the evidence of its end."""
    return {**run_json(known), "kind": known.run.kind}


def migrated_json(migrated: Migrated, header: MigrateHeader) -> dict[str, object]:
    """Return what an apply came to."""
    return {
        "run": migration_json(Known(migrated.run, migrated.run.state)) if migrated.run else None,
        "cleaned": [run_json(Known(run, run.state)) for run in migrated.cleaned],
        "evidence": asdict(migrated.evidence) if migrated.evidence else None,
        "incident": incident(migrated, header),
        "protecting": migrated.protecting,
        "stopped": migrated.stopped,
        "stays": migrated.stays or None,
    }


def status_json(status: TableStatus) -> dict[str, object]:
    """Return how one table stands."""
    return {
        "table": status.table,
        "place": status.place,
        "key": list(status.key),
        "protecting": status.protecting,
        "constraint": status.wanted,
        **asdict(status.standing),
        "invalid_indexes": list(status.invalid),
        "unfinished": is_unfinished(status),
        "runs": [migration_json(known) for known in status.runs],
    }


def rolled_back_json(rolled: RolledBack) -> dict[str, object]:
    """Return what a rollback came to."""
    run = migration_json(Known(rolled.run, rolled.run.state)) if rolled.run else None
    return {"run": run, "removed": list(rolled.removed)}
