"""PostgreSQL as a database that can be migrated: where its look, its script and its workman come together."""

from __future__ import annotations

from typing import cast

from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.postgresql_facts import read_facts
from dedupaudit.migrate.databases.postgresql_migration import PostgresqlMigration
from dedupaudit.migrate.databases.postgresql_names import default_name
from dedupaudit.migrate.databases.postgresql_steps import BEHAVIOUR, steps
from dedupaudit.migrate.databases.protocol import Dialect, Migration, Target
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.repair.databases.protocol import RepairDatabase

SMALL_ROWS = 50_000
"""Cleaning, sorting and two passes over so many rows take a fifth of a second on two cores."""


def _migration(repair: RepairDatabase, target: Target, interrupt: Interrupt) -> Migration:
    return PostgresqlMigration(cast("PostgresqlRepair", repair), target, interrupt)


DIALECT = Dialect(
    read_facts=read_facts,
    steps=steps,
    strategies=("small", "guarded", "partitioned"),
    small_rows=SMALL_ROWS,
    behaviour=BEHAVIOUR,
    migration=_migration,
    default_name=default_name,
)
