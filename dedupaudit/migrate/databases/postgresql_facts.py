"""What PostgreSQL can tell of a table before a migration, read over a read-only session of its own."""

from __future__ import annotations

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import Refused, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.postgresql_around import Around, read_around
from dedupaudit.migrate.databases.postgresql_names import EQUAL, LEVEL, LONGEST, Names, names_of
from dedupaudit.migrate.databases.postgresql_pooler import pooler_between
from dedupaudit.migrate.databases.postgresql_standing import IndexState, guard_query, look, read_indexes
from dedupaudit.migrate.facts import Facts, KeyColumn, Leftover, Partition
from dedupaudit.repair.databases.postgresql_names import split
from dedupaudit.sources.tables import catalog as catalogs
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.postgresql_catalog import Description, describe, find_relation
from dedupaudit.sources.tables.postgresql_session import Session, name_of
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.table import Table

_SHOWN = 300


def read_facts(settings: DatabaseSettings, table: Table, constraint: str, interrupt: Interrupt) -> Facts:
    """Read the facts of a table and of the wanted constraint's name.

    Raises UsageError for a name that PostgreSQL would cut, Refused where a partition can have no index, SourceError.
    """
    if len(constraint.encode("utf-8", "surrogateescape")) > LONGEST:
        raise UsageError(
            f"the constraint's name {visible(constraint)} is longer than {LONGEST} bytes, and PostgreSQL would cut it",
            'take a shorter one: constraint = "…" in dedupaudit.toml',
        )
    pooler = pooler_between(settings)
    session = Session(settings, interrupt)
    try:
        with session.question(f"table {visible(table.name)}"):
            return _Reading(session, table, constraint).facts(pooler)
    finally:
        session.close()


