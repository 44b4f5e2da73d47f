"""The databases that writers are tested on: empty, with the target schema or with production's shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol, cast

from sqlalchemy import Engine, create_engine

from tests.servers.fixtures import shared_mariadb, shared_postgresql

NAME = "ingest_tests"
Name = Literal["postgresql", "mariadb", "sqlite"]
NAMES: tuple[Name, ...] = ("postgresql", "mariadb", "sqlite")
Shape = Literal["target", "numbered", "composite"]
"""target: sql/schema. numbered: an auto-increment `row_id`, and the ID in a unique column `activity_id`.
composite: the target schema with the key (device_id, id)."""

_SCHEMA = Path(__file__).parents[2] / "sql/schema"
_NUMBER = {
    "postgresql": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "mariadb": "bigint AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "INTEGER PRIMARY KEY",
}
_DATA = {"postgresql": "jsonb", "mariadb": "json", "sqlite": "TEXT"}

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Database(Protocol):
    """One database with an engine of its own."""

    name: Name
    engine: Engine

    @property
    def url(self) -> str:
        """The URL that the program takes."""

    def new_engine(self, port: int | None = None, **options: Any) -> Engine:
        """Return one more engine; through another port where that is a proxy's."""

    def run(self, *statements: str) -> None:
        """Run statements, each committed at once."""

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

    def ask_elsewhere(self, query: str) -> None:
        """Run one statement over a connection of its own, and close that."""


class _Base:
    name: Name

    def __init__(self, driver_url: str, url: str) -> None:
        self._driver_url = driver_url
        self.url = url
        self.engine = self.new_engine()

    def new_engine(self, port: int | None = None, **options: Any) -> Engine:
        url = self._driver_url
        if port is not None:
            head, _, tail = url.rpartition(":")
            url = f"{head}:{port}/{tail.partition('/')[2]}"
        return create_engine(url, **options)

    def run(self, *statements: str) -> None:
        with self.engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(self._literally(statement))
                connection.commit()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(self._literally(query))]

    def ask_elsewhere(self, query: str) -> None:
        engine = self.new_engine()
        with engine.connect() as connection:
            connection.exec_driver_sql(query)
        engine.dispose()

    def _literally(self, statement: str) -> str:
        """Return SQL in which a percent sign stands for itself."""
        return statement if self.name == "sqlite" else statement.replace("%", "%%")


class Postgresql(_Base):
    name: Name = "postgresql"

    def __init__(self) -> None:
        server = shared_postgresql()
        url = server.url(database=NAME)
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]):
            # A tenth of what a new database takes. What tests make beside `public`, they take away.
            server.execute(_CUT, database=NAME)
            server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=NAME)
        else:
            server.create_database(NAME)
        super().__init__(url.replace("postgresql:", "postgresql+psycopg2:"), url)
        self.port = server.port


class Mariadb(_Base):
    name: Name = "mariadb"

    def __init__(self) -> None:
        server = shared_mariadb()
        url = server.create_database(NAME)
        super().__init__(url.replace("mariadb:", "mysql+pymysql:"), url)
        self.port = server.port


class Sqlite(_Base):
    name: Name = "sqlite"

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'app.db'}"
        super().__init__(url.replace("sqlite:", "sqlite+pysqlite:"), url)
        # The file is thrown away.
        self.run("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF")

    def new_engine(self, port: int | None = None, **options: Any) -> Engine:
        assert port is None, "a file has no port"
        return create_engine(self._driver_url, **options)


def open_database(name: str, folder: Path, shape: Shape = "target") -> Database:
    """Make the database empty, give it the tables of a shape, and open it."""
    database: Database
    match name:
        case "postgresql":
            database = Postgresql()
        case "mariadb":
            database = Mariadb()
        case _:
            database = Sqlite(folder)
    create(database, shape)
    return database


def create(database: Database, shape: Shape) -> None:
    """Make the tables of a shape."""
    script = (_SCHEMA / f"{'mysql' if database.name == 'mariadb' else database.name}.sql").read_text()
    match shape:
        case "target":
            _script(database, script)
        case "composite":
            _script(database, script.replace(" PRIMARY KEY,", ","))
            for table in ("activities", "processes", "screenshots"):
                database.run(f"CREATE UNIQUE INDEX {table}_key ON {table} (device_id, id)")
        case "numbered":
            text = "varchar(255)"
            stamp = '"timestamp"' if database.name != "mariadb" else "`timestamp`"
            database.run(
                f"CREATE TABLE activity_log (row_id {_NUMBER[database.name]}, activity_id {text} NOT NULL,"
                f" device_id {text}, kind varchar(50) NOT NULL, {stamp} bigint NOT NULL, data {_DATA[database.name]},"
                " CONSTRAINT activity_log_activity_id_key UNIQUE (activity_id))"
            )


def _script(database: Database, script: str) -> None:
    raw = database.engine.raw_connection()
    try:
        driver = cast("Any", raw.driver_connection)
        if database.name == "sqlite":
            driver.executescript(script)
        else:
            cursor = driver.cursor()
            # psycopg2 takes a whole script; PyMySQL one statement.
            for statement in [script] if database.name == "postgresql" else script.split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
            driver.commit()
    finally:
        raw.close()
