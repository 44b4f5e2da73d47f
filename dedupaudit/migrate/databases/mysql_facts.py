"""What is known of a table of MySQL or MariaDB before it is migrated: read on a read-only session of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Literal, NamedTuple

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.mysql_definition import definition_of
from dedupaudit.migrate.databases.mysql_names import DEFINITION, Names, is_ours, names_of
from dedupaudit.migrate.databases.mysql_open import Row, oldest_of, open_of
from dedupaudit.migrate.databases.mysql_rights import has_super, missing
from dedupaudit.migrate.databases.mysql_script import base_of
from dedupaudit.migrate.databases.mysql_standing import (
    IndexState,
    keeps_unique,
    leftovers_of,
    look,
    read_indexes,
    read_sides,
    read_triggers,
)
from dedupaudit.migrate.facts import Facts, ForeignKey, KeyColumn, OpenTransaction, Partition, Product, TableTrigger
from dedupaudit.sources.tables.catalog import Column, guard
from dedupaudit.sources.tables.mysql_session import Session
from dedupaudit.sources.tables.mysql_sql import declared_length, quote
from dedupaudit.sources.tables.mysql_values import kind_of
from dedupaudit.sources.tables.table import Table

_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)(?:\.(\d+))?")
_ON = ("ON", "1", "YES", "TRUE")
_READ_ONLY = ("read_only", "super_read_only", "innodb_read_only")
_KEPT = ("innodb_online_alter_log_max_size", "group_replication_single_primary_mode")
_LARGE_KEY, _SMALL_KEY = 3072, 767
"""Bytes that InnoDB takes of one column of a key: DYNAMIC and COMPRESSED rows, and the two older formats."""
_FIXED = {
    "tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8, "year": 1, "date": 3,
    "uuid": 16, "inet6": 16, "inet4": 4,
}  # fmt: skip
_AT_MOST = 32
"""Bytes of any other value that is no text: the longest decimal takes 30."""


def read_facts(settings: DatabaseSettings, table: Table, constraint: str, interrupt: Interrupt) -> Facts:
    """Read everything that the checks look at; see `Dialect.read_facts`. Raises SourceError."""
    with closing(Session(settings, interrupt)) as session:
        return _Reader(session, table, constraint).read()


class _Shape(NamedTuple):
    """What information_schema.tables says."""

    engine: str
    row_format: str
    bytes: int | None


class _Reader:
    def __init__(self, session: Session, table: Table, constraint: str) -> None:
        self._session = session
        self._table = table
        self._constraint = constraint
        self._names: Names = names_of(table)
        self._product: Product = "mariadb" if session.facts.product == "MariaDB" else "mysql"
        rows = session.texts("SHOW GLOBAL VARIABLES")
        self._variables = {(name or "").lower(): value or "" for name, value in rows}

    def read(self) -> Facts:
        table, names, texts = self._table, self._names, self._session.texts
        indexes = read_indexes(texts, names.place, self._product)
        triggers = read_triggers(texts, names.place)
        shape = self._shape()
        partitions, partition_key = self._partitions()
        open_ones = self._transactions()
        kept = guard(table.catalog, table.key)
        grants = self._session.facts.grants
        compact = shape.row_format.upper() in ("COMPACT", "REDUNDANT")
        oldest = oldest_of(open_ones or [])
        return Facts(
            product=self._product,
            version=version_of(self._session.facts.version),
            version_text=self._session.facts.version,
            key=tuple(self._key_column(column) for column in table.key),
            table_bytes=shape.bytes,
            table_kind="partitioned" if partitions else "table",
            partitions=partitions,
            partition_key=partition_key,
            engine=shape.engine,
            row_format=shape.row_format,
            key_limit=_SMALL_KEY if compact else _LARGE_KEY,
            protecting=kept.name if kept else None,
            protecting_primary=bool(kept and kept.primary),
            nulls_forbidden=table.key_never_null,
            lookup=lookup_of(indexes.values(), names.key, self._constraint),
            redundant_indexes=redundant(indexes.values(), names.key, table.catalog.primary_key, self._constraint),
            name_taken_by=self._taken(indexes),
            leftovers=tuple(leftovers_of(indexes, triggers, read_sides(texts, names))),
            foreign_keys=self._foreign_keys(),
            triggers=tuple(
                TableTrigger(one.name, one.timing, (one.event,)) for one in triggers if not is_ours(one.name)
            ),
            oldest_transaction=oldest,
            oldest_snapshot=self._oldest_snapshot(open_ones),
            prepared_transactions=self._prepared(),
            replicas=self._replicas(),
            cluster=cluster_of(self._variables),
            binary_log=self._is_on("log_bin"),
            binlog_format=self._variables.get("binlog_format", ""),
            trusts_creators=self._is_on("log_bin_trust_function_creators"),
            has_super=has_super(grants) if grants else None,
            missing=self._missing(),
            read_only=self._read_only(),
            settings=self._settings(),
        )

    def _is_on(self, name: str) -> bool:
        return self._variables.get(name, "").upper() in _ON

    # ---- the table

    def _shape(self) -> _Shape:
        rows = self._session.texts(look("table", **self._names.place.literals))
        if not rows:
            return _Shape("", "", None)
        _kind, engine, row_format, size = rows[0]
        return _Shape(engine or "", row_format or "", int(size) if size else None)

    def _key_column(self, column: Column) -> KeyColumn:
        kind = kind_of(column)
        longest = None
        if kind.text or kind.bytes:
            name = quote(column.name)
            [(found,)] = self._session.texts(f"SELECT MAX(OCTET_LENGTH({name})) FROM {self._names.table}")
            longest = int(found) if found is not None else 0
        return KeyColumn(
            name=column.name,
            declared=column.declared,
            nullable=column.nullable,
            collation=column.collation,
            bytewise=column.bytewise,
            most=self._most(column),
            longest=longest,
            indexable=not column.json and (kind.text or kind.bytes or not kind.opaque),
        )

    def _most(self, column: Column) -> int | None:
        kind, base = kind_of(column), base_of(column.declared)
        if kind.unbounded:
            return None
        if kind.numbered:
            return 8
        if kind.bytes:
            return declared_length(column)
        if kind.text:
            [(width,)] = self._session.texts(
                f"SELECT maxlen FROM information_schema.character_sets WHERE character_set_name = '{kind.charset}'"
            ) or [("4",)]
            return declared_length(column) * int(width or 4)
        return _FIXED.get(base, _AT_MOST)

    def _taken(self, indexes: dict[str, IndexState]) -> str | None:
        for index in indexes.values():
            if index.name.lower() == self._constraint.lower() and not keeps_unique(index, self._names.key):
                columns = ", ".join(visible(name or "an expression") for name in index.columns)
                return f"index {visible(index.name)} ({columns})"
        return None

    def _partitions(self) -> tuple[tuple[Partition, ...], tuple[str, ...]]:
        rows = self._session.texts(look("partitions", **self._names.place.literals))
        columns = {column.name.lower(): column.name for column in self._table.catalog.columns}
        leaves, by = [], dict[str, None]()
        for name, sub, expression, sub_expression, count in rows:
            label = str(sub or name)
            leaves.append(Partition(label, quote(label), self._names.table, int(count or 0)))
            for one in (expression, sub_expression):
                by |= dict.fromkeys(partitioned_by(one or "", columns))
        return tuple(leaves), tuple(by)

    def _foreign_keys(self) -> tuple[ForeignKey, ...]:
        found: dict[tuple[str, str, str, bool], tuple[list[str], str, str]] = {}
        rows = self._session.texts(look("foreign_keys", **self._names.place.literals))
        for name, schema, table, column, on_delete, on_update, outgoing in rows:
            place = str(table) if schema == self._names.place.schema else f"{schema}.{table}"
            columns, _delete, _update = found.setdefault(
                (str(name), place, str(schema), outgoing == "1"), ([], str(on_delete), str(on_update))
            )
            columns.append(str(column))
        return tuple(
            ForeignKey(name, table, tuple(columns), outgoing, on_delete, on_update)
            for (name, table, _schema, outgoing), (columns, on_delete, on_update) in found.items()
        )

    # ---- the server

    def _transactions(self) -> list[Row] | None:
        """Return the open transactions of others; None where the role may not see them."""
        with suppress(SourceError):
            [(own,)] = self._session.texts("SELECT CONNECTION_ID()")
            return self._session.texts(look("transactions", own=str(own)))
        return None

    def _oldest_snapshot(self, rows: list[Row] | None) -> OpenTransaction | None:
        return oldest_of([row for row in rows or () if open_of(row).keeps_snapshot])

    def _prepared(self) -> tuple[str, ...]:
        with suppress(SourceError):
            return tuple(visible(row[3]) for row in self._session.texts("XA RECOVER"))
        return ()

    def _replicas(self) -> int | None:
        """Count the replicas that are connected; None where sessions of others cannot be seen."""
        if "PROCESS" in " ".join(self._missing()):
            return None
        query = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
        return int(self._session.texts(query)[0][0] or 0)

    def _missing(self) -> tuple[str, ...]:
        facts = self._session.facts
        user = self._session.texts("SELECT CURRENT_USER()")[0][0] or ""
        return missing(facts.grants, self._names, user, without_case=facts.compared_without_case)

    def _read_only(self) -> str:
        for name in _READ_ONLY:
            if self._is_on(name):
                return f"the server takes no writes ({name} is on)"
        statement = "SHOW ALL SLAVES STATUS" if self._product == "mariadb" else "SHOW REPLICA STATUS"
        with suppress(SourceError):
            if self._session.texts(statement):
                return "it is a replica: what it gets from its source would pass by the guard"
        return ""

    def _settings(self) -> dict[str, str]:
        found = {name: self._variables[name] for name in _KEPT if name in self._variables}
        nullable = [column.name for column in self._table.key if column.nullable]
        if nullable:
            [(_name, created)] = self._session.texts(f"SHOW CREATE TABLE {self._names.table}")
            for name in nullable:
                if definition := definition_of(created or "", name):
                    found[DEFINITION + name] = definition
        return found


def version_of(text: str) -> tuple[int, ...]:
    """Return the numbers of a version: (10, 11, 6) of `5.5.5-10.11.6-MariaDB`."""
    found = _VERSION.match(text)
    return tuple(int(part) for part in found.groups() if part) if found else ()


def cluster_of(variables: dict[str, str]) -> Literal["", "galera", "group replication"]:
    """Return which kind of cluster a server is in, out of its global variables."""
    if variables.get("wsrep_on", "").upper() in _ON and variables.get("wsrep_provider", "none").lower() != "none":
        return "galera"
    return "group replication" if variables.get("group_replication_group_name") else ""


def partitioned_by(expression: str, columns: dict[str, str]) -> tuple[str, ...]:
    """Return the columns that a partitioning expression names; `columns` has each real name by its lower case."""
    words = re.findall(r"`((?:[^`]|``)+)`|\"((?:[^\"]|\"\")+)\"|(\w+)", expression)
    named = [(one.replace("``", "`") or other.replace('""', '"') or word).lower() for one, other, word in words]
    return tuple(dict.fromkeys(columns[name] for name in named if name in columns))


def lookup_of(indexes: Iterable[IndexState], key: tuple[str, ...], constraint: str) -> str | None:
    """Return an index of others whose first columns are the key's, whole: the guard can look through it.

    The wanted one is none of them: what is planned must not change because it is there already.
    """
    wanted = {name.lower() for name in key}
    for index in indexes:
        first = {(name or "").lower() for name in index.columns[: len(key)]}
        is_others = not is_ours(index.name) and index.name.lower() != constraint.lower()
        if first == wanted and index.whole and index.used and index.sorted and is_others:
            return index.name
    return None


def redundant(
    indexes: Iterable[IndexState], key: tuple[str, ...], primary: tuple[str, ...], constraint: str
) -> tuple[str, ...]:
    """Return indexes that the new one makes redundant, and unique ones that repeat the primary key."""
    found = []
    names = tuple(name.lower() for name in key)
    for index in indexes:
        columns = tuple((name or "").lower() for name in index.columns)
        if is_ours(index.name) or index.name in ("PRIMARY", constraint) or not index.sorted:
            continue
        repeats = index.unique and index.whole and set(columns) == {name.lower() for name in primary}
        if repeats or (not index.unique and index.whole and columns == names[: len(columns)]):
            found.append(index.name)
    return tuple(found)
