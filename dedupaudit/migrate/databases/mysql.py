"""MySQL and MariaDB as databases that can be migrated: where their look, their script and their workman meet."""

from __future__ import annotations

from typing import cast

from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.mysql_facts import read_facts
from dedupaudit.migrate.databases.mysql_migration import MysqlMigration
from dedupaudit.migrate.databases.mysql_names import default_name
from dedupaudit.migrate.databases.mysql_steps import BEHAVIOUR, steps
from dedupaudit.migrate.databases.protocol import Dialect, Migration, Target
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.repair.databases.protocol import RepairDatabase


def _migration(repair: RepairDatabase, target: Target, interrupt: Interrupt) -> Migration:
    return MysqlMigration(cast("MysqlRepair", repair), target, interrupt)


DIALECT = Dialect(
    read_facts=read_facts,
    steps=steps,
    strategies=("guarded",),
    # DDL commits: there is no one transaction, however small the table is.
    small_rows=0,
    behaviour=BEHAVIOUR,
    migration=_migration,
    default_name=default_name,
)
