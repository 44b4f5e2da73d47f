"""Plans the migration of a real table, to see what preflight says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dedupaudit.config import TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.planning import PlanRequest, plan_migration
from dedupaudit.progress import SILENT
from dedupaudit.repair.plan import Limit
from tests.repair.databases import Database
from tests.repair.repairing import Repairing


def looked_at(
    database: Database, folder: Path, statements: tuple[str, ...], url: str = "", **request: Any
) -> tuple[Concern, ...]:
    """Run statements in an empty database, plan the migration of t, and return what preflight said."""
    key = request.pop("key", ("id",))
    repairing = Repairing(database, folder, {"t": TableSettings(key=key)})
    database.run(*statements)
    repairing.url = url or repairing.url
    asked = PlanRequest("t", Limit(percent=100.0), **request)
    plan = plan_migration(repairing.settings, asked, interrupt=Interrupt(), progress=SILENT)
    return plan.header.concerns


def is_told(found: tuple[Concern, ...], check: str, level: str, words: str) -> None:
    """Assert that a check says this; what is told beside it is no refusal: one trouble has one."""
    assert levels(found).get(check) == level, found
    assert words in next(concern.message for concern in found if concern.check == check)
    assert [concern.check for concern in found if concern.level == "refusal" and concern.check != check] == []


def levels(found: tuple[Concern, ...]) -> dict[str, str]:
    """Return the checks that spoke, each with its level."""
    return {concern.check: concern.level for concern in found}
