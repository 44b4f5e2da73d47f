"""Actors on real databases: what they send is stopped before each statement and each end of a transaction."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, create_engine, event, text

from dedupaudit.errors import SourceError
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.migrate.target_create import statements
from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.stores.local import LocalStore
from tests.ingest.interleaving.scheduler import Actor, Killed, Step
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

_TABLES = {name: name for name in ("activities", "processes", "screenshots")}
_DATABASE = "interleaving"
_INNODB_WAITER = re.compile(r"^LOCK WAIT .*\n(?:.*\n)??(?:MariaDB|MySQL) thread id (\d+),", re.MULTILINE)

_LONG = 90
_SET_TO = re.compile(r"\w+ = '\w+'")

COMMITTED = frozenset({"committed"})
"""What every other transaction sees at READ COMMITTED."""
LOCKS = frozenset({"locks"})
"""Locks, and rows that no other transaction sees yet."""
OBJECTS = frozenset({"objects"})
REDIS = frozenset({"redis"})
# No other session has anything of these.
_PRIVATE = ("SET ", "PRAGMA ", "SHOW ")
PAUSE = 1.0
"""Seconds that each pause takes by an actor's own clock, whatever it asked for: a jitter must not change an order."""


class Client:
    """An actor with an engine of its own: one connection. `autocommit`: each statement is a transaction."""

    def __init__(self, place: Place, name: str, *, autocommit: bool = False) -> None:
        self.sessions: frozenset[int] = frozenset()
        self.now = 0.0
        self.actor = Actor(name, lambda: any(place.waits(session) for session in self.sessions))
        self._place, self._autocommit = place, autocommit
        options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
        self.engine = place.engine(**options)
        event.listen(self.engine, "connect", self._connected)
        event.listen(self.engine, "close", self._closed)
        event.listen(self.engine, "before_cursor_execute", self._statement)
        # A statement that SQLite refuses has locked nothing; on servers it has, until the end of its transaction.
        moment = "after_cursor_execute" if place.name == "sqlite" else "before_cursor_execute"
        event.listen(self.engine, moment, self._writes, insert=True)
        if not autocommit:
            event.listen(self.engine, "commit", lambda connection: self._end(connection, "COMMIT"))
            event.listen(self.engine, "rollback", lambda connection: self._end(connection, "ROLLBACK"))

    def _connected(self, connection: Any, _entry: object) -> None:
        self.sessions |= {self._place.session(connection)}

    def _closed(self, connection: Any, _entry: object) -> None:
        self.sessions -= {self._place.session(connection)}

    def begin(self) -> None:
        """Make ready for a run. Connects, and asks what writers ask a new connection: that is no step of theirs."""
        self.now = time.monotonic()
        if not self.sessions:
            in_transaction(self.engine, lambda connection: None)

    def pause(self, _seconds: float) -> None:
        """Stand in for time.sleep: go on when somebody has moved."""
        self.actor.step(Step("(waits)", reads=COMMITTED | REDIS, pause=True))
        self.now += PAUSE

    def _statement(self, connection: Connection, _cursor: Any, sql: str, *_rest: object) -> None:
        if sql.startswith(_PRIVATE):
            return
        writes: frozenset[str] = frozenset()
        if not _only_looks(sql):
            writes = LOCKS | COMMITTED if self._autocommit else LOCKS
        # Who writes outside a transaction does it where nobody waits: two who wait for one lock would race for it.
        waits = self._place.is_locked if self._autocommit or sql.startswith("BEGIN IMMEDIATE") else lambda: False
        self._stop(connection, Step(told(sql), reads=COMMITTED, writes=writes, waits=waits))

    def _writes(self, connection: Connection, _cursor: Any, sql: str, *_rest: object) -> None:
        if not _only_looks(sql):
            connection.info["wrote"] = True
            if not self._autocommit:
                self._place.writing.add(self)

    def _end(self, connection: Connection, words: str) -> None:
        if connection.invalidated:
            return
        wrote = connection.info.pop("wrote", False)
        if words == "ROLLBACK" and not wrote and self._place.name == "sqlite":
            # BEGIN was refused: there is no transaction.
            return
        # Of a transaction that only looked nothing is left; but an SQLite file cannot be written while it is open.
        self._stop(connection, Step(words, reads=COMMITTED, writes=LOCKS | COMMITTED if wrote else frozenset()))
        self._place.writing.discard(self)

    def _stop(self, connection: Connection, step: Step) -> None:
        try:
            self.actor.step(step)
        except Killed:
            # The server does that when a client is gone; here it has done it before the next step.
            connection.connection.rollback()
            self._place.writing.discard(self)
            raise


