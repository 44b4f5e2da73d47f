"""Actors on real databases: what they send is stopped before each statement and each end of a transaction."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text

from dedupaudit.migrate.target_create import statements
from tests.ingest.interleaving.scheduler import Actor, Killed, Step
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

_TABLES = {name: name for name in ("activities", "processes", "screenshots")}
_DATABASE = "interleaving"
_INNODB_WAITER = re.compile(r"^LOCK WAIT .*\n(?:.*\n)??(?:MariaDB|MySQL) thread id (\d+),", re.MULTILINE)

COMMITTED = frozenset({"committed"})
"""What every other transaction sees at READ COMMITTED."""
LOCKS = frozenset({"locks"})
"""Locks, and rows that no other transaction sees yet."""
OBJECTS = frozenset({"objects"})
REDIS = frozenset({"redis"})
# No other session has anything of these.
_PRIVATE = ("SET ", "PRAGMA ", "SHOW ")


class Client:
    """An actor with an engine of its own: one connection. `autocommit`: each statement is a transaction."""

    def __init__(self, place: Place, name: str, *, autocommit: bool = False) -> None:
        self.sessions: set[int] = set()
        self.actor = Actor(name, lambda: any(place.waits(session) for session in self.sessions))
        self._autocommit = autocommit
        options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
        self.engine = place.engine(**options)
        event.listen(self.engine, "connect", lambda connection, _entry: self.sessions.add(place.session(connection)))
        event.listen(self.engine, "close", lambda connection, _entry: self.sessions.discard(place.session(connection)))
        event.listen(self.engine, "before_cursor_execute", self._statement)
        if not autocommit:
            event.listen(self.engine, "commit", lambda connection: self._end(connection, "COMMIT"))
            event.listen(self.engine, "rollback", lambda connection: self._end(connection, "ROLLBACK"))

    def pause(self, _seconds: float) -> None:
        """Stand in for time.sleep: go on when somebody has moved."""
        self.actor.step(Step("(waits)", reads=COMMITTED | REDIS, pause=True))

    def _statement(self, connection: Connection, _cursor: Any, sql: str, *_rest: object) -> None:
        words = " ".join(sql.split())
        upper = words.upper()
        if upper.startswith(_PRIVATE):
            return
        if upper.startswith("SELECT") and " FOR " not in upper:
            self._stop(connection, Step(words, reads=COMMITTED))
            return
        connection.info["wrote"] = True
        writes = LOCKS | COMMITTED if self._autocommit else LOCKS
        self._stop(connection, Step(words, reads=COMMITTED, writes=writes))

    def _end(self, connection: Connection, words: str) -> None:
        if connection.invalidated:
            return
        wrote = connection.info.pop("wrote", False)
        # Of a transaction that only looked nothing is left; but an SQLite file cannot be written while it is open.
        self._stop(connection, Step(words, reads=COMMITTED, writes=LOCKS | COMMITTED if wrote else frozenset()))

    def _stop(self, connection: Connection, step: Step) -> None:
        try:
            self.actor.step(step)
        except Killed:
            # The server does that when a client is gone; here it has done it before the next step.
            connection.connection.rollback()
            raise


class Place(ABC):
    """A database with the target schema. Its clients live as long as it; each run has an ID of its own."""

    name: str

    def __init__(self) -> None:
        self._numbers = count(1)
        self._stack = ExitStack()
        self._watching = self.engine(isolation_level="AUTOCOMMIT")
        self._stack.callback(self._watching.dispose)

    def close(self) -> None:
        """End all connections."""
        self._stack.close()

    def client(self, name: str, *, autocommit: bool = False) -> Client:
        """Make an actor."""
        client = Client(self, name, autocommit=autocommit)
        self._stack.callback(client.engine.dispose)
        return client

    def new_id(self) -> str:
        """Return an ID that no run had."""
        return f"event_{next(self._numbers)}"

    def rows(self, sql: str, **values: object) -> list[Sequence[Any]]:
        """Run a statement on a connection of its own, and return what it yields."""
        with self._watching.connect() as connection:
            result = connection.execute(text(sql), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    @abstractmethod
    def engine(self, **options: Any) -> Engine:
        """Return a new engine of one connection."""

    @abstractmethod
    def session(self, connection: Any) -> int:
        """Return the server's number of a driver's connection."""

    @abstractmethod
    def waits(self, session: int) -> bool:
        """Ask the server whether a session waits for another one's lock."""


class PostgresqlPlace(Place):
    """PostgreSQL says who blocks whom."""

    name = "postgresql"

    def __init__(self, server: PostgresqlServer) -> None:
        self._url = server.create_database(_DATABASE).replace("postgresql:", "postgresql+psycopg2:", 1)
        self._server = server
        super().__init__()
        for script in statements("postgresql", _TABLES):
            server.execute(script, database=_DATABASE)
        self._stack.callback(server.drop_database, _DATABASE)

    def engine(self, **options: Any) -> Engine:
        # Who waits in a ring of locks is told so after this time; a second is the default.
        connect = {"options": "-c deadlock_timeout=20ms"}
        return create_engine(self._url, pool_size=1, max_overflow=0, connect_args=connect, **options)

    def session(self, connection: Any) -> int:
        return int(connection.info.backend_pid)

    def waits(self, session: int) -> bool:
        return bool(self._server.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [session])[0][0])


class MariadbPlace(Place):
    """InnoDB's own report says who waits: INNODB_TRX is a copy that is not renewed while it is asked for."""

    name = "mariadb"

    def __init__(self, server: MariadbServer) -> None:
        self._url = server.create_database(_DATABASE).replace("mariadb:", "mysql+pymysql:", 1)
        self._server = server
        super().__init__()
        for statement in statements("mysql", _TABLES):
            server.execute(statement, database=_DATABASE)

    def engine(self, **options: Any) -> Engine:
        return create_engine(self._url, pool_size=1, max_overflow=0, **options)

    def session(self, connection: Any) -> int:
        return int(connection.thread_id())

    def waits(self, session: int) -> bool:
        report = self._server.execute("SHOW ENGINE INNODB STATUS")[0][2]
        return str(session) in _INNODB_WAITER.findall(report)


class SqlitePlace(Place):
    """SQLite makes nobody wait: whoever comes second is told BUSY, and pauses."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "interleaving.db"
        super().__init__()
        for statement in statements("sqlite", _TABLES):
            self.rows(statement)

    def engine(self, **options: Any) -> Engine:
        connect = {"timeout": 0, "check_same_thread": False}
        return create_engine(
            f"sqlite+pysqlite:///{self._path}", pool_size=1, max_overflow=0, connect_args=connect, **options
        )

    def session(self, connection: Any) -> int:
        return id(connection)

    def waits(self, session: int) -> bool:
        return False
