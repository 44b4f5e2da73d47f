"""A table under migration in this process, to which something happens as a step begins."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dedupaudit.config import TableSettings
from dedupaudit.migrate.evidence import Migrated
from tests.migrate.migrating import Migrating
from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, SQLITE, Database
from tests.repair.repairing import Repairing
from tests.servers.fixtures import shared_mariadb, shared_postgresql

SERVERS: tuple[Database, ...] = (POSTGRESQL, MARIADB)
CONSTRAINT = "t_k_key"

ROWS = [
    *((n, f"alone {n}", "d", "x") for n in range(1, 21)),
    *((n, f"pair {n % 5}", "d", "x") for n in range(21, 31)),
    *((n, "many", "d", "x") for n in range(31, 37)),
]
"""36 rows: 5 keys twice, one six times; ten rows are to go."""
REMOVED = 10


class _Said(list[str]):
    """What was announced; the first announcement of a step lets happen what was ordered for it."""

    def __init__(self, at: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self._at = at

    def append(self, text: str) -> None:
        super().append(text)
        if (found := re.match(r"\d+/\d+ (\w+): ", text)) and (deed := self._at.pop(found[1], None)):
            deed()


class Stage(Migrating):
    """A table `t` with duplicates in `k`; `at` has what happens as a step begins, once, by the step's name."""

    def __init__(self, database: Database, folder: Path, *, rows: list[tuple[Any, ...]] | None = None) -> None:
        tables = {"t": TableSettings(key=("k",), volatile=("id",), device="device")}
        super().__init__(database, folder, tables)
        text = database.text()
        database.run(
            database.table(
                "t", ["id INTEGER NOT NULL PRIMARY KEY", f"k {text} NOT NULL", f"device {text}", f"v {text}"]
            )
        )
        database.insert("t", ROWS if rows is None else rows)
        self.at: dict[str, Callable[[], object]] = {}
        self.said = _Said(self.at)

    def guarded(self, **request: Any) -> Path:
        """Plan, guarded where the database can be."""
        return self.plan(strategy=None if self.database is SQLITE else "guarded", **request)

    def steps(self, plan: Path) -> list[str]:
        """Return the names of a plan's steps."""
        lines = [json.loads(line) for line in plan.read_text().splitlines()]
        return [line["name"] for line in lines if line["type"] == "step"]

    def done(self, plan: Path, **request: Any) -> Migrated:
        """Apply, and see that all is as it should be."""
        migrated = self.apply(plan, **request)
        assert migrated.exit_code == 0, migrated
        assert migrated.evidence is not None
        assert migrated.evidence.holds
        assert self.is_protected()
        self.clean()
        return migrated

    def is_protected(self) -> bool:
        """Say whether the catalog has a valid, unique index of the constraint's name."""
        match self.database.name:
            case "sqlite":
                query = f"SELECT 1 FROM pragma_index_list('t') WHERE name = '{CONSTRAINT}' AND \"unique\" = 1"
            case "postgresql":
                query = (
                    "SELECT 1 FROM pg_constraint c JOIN pg_index ON indexrelid = conindid"
                    f" WHERE conname = '{CONSTRAINT}' AND contype = 'u' AND indisvalid AND indisready"
                )
            case _:
                query = (
                    "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE()"
                    f" AND index_name = '{CONSTRAINT}' AND non_unique = 0"
                )
        return bool(self.database.ask(query))

    def traces(self) -> list[str]:
        """Return what stands around the table and is neither its primary key nor the valid constraint."""
        match self.database.name:
            case "sqlite":
                query = (
                    "SELECT name FROM sqlite_master WHERE tbl_name = 't' AND type <> 'table'"
                    f" AND name <> '{CONSTRAINT}' AND name NOT LIKE 'sqlite_autoindex%'"
                )
            case "postgresql":
                query = (
                    "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 't'::regclass"
                    f" AND NOT indisprimary AND NOT (indisvalid AND indexrelid::regclass::text = '{CONSTRAINT}')"
                    " UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
                    " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text = 'dedupaudit'"
                    " UNION ALL SELECT relname FROM pg_class WHERE relname ~ 'guard_'"
                )
            case _:
                query = (
                    "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
                    " UNION ALL SELECT DISTINCT index_name FROM information_schema.statistics"
                    " WHERE table_schema = DATABASE() AND table_name = 't'"
                    f" AND index_name NOT IN ('PRIMARY', '{CONSTRAINT}')"
                    " UNION ALL SELECT table_name FROM information_schema.tables"
                    " WHERE table_schema = DATABASE() AND table_name LIKE '%guard%'"
                    " UNION ALL SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()"
                )
        return [str(name) for (name,) in self.database.ask(query)]

    def clean(self) -> None:
        """See that no guard, lookup index or invalid index is left, and that `status` says so too."""
        assert self.traces() == []
        (status,) = self.status()
        assert (status.standing.guard, status.standing.leftovers) == ("none", ()), status

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table's rows."""
        return self.database.ask("SELECT id, k, device, v FROM t ORDER BY id")

    def quarantined(self) -> int:
        """Return how many rows lie in quarantine."""
        table = "dedupaudit.quarantine_t" if self.database is POSTGRESQL else "dedupaudit_quarantine_t"
        return int(self.database.ask(f"SELECT COUNT(*) FROM {table} WHERE dedupaudit_role = 'victim'")[0][0])

    def end_sessions(self) -> None:
        """End the tool's sessions on the server, as an administrator does."""
        if self.database is POSTGRESQL:
            shared_postgresql().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dedupaudit'"
            )
        else:
            server = shared_mariadb()
            for (number,) in server.execute(
                "SELECT id FROM information_schema.processlist WHERE db = 'repaired' AND host LIKE '127.0.0.1:%'"
            ):
                server.execute(f"KILL CONNECTION {number}")


class Beside(Repairing):
    """Repairs the table of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.database, self.folder, self.tables, self.url = stage.database, stage.folder, stage.tables, stage.url
        self.plans = 0
        self.confirm = lambda _offer: None
        self.said = []


class Other:
    """Another session, which holds something: to be used as a context manager."""

    def __init__(self, stage: Stage) -> None:
        postgres = stage.database is POSTGRESQL
        self._connection: Any = shared_postgresql().connect("repaired") if postgres else shared_mariadb().connect()
        if not postgres:
            self.run("USE repaired")
        self._is_postgres = postgres

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    @property
    def number(self) -> int:
        """The session's number, as the server shows it."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()" if self._is_postgres else "SELECT CONNECTION_ID()")
            return int(cursor.fetchone()[0])

    def run(self, *statements: str) -> None:
        """Run statements."""
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def lock_table(self) -> None:
        """Lock the table against everybody."""
        self.run(
            *(["BEGIN", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE"] if self._is_postgres else ["LOCK TABLES t WRITE"])
        )

    def read_table(self) -> None:
        """Read a row in a transaction that goes on."""
        self.run("BEGIN", "SELECT * FROM t WHERE id = 1")

    def write_a_row(self) -> None:
        """Alter a row in a transaction that goes on."""
        self.run("BEGIN", "UPDATE t SET v = v WHERE id = 1")

    def release(self) -> None:
        """Let go of everything."""
        self.run("COMMIT" if self._is_postgres else "UNLOCK TABLES", *([] if self._is_postgres else ["COMMIT"]))


__all__ = ["DATABASES", "MARIADB", "POSTGRESQL", "SERVERS", "SQLITE", "Beside", "Other", "Stage"]
