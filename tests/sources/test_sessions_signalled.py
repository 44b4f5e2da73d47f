"""A session that a signal ends: what is collected later asks the server nothing any more, and says nothing."""

from __future__ import annotations

import gc
import signal

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables import mysql_session, postgresql_session
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer


@pytest.mark.parametrize("inside", [True, False], ids=["in-the-stream", "beside-it"])
def test_a_stream_of_mariadb_is_not_read_on(mariadb: MariadbServer, inside: bool) -> None:
    session = mysql_session.Session(DatabaseSettings("db", parse_database_url(mariadb.url())), Interrupt())
    stream = session.stream("SELECT seq FROM seq_1_to_100000")
    next(stream)
    result = session._connection._result  # type: ignore[attr-defined]
    if inside:
        with pytest.raises(Cancelled):
            stream.throw(Cancelled(signal.SIGTERM))  # type: ignore[attr-defined]
    session.close()
    # What PyMySQL raises while it is collected would be a warning, and so an error here.
    result.__del__()


def test_a_question_of_postgresql_is_not_ended(postgresql: PostgresqlServer) -> None:
    interrupt = Interrupt()
    session = postgresql_session.Session(DatabaseSettings("db", parse_database_url(postgresql.url())), interrupt)
    question = session.question("a table")
    question.__enter__()
    interrupt.signum = signal.SIGTERM
    del question
    gc.collect()
    session.close()
