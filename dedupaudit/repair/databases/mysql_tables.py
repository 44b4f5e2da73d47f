"""The tool's own tables in MySQL and MariaDB: their names, and how they are made and compared with what they keep."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pymysql

from dedupaudit.display import visible
from dedupaudit.errors import Refused, SourceError
from dedupaudit.repair.databases.mysql_connection import Connection, Denied
from dedupaudit.repair.databases.protocol import RUN_COLUMNS, Own
from dedupaudit.repair.errors import Busy
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sqlfiles import fill, sql_text

PREFIX = "dedupaudit_"
QUARANTINE = "dedupaudit_quarantine_"
_LONGEST_NAME = 64
# A table's file is called after it, with five characters for each that is no ASCII letter or digit.
_LONGEST_FILE = 200
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"\w+", re.ASCII)
_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER"
_PREPARING_SECONDS = 10
# A row, or a table, is too large with four more columns; a table has too many.
_TOO_LARGE = {1074, 1117, 1118, 1139, 1163, 1478}


class Place(NamedTuple):
    """A table's database and name."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """The name in SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def literals(self) -> dict[str, str]:
        """What the queries of information_schema leave open."""
        return {"schema": literal(self.schema), "name": literal(self.name)}


class Described(NamedTuple):
    """A column as information_schema has it."""

    name: str
    type: str
    charset: str
    collation: str
    nullable: bool
    extra: str
    generation: str

    @property
    def plain(self) -> tuple[str, str, str]:
        """What a copy must have too; a comment in a type only says how the column is stored."""
        return _COMMENT.sub("", self.type).strip().lower(), self.charset, self.collation

    @property
    def definition(self) -> str:
        """The column of a copy: of the same type, character set and collation, and nothing else."""
        kind = _COMMENT.sub("", self.type).strip()
        if _WORD.fullmatch(self.charset) and _WORD.fullmatch(self.collation):
            kind += f" CHARACTER SET {self.charset} COLLATE {self.collation}"
        return f"{quote(self.name)} {kind} NULL"


def place_of(catalog: Catalog) -> Place:
    """Return database and name of a table, out of its quoted name."""
    found = re.fullmatch(r"`((?:[^`]|``)*)`\.`((?:[^`]|``)*)`", catalog.quoted, re.DOTALL)
    if found is None:
        raise RuntimeError(f"no name of a table: {catalog.quoted}")
    return Place(found[1].replace("``", "`"), found[2].replace("``", "`"))


def own_place(schema: str, table: Own) -> Place:
    """Return where `runs` or `journal` is."""
    return Place(schema, PREFIX + table)


def quarantine_place(schema: str, catalog: Catalog) -> Place:
    """Return where a table's quarantine is: in the URL's database, with a hash where the name is not enough."""
    place = place_of(catalog)
    name = QUARANTINE + place.name
    if place.schema == schema and len(name) <= _LONGEST_NAME and _file_length(name) <= _LONGEST_FILE:
        return Place(schema, name)
    mark = "_" + hashlib.sha256(f"{place.schema}\0{place.name}".encode()).hexdigest()[:12]
    name = name[: _LONGEST_NAME - len(mark)]
    while _file_length(name + mark) > _LONGEST_FILE:
        name = name[:-1]
    return Place(schema, name + mark)


def _file_length(name: str) -> int:
    return sum(1 if character == "_" or (character.isascii() and character.isalnum()) else 5 for character in name)


def described(connection: Connection, place: Place) -> list[Described]:
    """Return a table's columns, those that SELECT * leaves out too."""
    rows = connection.texts(fill(sql_text("repair/mysql/columns.sql"), place.literals))
    return [
        Described(
            str(name),
            str(kind),
            charset or "",
            collation or "",
            nullable == "YES",
            (extra or "").lower(),
            generation or "",
        )
        for name, kind, charset, collation, nullable, extra, generation in rows
    ]


def kind_and_engine(connection: Connection, place: Place) -> tuple[str, str] | None:
    """Return `BASE TABLE` or what else it is, and its storage engine; None where there is no such table."""
    for name, kind, engine in connection.texts(fill(sql_text("repair/mysql/table.sql"), place.literals)):
        if name == place.name or connection.facts.compared_without_case:
            return kind or "", engine or ""
    return None


def grantee(connection: Connection) -> str:
    """Return the role as GRANT names it."""
    user, _at, host = connection.user.rpartition("@")
    return f"{literal(user)}@{literal(host)}"


