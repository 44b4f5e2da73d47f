"""Whether a pooler stands before PostgreSQL that hands out a server's session for one transaction only."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import extensions

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.postgresql_session import connect, shown_place
from dedupaudit.sources.tables.postgresql_url import connection_parameters


def pooler_between(settings: DatabaseSettings) -> str | None:
    """Say why a pooler that hands out transactions seems to stand between; None where nothing says so.

    A pooler gives its clients a process number of its own at login. Where that is not the server's, two sessions look
    whether they are given the same server process while both are connected. Raises SourceError without a connection.
    """
    parameters, place = connection_parameters(settings.url), shown_place(settings.url)
    with closing(connect(parameters, place)) as first:
        first.autocommit = True
        pid = _pid(first)
        if pid == first.info.backend_pid:
            return None
        with closing(connect(parameters, place)) as second:
            # Without autocommit the transaction stays open: what the first is given meanwhile is another process.
            if _pid(second) == pid or _pid(first) != pid:
                return (
                    "two sessions were given the same server process in turn: a pooler stands between that hands out"
                    " transactions, and behind it locks and settings of a session are lost"
                )
    return None


def _pid(connection: extensions.connection) -> int:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_backend_pid()")
            found = cursor.fetchone()
    except psycopg2.Error:
        found = None
    if found is None:
        raise SourceError("the server does not tell the process that works for the session", "run again with -v")
    return int(found[0])
