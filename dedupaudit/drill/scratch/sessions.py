"""Whether a server has room for a drill's sessions: looked at before the first of them takes somebody else's place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dedupaudit.drill.scratch import SCRATCHES
from dedupaudit.errors import SourceError

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings

# Sessions of a database: background processes have none, and what belongs to others is counted without their rights.
_POSTGRESQL = """
SELECT least(
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - (SELECT count(datid) FROM pg_catalog.pg_stat_activity),
  (SELECT nullif(datconnlimit, -1) - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
    FROM pg_catalog.pg_database d WHERE datname = current_database()),
  (SELECT nullif(rolconnlimit, -1) - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid)
    FROM pg_catalog.pg_roles r WHERE rolname = current_user))
"""
_MYSQL = """
SELECT LEAST(
  @@max_connections - (SELECT VARIABLE_VALUE FROM {status} WHERE VARIABLE_NAME = 'Threads_connected'),
  IF(@@max_user_connections = 0, @@max_connections, @@max_user_connections - 1))
"""
_STATUS = ("information_schema.GLOBAL_STATUS", "performance_schema.global_status")


def refuse_too_many(database: DatabaseSettings, wanted: int) -> None:
    """Raise SourceError where the server, the database or the login takes fewer than `wanted` sessions more."""
    scheme = database.url.scheme
    if scheme == "sqlite":
        return
    with import_module(SCRATCHES[scheme]).session(database) as opened:
        if scheme == "postgresql":
            ((room,),) = opened.rows(_POSTGRESQL)
        else:
            # MariaDB has the first, MySQL the second.
            table = _STATUS["mariadb" not in opened.rows("SELECT LOWER(VERSION())")[0][0]]
            ((room,),) = opened.rows(_MYSQL.format(status=table))
        place = opened.place
    if int(float(room)) < wanted:
        raise SourceError(
            f"{place}: the drill opens {wanted:,} sessions, and there is room for {max(int(float(room)), 0):,}",
            "fewer by --writers N, or later; a drill should not take the last ones",
        )