class OwnTables:
    """Makes `runs`, `journal` and quarantine tables, and sees that what is there is what was made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schema = connection.facts.database

    def exist(self) -> bool:
        """Say whether `runs` is there."""
        return kind_and_engine(self._connection, own_place(self._schema, "runs")) is not None

    def quarantines(self) -> list[str]:
        """Return the quoted names of all quarantine tables in the URL's database."""
        statement = fill(sql_text("repair/mysql/quarantines.sql"), {"schema": literal(self._schema)})
        places = [Place(self._schema, name or "") for (name,) in self._connection.texts(statement)]
        return [place.quoted for place in places if place.name.startswith(QUARANTINE)]

    def prepare(self, tables: Sequence[Catalog]) -> None:
        """Make what is missing; raises Refused. DDL commits: whatever is missing is found again by the next run."""
        places = [own_place(self._schema, "runs"), own_place(self._schema, "journal")]
        places += [quarantine_place(self._schema, catalog) for catalog in tables]
        try:
            with self._alone():
                self._make("runs")
                self._make("journal")
                for catalog in tables:
                    self._quarantine(catalog)
            self._may_use(places)
        except Denied as error:
            granted = "; ".join(f"GRANT {_RIGHTS} ON {place.quoted} TO {grantee(self._connection)}" for place in places)
            raise Refused(
                f"{self._connection.place}: the role may not make, or not use, the tables that a repair keeps",
                visible(granted, 2000),
            ) from error
        except SourceError as error:
            cause = error.__cause__
            if isinstance(cause, pymysql.err.MySQLError) and mysql_errors.code_of(cause) in _TOO_LARGE:
                raise Refused(
                    f"{self._connection.place}: no quarantine can be made: {mysql_errors.text_of(cause)}",
                    "a quarantine has five more columns than the table: make the table narrower",
                ) from error
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Have two that prepare at the same time do so one after the other."""
        name = literal(f"dedupaudit:prepare:{hashlib.sha256(self._schema.encode()).hexdigest()[:32]}")
        if self._connection.rows(f"SELECT GET_LOCK({name}, {_PREPARING_SECONDS})") != [(b"1",)]:
            raise Busy(
                f"{self._connection.place}: another session has been making these tables for a while", "try again"
            )
        try:
            yield
        finally:
            self._connection.run(f"DO RELEASE_LOCK({name})")

    def _make(self, table: Own) -> None:
        place = own_place(self._schema, table)
        statement = fill(sql_text(f"repair/mysql/{table}.sql"), {"table": place.quoted})
        if kind_and_engine(self._connection, place) is None:
            self._connection.run(statement)
        self._is_ours(place)
        there = {column.name for column in described(self._connection, place)}
        made = re.findall(r"^  ([a-z_]+) (?:varchar|bigint|text|mediumtext)\b", statement, re.MULTILINE)
        if lacking := sorted(set(made) - there):
            raise self._altered(place, f"it has no column {lacking[0]}")

    def _quarantine(self, catalog: Catalog) -> None:
        place = quarantine_place(self._schema, catalog)
        kept = {column.name for column in catalog.columns}
        wanted = [column for column in described(self._connection, place_of(catalog)) if column.name in kept]
        if len(wanted) != len(kept):
            raise Refused(
                f"the columns of {visible(catalog.quoted)} were changed since they were read", "make a new plan"
            )
        if kind_and_engine(self._connection, place) is None:
            columns = ",\n  ".join(column.definition for column in wanted)
            statement = sql_text("repair/mysql/quarantine.sql")
            with self._connection.backslashes():
                self._connection.run(fill(statement, {"table": place.quoted, "columns": columns}))
        self._is_ours(place)
        there = {column.name: column for column in described(self._connection, place)}
        for name in ("dedupaudit_id", *RUN_COLUMNS):
            if name not in there:
                raise self._altered(place, f"it has no column {name}")
        if lacking := [column.definition for column in wanted if column.name not in there]:
            with self._connection.backslashes():
                self._connection.run(
                    f"ALTER TABLE {place.quoted} {', '.join(f'ADD COLUMN {column}' for column in lacking)}"
                )
            there = {column.name: column for column in described(self._connection, place)}
        for column in wanted:
            self._keeps(place, column, there[column.name])

    def _keeps(self, place: Place, column: Described, copy: Described) -> None:
        """See that a column of the quarantine takes each value of the table's, and gives it back as it is."""
        name = visible(column.name)
        if copy.plain != column.plain:
            raise self._altered(
                place, f"its column {name} is {visible(' '.join(copy.plain))} and not {visible(' '.join(column.plain))}"
            )
        if not copy.nullable:
            raise self._altered(place, f"its column {name} takes no NULL")
        if copy.generation or "on update" in copy.extra:
            raise self._altered(place, f"its column {name} is set by the server")

    def _is_ours(self, place: Place) -> None:
        kind, engine = kind_and_engine(self._connection, place) or ("gone", "")
        if kind != "BASE TABLE":
            raise self._altered(place, f"it is no table ({visible(kind.lower())})")
        if engine.lower() != "innodb":
            raise self._altered(place, f"its engine is {visible(engine)}")
        triggers = self._connection.texts(fill(sql_text("repair/mysql/triggers.sql"), place.literals))
        if triggers:
            raise self._altered(place, f"it has a trigger, {visible(triggers[0][0])}")

    def _altered(self, place: Place, how: str) -> Refused:
        return Refused(
            f"{visible(place.quoted)} was altered: {how}",
            "rename it away (RENAME TABLE …), or purge it where nothing in it is needed any more",
        )

    def _may_use(self, places: Sequence[Place]) -> None:
        for place in places:
            columns = [quote(column.name) for column in described(self._connection, place)]
            listed = ", ".join(columns)
            for statement in (
                f"INSERT INTO {place.quoted} ({listed}) SELECT {listed} FROM {place.quoted} WHERE FALSE",  # noqa: S608
                f"UPDATE {place.quoted} SET {columns[0]} = {columns[0]} WHERE FALSE",  # noqa: S608
                f"DELETE FROM {place.quoted} WHERE FALSE",  # noqa: S608
            ):
                self._connection.run(f"EXPLAIN {statement}")