def told(sql: str) -> str:
    """Return a statement as one line to read: a long one by its beginning, and by what it sets a text to."""
    words = " ".join(sql.replace('"', "").replace("`", "").split())
    if len(words) <= _LONG:
        return words
    return " ".join([words[: _LONG // 2], "…", *_SET_TO.findall(words)])


def _only_looks(sql: str) -> bool:
    return sql.startswith((*_PRIVATE, "SELECT")) and " FOR " not in sql


@contextmanager
def pauses_are_steps(*clients: Client) -> Iterator[None]:
    """Let actors neither sleep nor see time pass but by their pauses. All other threads keep the real time."""
    sleep, monotonic = time.sleep, time.monotonic

    def current() -> Client | None:
        return next((client for client in clients if client.actor.is_current), None)

    def pause(seconds: float) -> None:
        client = current()
        (sleep if client is None else client.pause)(seconds)

    def clock() -> float:
        client = current()
        return monotonic() if client is None else client.now

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", pause)
        patch.setattr(time, "monotonic", clock)
        yield


class SteppingStore:
    """A folder as a client's store of objects: each call is a step. `wrote` has the keys that PUTs have written.

    `refuses`: so many PUTs fail before they have written anything.
    """

    def __init__(self, store: LocalStore, actor: Actor) -> None:
        self._store, self._actor = store, actor
        self.shown = store.shown
        self.wrote: list[str] = []
        self.refuses = 0

    def preflight(self, prefix: str = "") -> None:
        self._store.preflight(prefix)

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        self._actor.step(Step("PUT the object" + " over what is there" * overwrite, writes=OBJECTS))
        if self.refuses:
            self.refuses -= 1
            raise SourceError("the store refuses", "ask again")
        wrote = self._store.put(key, content, content_type=content_type, overwrite=overwrite)
        if wrote:
            self.wrote.append(key)
        return wrote

    def holds(self, key: str, content: bytes) -> bool | None:
        self._actor.step(Step("GET the object", reads=OBJECTS))
        return self._store.holds(key, content)

    def look(self, key: str) -> ObjectFact | None:
        self._actor.step(Step("HEAD the object", reads=OBJECTS))
        return self._store.look(key)

    def below(self, prefix: str) -> Iterable[list[ObjectFact]]:
        return self._store.below(prefix)

    def delete(self, keys: Iterable[str]) -> int:
        self._actor.step(Step("DELETE the object", writes=OBJECTS))
        return self._store.delete(keys)

    def url(self, key: str) -> str:
        return self._store.url(key)

    def close(self) -> None:
        """Leave the folder to the others."""


class SteppingRedis(Redis):
    """A client of Redis each of whose commands is a step of an actor."""

    def __init__(self, port: int, actor: Actor) -> None:
        super().__init__(host="127.0.0.1", port=port, protocol=2)
        self._actor = actor

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self._actor.step(Step(f"{args[0]} to Redis", reads=REDIS, writes=REDIS))
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's own has no types


class Place(ABC):
    """A database with the target schema. Its clients live as long as it; each run has an ID of its own."""

    name: str
    tells_busy = False
    """SQLite: whether BEGIN is tried while another writes, and refused; otherwise it waits for its turn."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._versioned = False
        self.writing: set[Client] = set()
        """Who is in a transaction that has written."""
        self._stack = ExitStack()
        # For what is no actor's.
        self.watching = self.engine(isolation_level="AUTOCOMMIT")
        self._stack.callback(self.watching.dispose)

    def add_version(self) -> None:
        """Give screenshots the column that OptimisticVersion counts in."""
        if not self._versioned:
            self.rows("ALTER TABLE screenshots ADD COLUMN version bigint DEFAULT 0 NOT NULL")
            self._versioned = True

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
        with self.watching.connect() as connection:
            result = connection.execute(text(sql), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def is_locked(self) -> bool:
        """Say whether who wants to write has to wait."""
        return bool(self.writing) and not self.tells_busy

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
        # Before that, it tells of the latest deadlock, who waited there.
        return str(session) in _INNODB_WAITER.findall(report.partition("\nTRANSACTIONS\n")[2])


class SqlitePlace(Place):
    """SQLite makes nobody wait: whoever comes second is told BUSY, and pauses."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "interleaving.db"
        super().__init__()
        self.rows("PRAGMA journal_mode = WAL")
        for statement in statements("sqlite", _TABLES):
            self.rows(statement)

    def engine(self, **options: Any) -> Engine:
        # Not 0, for which a writer sets a time of its own.
        connect = {"timeout": 0.001, "check_same_thread": False}
        url = f"sqlite+pysqlite:///{self._path}"
        engine = create_engine(url, pool_size=1, max_overflow=0, connect_args=connect, **options)
        # The file is thrown away.
        event.listen(engine, "connect", lambda connection, _entry: connection.execute("PRAGMA synchronous = OFF"))
        return engine

    def session(self, connection: Any) -> int:
        return id(connection)

    def waits(self, session: int) -> bool:
        return False
