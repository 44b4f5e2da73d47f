"""SQLAlchemy engines that connect as the rest of the project does: its URLs, its option files, its TLS."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg2
import pymysql
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool

from dedupaudit.sources.tables.mysql_options import read_login
from dedupaudit.sources.tables.mysql_session import connect_raw
from dedupaudit.sources.tables.postgresql_sql import quote
from dedupaudit.sources.tables.postgresql_url import connection_parameters
from dedupaudit.urls import DatabaseUrl

LOCK_SECONDS = 30
"""No statement waits longer for a lock: a drill ends, whatever its writers do to each other."""


def engine_of(url: DatabaseUrl, *, search_path: tuple[str, ...] = ()) -> Engine:
    """Return a new engine with one connection, which is opened when it is first used.

    `search_path` is PostgreSQL's, and is set for the session. Raises UsageError for options that the driver lacks.
    """
    address, creator = _MAKERS[url.scheme](url, search_path)
    return create_engine(address, creator=creator, poolclass=QueuePool, pool_size=1, max_overflow=0)


def _postgresql(url: DatabaseUrl, search_path: tuple[str, ...]) -> tuple[str, Callable[[], Any]]:
    parameters = connection_parameters(url)
    settings = [f"SET lock_timeout = '{LOCK_SECONDS}s'"]
    if search_path:
        settings.append(f"SET search_path = {', '.join(map(quote, search_path))}")

    def connect() -> Any:
        connection = psycopg2.connect("", **parameters)  # type: ignore[call-overload]  # the stubs want each by name
        # Outside a transaction: what a transaction sets is gone where it is rolled back.
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("; ".join(settings))
        connection.autocommit = False
        return connection

    return "postgresql+psycopg2://", connect


def _mysql(url: DatabaseUrl, _search_path: tuple[str, ...]) -> tuple[str, Callable[[], Any]]:
    login = read_login(url)

    def connect() -> Any:
        return connect_raw(
            login,
            use_unicode=True,
            conv=None,
            autocommit=False,
            # As SQLAlchemy has it: an UPDATE counts the rows that it found, changed or not.
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
            init_command=f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, lock_wait_timeout = {LOCK_SECONDS}",
        )

    return "mysql+pymysql://", connect


def _sqlite(url: DatabaseUrl, _search_path: tuple[str, ...]) -> tuple[str, Callable[[], Any]]:
    path = url.database or ""

    def connect() -> Any:
        return sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False)

    return "sqlite://", connect


_MAKERS = {"postgresql": _postgresql, "mysql": _mysql, "mariadb": _mysql, "sqlite": _sqlite}
