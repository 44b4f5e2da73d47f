"""Real tables of each shape in a database of each kind, made once a worker, and a store that can be held up."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any, Literal, get_args
from uuid import uuid4

from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from dedupaudit.drill.protocol import Place, Shape, Times
from dedupaudit.drill.scratch.shapes import TABLES, statements_of
from dedupaudit.stores.local import LocalStore
from tests.servers.fixtures import shared_mariadb, shared_postgresql, shared_redis

Kind = Literal["postgresql", "mariadb", "sqlite"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_DRIVERS = {"postgresql": "postgresql+psycopg2", "mariadb": "mysql+pymysql", "sqlite": "sqlite"}


@cache
def address(kind: Kind, shape: Shape) -> str:
    """Return SQLAlchemy's URL of a database of this worker with empty tables of this shape."""
    database = f"places_{shape}"
    if kind == "sqlite":
        folder = Path(mkdtemp(prefix="dedupaudit-places-"))
        atexit.register(shutil.rmtree, folder)
        file = folder / "app.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        url = f"sqlite:///{file}"
    else:
        server = shared_postgresql() if kind == "postgresql" else shared_mariadb()
        url = server.create_database(database)
    made = str(make_url(url).set(drivername=_DRIVERS[kind]))
    engine = create_engine(made, poolclass=NullPool)
    dialect = "mysql" if kind == "mariadb" else kind
    with engine.begin() as connection:
        for statement in statements_of(dialect, shape, {name: name for name in TABLES}):
            connection.execute(text(statement.replace(":=", r"\:=")))
    return made


def engine_of(kind: Kind, shape: Shape, isolation: str | None = None) -> Engine:
    """Return a new engine, each of whose connections is new; `isolation` is its default otherwise."""
    made = create_engine(address(kind, shape), poolclass=NullPool)
    return made.execution_options(isolation_level=isolation) if isolation else made


class Asked(Thread):
    """A request under way, in a thread of its own: `answer` waits for what came of it, and raises what it raised."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self._answer: Any = AssertionError("there is no answer")
        self.start()

    def run(self) -> None:
        """Ask."""
        try:
            self._answer = self._ask()
        except BaseException as error:
            self._answer = error

    def answer(self) -> Any:
        """Wait for the answer."""
        self.join(60)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


class HeldStore(LocalStore):
    """A folder. A `put` says that it began and waits for `go` before it writes; `puts` are the keys written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"file://{folder}")
        self.began = Event()
        self.go = Event()
        self.go.set()
        self.puts: list[str] = []
        self.raises: BaseException | None = None

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        """Write one object as its parent does, once it may."""
        self.began.set()
        assert self.go.wait(60)
        if self.raises is not None:
            raise self.raises
        self.puts.append(key)
        return super().put(key, content, content_type=content_type, overwrite=overwrite)


def place_of(
    kind: Kind, shape: Shape, folder: Path, *, times: Times | None = None, isolation: str | None = None
) -> Place:
    """Return a place in these tables, with a store of its own in the folder and Redis keys of its own."""
    store = folder / uuid4().hex
    store.mkdir()
    return Place(
        engine_of(kind, shape, isolation),
        HeldStore(store),
        "",
        {name: (name,) for name in TABLES},
        times or Times(),
        shared_redis().client(),
        f"places_{uuid4().hex}:",
    )
