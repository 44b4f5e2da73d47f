"""What stands around a table of MySQL or MariaDB: foreign keys, triggers, privileges, and why it cannot be repaired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import cast

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.repair.databases.mysql_connection import Connection, Denied
from dedupaudit.repair.databases.mysql_tables import PREFIX, Place, grantee, kind_and_engine, place_of
from dedupaudit.repair.databases.protocol import Inspection, Link, Trigger
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.mysql_catalog import CatalogReader
from dedupaudit.sources.tables.mysql_facts import writing_privileges
from dedupaudit.sources.tables.mysql_rowhash import primary_key
from dedupaudit.sources.tables.mysql_session import Session
from dedupaudit.sources.tables.mysql_sql import declared_length, quote
from dedupaudit.sources.tables.mysql_values import kind_of
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

_GEOMETRIES = {
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection", "vector",
}  # fmt: skip
# Character sets whose every character MariaDB and Python's codec write with the same bytes (compared one by one).
_WRITABLE = {
    "utf8mb4", "utf8mb3", "utf8", "ucs2", "utf16", "utf16le", "utf32", "ascii", "latin1", "latin2", "latin5", "latin7",
    "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "koi8r", "gbk", "gb2312", "cp932",
}  # fmt: skip
_HARMLESS = ("RESTRICT", "NO ACTION")
_EXACT_DIGITS = 15
"""Digits up to which a text and a DECIMAL are exact when MySQL compares them as floating-point numbers."""


@dataclass(frozen=True)
class _Key:
    """A foreign key as information_schema has it."""

    child: Place
    name: str
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    on_delete: str


class Inspector:
    """Looks at one table and its children."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # What it asks of a session the connection has as well: texts() and facts.
        self._catalogs = CatalogReader(cast(Session, connection))
        self._as_names: Callable[[str], str] = str.lower if connection.facts.compared_without_case else str

    def inspect(self, table: Table) -> Inspection:
        """Return what `RepairDatabase.inspect` does."""
        catalog = table.catalog
        if catalog.kind != "table":
            return Inspection(refusals=(f"{visible(catalog.name)} is a {catalog.kind}: repair the table below it",))
        place = place_of(catalog)
        refusals = [*self._server(), *self._of_table(catalog, "SELECT", "INSERT", "UPDATE", "DELETE")]
        keys = self._keys(place)
        refusals += self._hidden_keys(place, len(keys))
        triggers = dict.fromkeys(self._triggers(place, ("DELETE", "UPDATE", "INSERT")))
        refusals += self._hidden_triggers(place)
        links = []
        for key in keys:
            child = catalog if key.child == place else self._catalogs.read(*key.child)
            if child is None:
                refusals.append(f"the definition of {visible(key.child.quoted)} cannot be read, which refers to it")
                continue
            link = Link(
                key.name, child, key.columns, key.referenced, key.on_delete, _is_unique(catalog, key.referenced)
            )
            links.append(link)
            refusals += self._of_link(catalog, link)
            if key.child != place:
                triggers |= dict.fromkeys(self._triggers(key.child, ("UPDATE",)))
        for child in {link.child.quoted: link.child for link in links if link.child.quoted != catalog.quoted}.values():
            said = f"{visible(child.quoted)} refers to it, and"
            refusals += [f"{said} {refusal}" for refusal in self._of_table(child, "SELECT", "UPDATE")]
            refusals += [f"{said} {refusal}" for refusal in self._hidden_triggers(place_of(child))]
        return Inspection(tuple(links), tuple(triggers), tuple(dict.fromkeys(refusals)))

    # ---- the server

    def _server(self) -> Iterator[str]:
        variables = self._connection.variables
        logged = variables.get("log_bin", "OFF") == "ON" and variables.get("sql_log_bin", "ON") == "ON"
        if logged and variables.get("binlog_format", "ROW").upper() == "STATEMENT":
            yield (
                "binlog_format is STATEMENT, and a repair works at READ COMMITTED, which that does not take:"
                " SET GLOBAL binlog_format = 'MIXED' (or ROW)"
            )

    # ---- one table

    def _of_table(self, catalog: Catalog, *privileges: str) -> Iterator[str]:
        place, name = place_of(catalog), visible(catalog.quoted)
        kind, engine = kind_and_engine(self._connection, place) or ("", "")
        if kind == "SYSTEM VERSIONED":
            yield f"{name} keeps its history (system versioning): what a repair undoes would be in it twice"
        elif kind != "BASE TABLE":
            yield f"{name} is no table ({visible(kind.lower() or 'gone')})"
        if engine.lower() != "innodb":
            yield (
                f"{name} is kept by {visible(engine or 'no engine')}, which rolls nothing back:"
                f" ALTER TABLE {name} ENGINE=InnoDB"
            )
        if not catalog.primary_key:
            free = _free_name(catalog)
            yield (
                f"{name} has no primary key, so no row can be told from another:"
                f" ALTER TABLE {name} ADD COLUMN {visible(quote(free))} BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
            )
        for column in catalog.columns:
            if column.name.lower().startswith(PREFIX):
                yield f"its column {visible(column.name)} has a name that the quarantine needs: rename it"
            if kind_of(column).opaque and kind_of(column).base not in _GEOMETRIES:
                declared = visible(column.declared)
                yield f"its column {visible(column.name)} is {declared}: whether a copy is exact is unknown"
        yield from (why for column in primary_key(catalog) if (why := self._cannot_name(column)))
        yield from self._privileges(catalog, privileges)

    def _cannot_name(self, column: Column) -> str | None:
        """Say why values of a column cannot be written so that exactly the rows that have them are found."""
        kind, named = kind_of(column), f"its column {visible(column.name)}"
        if kind.text and kind.charset not in _WRITABLE:
            return f"{named} names rows in {visible(kind.charset)}, which cannot be written exactly here: use utf8mb4"
        decimal = kind.base in ("decimal", "numeric", "dec", "fixed")
        if decimal and declared_length(column) > _EXACT_DIGITS and self._connection.facts.product == "MySQL":
            return f"{named} names rows by a DECIMAL of more than 15 digits, which MySQL compares inexactly with a text"
        return None

    def _privileges(self, catalog: Catalog, privileges: tuple[str, ...]) -> Iterator[str]:
        """Say what the role may not do, by asking for it, so that roles and columns are minded."""
        table = catalog.quoted
        every = ", ".join(quote(column.name) for column in catalog.columns)
        settable = [quote(column.name) for column in catalog.columns if not column.generated]
        listed = ", ".join(settable)
        asked = {
            "SELECT": f"SELECT {every} FROM {table} LIMIT 0",  # noqa: S608 (quoted names)
            "INSERT": f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {table} WHERE FALSE",  # noqa: S608
            "UPDATE": f"UPDATE {table} SET {', '.join(f'{name} = {name}' for name in settable)} WHERE FALSE",  # noqa: S608
            "DELETE": f"DELETE FROM {table} WHERE FALSE",  # noqa: S608
        }
        missing = [name for name in privileges if not self._connection.allows(asked[name])]
        if missing:
            yield f"the role lacks rights on it: {self._grant(', '.join(missing), place_of(catalog).quoted)}"

    def _grant(self, rights: str, scope: str) -> str:
        return f"GRANT {rights} ON {visible(scope)} TO {visible(grantee(self._connection))}"

    # ---- triggers

    def _triggers(self, place: Place, events: tuple[str, ...]) -> Iterator[Trigger]:
        for name, event, table in self._connection.texts(fill(sql_text("repair/mysql/triggers.sql"), place.literals)):
            if event in events and self._as_names(table or "") == self._as_names(place.name):
                yield Trigger(str(name), place.name, str(event))

    def _hidden_triggers(self, place: Place) -> Iterator[str]:
        """Triggers are shown to those alone who may make some: others would be told that there are none."""
        # SHOW GRANTS quotes as the session does, and says * for all tables of a database.
        ansi = ".".join('"' + name.replace('"', '""') + '"' for name in place)
        own = {self._as_names(place.quoted), self._as_names(ansi)}
        for privileges in writing_privileges(self._connection.facts.grants, place.schema):
            rights, _on, scope = privileges.rpartition(" on ")
            covers = scope.endswith(".*") or self._as_names(scope) in own
            if covers and {"TRIGGER", "ALL", "ALL PRIVILEGES"} & set(rights.split(", ")):
                return
        yield f"the role cannot see whether it has triggers: {self._grant('TRIGGER', place.quoted)}"

    # ---- foreign keys

    def _keys(self, place: Place) -> list[_Key]:
        """Return the foreign keys that refer to a table, of those that the role may see."""
        rules = {
            (self._as_names(schema or ""), self._as_names(table or ""), name): rule
            for schema, table, name, rule, _to in self._connection.texts(
                fill(sql_text("repair/mysql/delete_rules.sql"), place.literals)
            )
        }
        rows = [
            row
            for row in self._connection.texts(fill(sql_text("repair/mysql/foreign_keys.sql"), place.literals))
            # information_schema compares without case, whatever the server's own tables do.
            if (self._as_names(row[5] or ""), self._as_names(row[6] or ""))
            == (self._as_names(place.schema), self._as_names(place.name))
        ]
        found = []
        for (schema, table, name), parts in groupby(rows, key=lambda row: row[:3]):
            columns = list(parts)
            child = Place(str(schema), str(table))
            if self._as_names(child.quoted) == self._as_names(place.quoted):
                child = place
            found.append(
                _Key(
                    child,
                    str(name),
                    tuple(str(row[3]) for row in columns),
                    tuple(str(row[4]) for row in columns),
                    rules.get((self._as_names(child.schema), self._as_names(child.name), name)) or "unknown",
                )
            )
        return found

    def _hidden_keys(self, place: Place, seen: int) -> Iterator[str]:
        """Say where a table may be referred to by one that the role does not see: a CASCADE would empty that."""
        foreign = "innodb_foreign" if self._connection.facts.product == "MySQL" else "innodb_sys_foreign"
        try:
            rows = self._connection.texts(fill(sql_text("repair/mysql/all_foreign_keys.sql"), {"foreign": foreign}))
        except Denied:
            grant = self._grant("PROCESS", "*.*")
            yield f"the role cannot see whether tables that it has no right on refer to it: {grant}"
            return
        except SourceError as error:
            yield f"whether tables that the role has no right on refer to it cannot be asked: {error.message}"
            return
        wanted = (self._as_names(place.schema), self._as_names(place.name))
        children = []
        for stored_child, stored, schema, table, to_schema, to_table in rows:
            raw_schema, _slash, raw_table = (stored or "").partition("/")
            decoded = (self._as_names(to_schema or ""), self._as_names(to_table or ""))
            if wanted in (decoded, (self._as_names(raw_schema), self._as_names(raw_table))):
                raw = "?" in f"{schema}{table}"
                child = Place(*(stored_child or "/").split("/", 1)) if raw else Place(schema or "", table or "")
                children.append(child)
        if len(children) > seen:
            granted = "; ".join(self._grant("SELECT, UPDATE", one) for one in sorted({c.quoted for c in children}))
            yield f"tables refer to it that the role has no right on: {granted}"

    def _of_link(self, catalog: Catalog, link: Link) -> Iterator[str]:
        named = f"foreign key {visible(link.name)} of {visible(link.child.quoted)}"
        if not link.unique and link.on_delete not in _HARMLESS:
            # The survivor has the same value, so there is nothing to re-point, and InnoDB cascades all the same.
            yield (
                f"{named} refers to columns that are not unique, with ON DELETE {link.on_delete}: deleting one of"
                " several equal rows would take the children of all of them; make it RESTRICT first"
            )
        for name in link.referenced:
            column = catalog.column(name)
            if column is not None and (why := self._cannot_name(column)):
                yield f"{named}: {why}"


def _is_unique(catalog: Catalog, columns: tuple[str, ...]) -> bool:
    names = {name.lower() for name in columns}
    return any(
        index.unique and not index.prefix and all(name is not None and name.lower() in names for name in index.columns)
        for index in catalog.indexes
    )


def _free_name(catalog: Catalog) -> str:
    taken = {column.name.lower() for column in catalog.columns}
    return next(
        name for name in ("id", "row_id", *(f"row_id{number}" for number in range(2, 9999))) if name not in taken
    )
