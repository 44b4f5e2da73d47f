"""Reads the catalog of MySQL and MariaDB: information_schema, and what the server answers about collations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.catalog import Catalog, Column, Index, TableKind
from dedupaudit.sources.tables.mysql_facts import CollationFacts, Weights, collation_facts
from dedupaudit.sources.tables.mysql_session import Session
from dedupaudit.sources.tables.mysql_sql import literal, quote, weights_of

Texts = tuple[str | None, ...]

_KINDS: dict[str, TableKind] = {
    "BASE TABLE": "table",
    "SYSTEM VERSIONED": "table",
    "VIEW": "view",
    "SYSTEM VIEW": "view",
}
_SNAPSHOT_ENGINES = ("innodb", "rocksdb", "")
_NAME = re.compile(r"^[A-Za-z0-9_]+$")


class CatalogReader:
    """Reads catalogs; what was asked of a collation is remembered."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.collations: dict[str, CollationFacts] = {}
        self.engines: dict[str, str] = {}
        """Storage engines without a snapshot, by the quoted name of the table that they hold."""

    def names(self, database: str) -> list[str]:
        """Return the tables and views of a database, without this tool's own."""
        return [name for name, _kind in self._listed(database) if not name.lower().startswith("dedupaudit_")]

    def _listed(self, database: str) -> list[tuple[str, TableKind]]:
        rows = self._session.texts(
            "SELECT table_name, table_type FROM information_schema.tables"
            f" WHERE table_schema = {literal(database)} ORDER BY table_name"
        )
        return [(str(name), _KINDS[str(kind)]) for name, kind in rows if str(kind) in _KINDS]

    def read(self, database: str, name: str) -> Catalog | None:
        """Return the catalog of a table or view: that of exactly this name, else the only one but for its case."""
        listed = dict(self._listed(database))
        if name not in listed:
            alike = [one for one in listed if one.lower() == name.lower()]
            if len(alike) != 1:
                return None
            name = alike[0]
        place = f"table_schema = {literal(database)} AND table_name = {literal(name)}"
        columns = self._columns(place, self._json_columns(database, name))
        indexes = index_list(
            self._session.texts(
                "SELECT index_name, non_unique, column_name, sub_part, seq_in_index, index_type"
                f" FROM information_schema.statistics WHERE {place} ORDER BY index_name, seq_in_index"
            ),
            columns,
        )
        [(rows, engine)] = self._session.texts(
            f"SELECT table_rows, engine FROM information_schema.tables WHERE {place}"
        ) or [(None, None)]
        quoted = f"{quote(database)}.{quote(name)}"
        if listed[name] == "table" and (engine or "").lower() not in _SNAPSHOT_ENGINES:
            self.engines[quoted] = str(engine)
        primary = next((index.columns for index in indexes if index.primary), ())
        return Catalog(
            name=name,
            quoted=quoted,
            kind=listed[name],
            columns=columns,
            primary_key=tuple(str(column) for column in primary),
            indexes=indexes,
            row_estimate=int(rows) if rows and listed[name] == "table" else None,
        )

    def _columns(self, place: str, json: frozenset[str]) -> tuple[Column, ...]:
        rows = self._session.texts(
            "SELECT column_name, column_type, is_nullable, extra, collation_name, generation_expression"
            f" FROM information_schema.columns WHERE {place} ORDER BY ordinal_position"
        )
        self.learn(str(row[4]) for row in rows if row[4])
        return tuple(column_of_row(row, json, self.collations) for row in rows)

    def _json_columns(self, database: str, name: str) -> frozenset[str]:
        """Return the columns that MariaDB calls JSON: they are LONGTEXT with a check."""
        if self._session.facts.product != "MariaDB":
            return frozenset()
        rows = self._session.texts(
            "SELECT check_clause FROM information_schema.check_constraints"
            f" WHERE constraint_schema = {literal(database)} AND table_name = {literal(name)}"
        )
        return json_checked(str(row[0]) for row in rows)

    def learn(self, names: Iterable[str]) -> None:
        """Ask the server about collations: whether they pad, and how their equality is written as bytes."""
        for name in dict.fromkeys(names):
            if name not in self.collations and _NAME.match(name):
                self.collations[name] = self._ask(name)

    def _ask(self, name: str) -> CollationFacts:
        charset = name.partition("_")[0]
        if name == "binary":
            return CollationFacts("binary", pads=False, weights="plain")
        ways: tuple[Weights, ...] = ("plain", "padded", "trimmed")
        first, second = (f"CONVERT('{text}' USING {charset}) COLLATE {name}" for text in ("a", "a  "))
        try:
            pads = self._session.texts(f"SELECT {first} = {second}")[0][0] == "1"
            agreeing = [way for way in ways if self._agrees(CollationFacts(name, pads, way), charset)]
        except SourceError:
            # Nothing is known of it, so nothing is built on it.
            return CollationFacts(name, pads=True, weights=None)
        return collation_facts(name, pads, agreeing)

    def _agrees(self, facts: CollationFacts, charset: str) -> bool:
        """Say whether one way of weights agrees with = on texts that differ in trailing spaces and in letters."""
        probes = ("a", "a  ", "b", "", "  ", "A")
        texts = [f"CONVERT('{text}' USING {charset}) COLLATE {facts.name}" for text in probes]
        weights = [weights_of(text, facts, charset, 8) for text in texts]
        pairs = [(one, two) for one in range(len(probes)) for two in range(one)]
        asked = ", ".join(
            f"({texts[one]} = {texts[two]}) = (CAST({weights[one]} AS BINARY) = CAST({weights[two]} AS BINARY))"
            for one, two in pairs
        )
        return all(answer == "1" for answer in self._session.texts(f"SELECT {asked}")[0])


def column_of_row(row: Texts, json: frozenset[str], collations: dict[str, CollationFacts]) -> Column:
    """Return a column as information_schema.columns describes it."""
    name, declared, nullable, extra, collation, generated = row
    facts = collations.get(collation or "")
    return Column(
        name=str(name),
        declared=str(declared),
        nullable=nullable == "YES",
        generated=bool(generated),
        json=name in json or str(declared).lower() == "json",
        auto_increment="auto_increment" in (extra or "").lower(),
        collation=collation or "",
        bytewise=facts.bytewise if facts else not collation,
    )


def json_checked(clauses: Iterable[str]) -> frozenset[str]:
    """Return the columns that a check keeps valid JSON: json_valid(`data`)."""
    found = set()
    for clause in clauses:
        match = re.fullmatch(r"\(?\s*json_valid\(([`\"])(?P<name>(?:(?!\1).|\1\1)+)\1\)\s*\)?", clause, re.IGNORECASE)
        if match:
            found.add(match["name"].replace(match[1] * 2, match[1]))
    return frozenset(found)


def index_list(rows: Iterable[Texts], columns: Sequence[Column]) -> tuple[Index, ...]:
    """Return the indexes that rows of information_schema.statistics describe; a column is None for an expression."""
    collations = {column.name: column.collation for column in columns}
    parts: dict[str, list[Texts]] = {}
    for row in rows:
        parts.setdefault(str(row[0]), []).append(row)
    return tuple(
        Index(
            name=name,
            columns=tuple(part[2] for part in found),
            collations=tuple(collations.get(part[2] or "", "") for part in found),
            unique=found[0][1] == "0",
            primary=name == "PRIMARY",
            prefix=any(part[3] is not None for part in found),
        )
        for name, found in sorted(parts.items())
    )