class _Reading:
    """One look at one table."""

    def __init__(self, session: Session, table: Table, constraint: str) -> None:
        self._session, self._table, self._constraint = session, table, constraint
        self._names: Names = names_of(table)
        relation = find_relation(session, split(table.catalog.quoted))
        if relation is None or relation.quoted != table.catalog.quoted:
            raise SourceError(f"table {visible(table.name)} is gone", "plan again")
        self._oid = relation.oid
        self._described: Description = describe(session, relation)
        self._around: Around = read_around(session, relation.oid)
        self._indexes = read_indexes(session.rows, relation.oid)
        self._left = self._leftovers()

    def facts(self, pooler: str | None) -> Facts:
        """Put together what was read."""
        around, catalog = self._around, self._described.catalog
        partitions, levels = self._partitions()
        protecting = self._protecting(catalog)
        key = self._key()
        return Facts(
            product="postgresql",
            version=(self._session.version // 10_000, self._session.version % 10_000),
            version_text=f"PostgreSQL {around.version}",
            key=key,
            table_bytes=around.bytes,
            table_kind=around.kind,
            parent=around.parent,
            partitions=partitions,
            partition_key=self._partitioned_by(),
            key_limit=_limit(around.page),
            protecting=None if protecting is None else protecting.name,
            protecting_primary=protecting is not None and protecting.primary,
            nulls_forbidden=not any(part.nullable for part in key),
            lookup=self._lookup(),
            invalid_indexes=self._invalid(),
            redundant_indexes=self._redundant(catalog),
            name_taken_by=self._taken(),
            leftovers=self._left,
            foreign_keys=around.foreign_keys,
            triggers=tuple(one for one in around.triggers if one.name not in self._names.triggers),
            oldest_transaction=around.oldest_transaction,
            oldest_snapshot=around.oldest_snapshot,
            prepared_transactions=around.prepared,
            replicas=around.replicas,
            lag=around.lag,
            published=around.published,
            pooler=pooler,
            missing=around.missing,
            hides_rows=around.hides_rows,
            read_only=around.read_only,
            settings=levels | {f"{EQUAL}{one.name}": self._described.types[one.name].equal for one in key},
        )

    # ---- the key

    def _key(self) -> tuple[KeyColumn, ...]:
        known = {name_of(row[0]): row[1:] for row in self._session.rows(look("key", oid=self._oid))}
        limit = _limit(self._around.page)
        found = []
        for column in self._table.key:
            now = self._described.catalog.column(column.name)
            if now is None or now.name not in known:
                raise UsageError(
                    f"table {visible(self._table.name)} has no column {visible(column.name)} any more",
                    "somebody changes the table: when it is done, run the same command again",
                )
            size, characters, indexable = known[now.name]
            most = None if size is None else int(str(size)) * (self._around.widest if characters else 1)
            # A scan of its own: only where the type does not already say that every value fits.
            unsure = indexable and (most is None or most * len(self._table.key) > limit)
            found.append(
                KeyColumn(
                    name=now.name,
                    declared=now.declared,
                    nullable=now.nullable,
                    collation=now.collation,
                    bytewise=now.bytewise,
                    most=most,
                    longest=self._longest(now.name) if unsure else None,
                    indexable=bool(indexable),
                )
            )
        return tuple(found)

    def _longest(self, name: str) -> int:
        """Return the bytes of the longest value as it is stored: an index entry is compressed as well."""
        asked = f"SELECT coalesce(pg_catalog.max(pg_catalog.pg_column_size({quote(name)})), 0)::pg_catalog.int8"
        rows = self._session.rows(f"{asked} FROM {self._names.table}")
        return int(str(rows[0][0]))

    # ---- indexes

    def _own(self) -> set[str]:
        tables = {index.table for index in self._indexes.values()} | {self._names.table}
        return {self._names.lookup(table) for table in tables}

    def _is_half_done(self) -> bool:
        """Whether a guard stands: then the wanted index is a part of the work, and not what was there before."""
        return any(one.kind.startswith("guard") for one in self._left)

    def _protecting(self, catalog: Catalog) -> catalogs.Index | None:
        others = tuple(
            index
            for index in catalog.indexes
            if not (self._is_half_done() and index.name == self._constraint) and index.name not in self._own()
        )
        columns = tuple(column for one in self._table.key if (column := catalog.column(one.name)))
        return catalogs.guard(Catalog(catalog.name, catalog.quoted, catalog.kind, (), indexes=others), columns)

    def _plain(self) -> list[catalogs.Index]:
        """Return the valid indexes of others on the table that sort whole values of plain columns."""
        own = self._own() | {self._constraint}
        return [
            index
            for index in self._described.catalog.indexes
            if index.name in self._described.sorted_indexes
            and index.valid
            and index.ready
            and not index.partial
            and index.name not in own
        ]

    def _lookup(self) -> str | None:
        wanted, collations = {one.name for one in self._table.key}, self._collations()
        for index in self._plain():
            first = index.columns[: len(wanted)]
            alike = all(collations.get(str(name)) == one for name, one in zip(first, index.collations, strict=False))
            if set(first) == wanted and alike:
                return index.name
        return None

    def _collations(self) -> dict[str, str]:
        return {column.name: column.collation for column in self._described.catalog.columns}

    def _redundant(self, catalog: Catalog) -> tuple[str, ...]:
        key, primary = tuple(self._table.key_names), set(catalog.primary_key)
        known = self._collations()
        collations = tuple(known.get(name, "") for name in key)
        same = [
            one.name for one in self._plain() if one.columns == key and one.collations == collations and not one.unique
        ]
        twice = [
            one.name
            for one in self._plain()
            if one.unique and not one.primary and primary and set(one.columns) == primary
        ]
        return tuple(same + twice)

    def _invalid(self) -> tuple[str, ...]:
        ours = self._own() | {self._constraint, *(split(name)[1] for name in self._parts())}
        return tuple(
            split(one.name)[1]
            for one in self._indexes.values()
            # A parent's is invalid until all of its partitions have theirs: that is the next line's business.
            if not one.valid and split(one.name)[1] not in ours
        )

    def _parts(self) -> set[str]:
        tables = {index.table for index in self._indexes.values()} - {self._names.table}
        return {f"{quote(split(table)[0])}.{quote(self._names.part(table, self._constraint))}" for table in tables}

    def _wanted(self, index: IndexState) -> bool:
        return index.unique and not index.partial and set(index.columns) == set(self._table.key_names)

    def _taken(self) -> str | None:
        name = quote(self._constraint)
        mine = self._indexes.get(f"{quote(split(self._names.table)[0])}.{name}")
        if mine is not None and mine.table == self._names.table and self._wanted(mine):
            return None
        rows = self._session.rows(look("name_taken", oid=self._oid, name=literal(self._constraint)))
        if not rows:
            return None
        kind, on = str(rows[0][0]), rows[0][1]
        words = {"i": "index", "I": "index", "S": "sequence", "v": "view", "m": "materialized view", "c": "type"}
        what = "constraint" if kind == "constraint" else words.get(kind, "table")
        return f"{what} {visible(self._constraint)}" + (f" on {visible(name_of(on))}" if on is not None else "")

    # ---- the tool's own

    def _leftovers(self) -> tuple[Leftover, ...]:
        names = self._names
        found = [
            Leftover("lookup index", quote(split(one.name)[1]))
            for one in self._indexes.values()
            if split(one.name)[1] in self._own()
        ]
        wanted = {f"{quote(split(names.table)[0])}.{quote(self._constraint)}", *self._parts()}
        found += [
            Leftover("invalid index", quote(split(one.name)[1]))
            for one in self._indexes.values()
            if not one.valid and one.name in wanted and self._wanted(one)
        ]
        rows = self._session.rows(guard_query(names, self._oid))
        for kind, name, _body, on in rows:
            if kind == "table":
                found.append(Leftover("guard table", names.guard))
            elif kind == "function":
                found.append(Leftover("guard function", f"{names.guard.split('.')[0]}.{quote(name_of(name))}()"))
            elif kind == "trigger" and on == self._oid:
                found.append(Leftover("guard trigger", quote(name_of(name))))
        if self._session.rows(look("columns", oid=self._oid, check=literal(names.check)))[0][0]:
            found.append(Leftover("check", quote(names.check)))
        return tuple(found)

    # ---- partitions

    def _partitions(self) -> tuple[tuple[Partition, ...], dict[str, str]]:
        leaves, levels = [], {}
        for schema, name, kind, leaf, above_schema, above, rows in self._session.rows(look("tree", oid=self._oid)):
            quoted = f"{quote(name_of(schema))}.{quote(name_of(name))}"
            parent = f"{quote(name_of(above_schema))}.{quote(name_of(above))}"
            if kind == "f":
                raise Refused(
                    f"partition {visible(name_of(name))} of table {visible(self._table.name)} is a foreign table, on"
                    " which PostgreSQL can keep nothing unique",
                    f"detach it: ALTER TABLE {visible(self._names.table, _SHOWN)} DETACH PARTITION"
                    f" {visible(quoted, _SHOWN)}",
                )
            if leaf:
                known = int(str(rows))
                leaves.append(Partition(name_of(name), quoted, parent, known if known >= 0 else None))
            else:
                levels[f"{LEVEL}{quoted}"] = parent
        return tuple(leaves), levels

    def _partitioned_by(self) -> tuple[str, ...]:
        return tuple(name_of(row[0]) for row in self._session.rows(look("partitioned_by", oid=self._oid)))


def _limit(page: int) -> int:
    """Return the bytes that an entry of a B-tree may have: BTMaxItemSize of PostgreSQL's nbtree.h; 2704 for 8 kB."""
    return ((page - 40 - 16) // 3) // 8 * 8 - 8
