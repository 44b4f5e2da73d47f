"""Rows and objects as columns, joined by the hash of the object key: what stands out at a first look, and a second.

Each look has tables of its own: `rows`, `objects`, `referenced` (hashes of keys that others name), and what was found.
Keys are compared as the bytes they are; the hash is salted, so that nobody can write two keys that have one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import passed_on
from dedupaudit.snapshot.engine import Engine, explained
from dedupaudit.snapshot.escaping import NULL, escape, lines, unescape, unpack
from dedupaudit.snapshot.intake import Intake, read_lines
from dedupaudit.snapshot.suspects import Found, Stray, Suspect
from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.sources.tables.protocol import Value
from dedupaudit.sqlfiles import fill, sql_text

Looking = Literal["first", "again"]
ROW_CHECKS = (
    "missing_object", "size_mismatch", "etag_mismatch", "shared_object", "unexpected_object", "misplaced_object"
)  # fmt: skip

_MOST = 200_000_000
_FETCH = 1_000
_PART = 1_000_000
_FOLDED = 1_000_000
_ROW = {
    "t": "USMALLINT",
    "judged": "BOOLEAN",
    "token": "VARCHAR",
    "id": "VARCHAR",
    "pk": "VARCHAR",
    "state": "UTINYINT",
    "status": "VARCHAR",
    "key": "VARCHAR",
    "expected": "VARCHAR",
    "url": "VARCHAR",
    "size": "BIGINT",
    "etag": "VARCHAR",
    "written": "VARCHAR",
    "changed": "VARCHAR",
}
_OBJECT = {"key": "VARCHAR", "size": "BIGINT", "modified": "BIGINT", "etag": "VARCHAR"}
_KEPT = "h, ident, t, id, pk, state, status, key, expected, url, size, etag, written, changed"


class Crossing:
    """The columns of one crosscheck, in a private folder that is gone at the end. A context manager."""

    def __init__(self, memory_limit: int, protected: Sequence[str] = ()) -> None:
        self._engine = Engine(memory_limit, _MOST, kept=False)
        self._salt = secrets.token_hex(16)
        self._unprotected = " AND ".join(f"NOT starts_with(rows.key, {_text(escape(one))})" for one in protected)
        with explained(self._engine.folder):
            for look in ("first", "again"):
                columns = ", ".join(f"{name} {kind}" for name, kind in _ROW.items() if name != "token")
                self._run(f"CREATE SCHEMA {look}")
                self._run(f"CREATE TABLE {look}.rows (h UHUGEINT, ident UBIGINT, {columns})")
                self._run(f"CREATE TABLE {look}.objects (h UHUGEINT, {_typed(_OBJECT)})")
                self._run(f"CREATE TABLE {look}.referenced (h UHUGEINT)")
                self._run(
                    f"CREATE TABLE {look}.found AS SELECT '' AS what, {_KEPT}, 0::BIGINT AS object_size,"  # noqa: S608
                    f" 0::BIGINT AS object_modified, '' AS object_etag FROM {look}.rows LIMIT 0"
                )
                self._run(f"CREATE TABLE {look}.strays (h UHUGEINT, key VARCHAR, size BIGINT, modified BIGINT)")
            self._run("CREATE TABLE unseen (h UHUGEINT, reason VARCHAR)")
            self._run("CREATE TABLE near (kind VARCHAR, h UHUGEINT, key VARCHAR)")
            self._run("CREATE TABLE folds (kind VARCHAR, fold UHUGEINT, h UHUGEINT, key VARCHAR)")
            self._run("CREATE TABLE sought (h UHUGEINT, key VARCHAR, looked BOOLEAN)")

    def __enter__(self) -> Crossing:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._engine.close()

    # ---- what comes in

    def rows(self, look: Looking) -> Intake:
        """Return where lines of rows go, in the order of `_ROW`; at the second look only those that are sought stay."""
        ident = f"md5_number_lower(concat('{self._salt}', t, ':', coalesce(token, id)))::UBIGINT"
        values = ", ".join(name for name in _ROW if name != "token")
        only = " SEMI JOIN sought USING (h)" if look == "again" else ""
        return Intake(
            self._engine,
            f"INSERT INTO {look}.rows SELECT * FROM (SELECT {self._hash('key')} AS h, {ident} AS ident, {values}"  # noqa: S608
            f" FROM {read_lines(_ROW)}){only}",
        )

    def objects(self, look: Looking) -> Intake:
        """Return where lines of objects go: key, size, modified, etag (an MD5, or NULL)."""
        return Intake(
            self._engine,
            f"INSERT INTO {look}.objects SELECT {self._hash('key')} AS h, * FROM {read_lines(_OBJECT)}",  # noqa: S608
        )

    def referenced(self, look: Looking) -> Intake:
        """Return where lines of keys go that others name."""
        source = read_lines({"key": "VARCHAR"})
        return Intake(self._engine, f"INSERT INTO {look}.referenced SELECT {self._hash('key')} FROM {source}")  # noqa: S608

    def unseen(self) -> Intake:
        """Return where lines go of keys that could not be looked at again, with the reason."""
        source = read_lines({"key": "VARCHAR", "reason": "VARCHAR"})
        return Intake(self._engine, f"INSERT INTO unseen SELECT {self._hash('key')}, reason FROM {source}")  # noqa: S608

    def inventory(self, path: Path, parts: dict[str, str], shown: str) -> None:
        """Load one data file of an inventory; `parts` are the fragments of `sql/checks/inventory.sql`."""
        import duckdb

        query = fill(sql_text("checks/inventory.sql"), parts)
        # The engine takes a path for a pattern: `lists[1]/` would be `lists1/`. A link has a name of our own.
        link = self._engine.folder / "inventory.csv.gz"
        with explained(self._engine.folder):
            link.unlink(missing_ok=True)
            link.symlink_to(path.absolute())
        try:
            with passed_on():
                self._run(f"INSERT INTO first.objects SELECT {self._hash('key')} AS h, * FROM ({query})", [str(link)])  # noqa: S608
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.IOException) as error:
            if "No space left" in str(error):
                with explained(self._engine.folder):
                    raise
            reason = visible(str(error).partition("\n")[0], 200)
            raise SourceError(f"{shown} of the inventory cannot be read: {reason}", "take another inventory") from None
        except duckdb.Error:
            with explained(self._engine.folder):
                raise

    # ---- figures

    def totals(self, look: Looking = "first") -> tuple[int, int, int]:
        """Return rows that are judged, objects, and the objects' bytes."""
        rows = self._one(f"SELECT COUNT(*) FROM {look}.rows WHERE judged")  # noqa: S608
        objects, size = self._row(f"SELECT COUNT(*), coalesce(SUM(size), 0)::BIGINT FROM {look}.objects")  # noqa: S608
        return rows, objects, size

    def expecting(self) -> int:
        """Return how many judged rows must have their object."""
        return self._one("SELECT COUNT(*) FROM first.rows WHERE judged AND state = 0 AND h IS NOT NULL")

    def naming(self) -> int:
        """Return how many rows name an object at all."""
        return self._one("SELECT COUNT(*) FROM first.rows WHERE h IS NOT NULL")

    def missing(self, state: int) -> int:
        """Return how many rows of one state miss their object at the first look."""
        return self._one(f"SELECT COUNT(*) FROM first.found WHERE what = 'missing_object' AND state = {state}")  # noqa: S608

    def outside(self, prefix: str) -> int:
        """Return how many of the missing objects' keys do not begin with the prefix that was listed."""
        outside = f"NOT starts_with(key, {_text(escape(prefix))})"
        return self._one(f"SELECT COUNT(*) FROM first.found WHERE what = 'missing_object' AND {outside}")  # noqa: S608

    def twice(self) -> str | None:
        """Return a key that the listing told twice, None where each came once."""
        for part in self._parts("first"):
            again = f"SELECT h FROM first.objects WHERE {part} GROUP BY h HAVING COUNT(*) > 1 LIMIT 1"  # noqa: S608
            found = self._all(f"SELECT key FROM first.objects SEMI JOIN ({again}) USING (h) LIMIT 1")  # noqa: S608
            if found:
                return unescape(found[0][0])
        return None

    def between(self, first: str, last: str) -> int:
        """Return about how many objects lie between two keys."""
        low, high = _text(escape(first)), _text(escape(last))
        return self._one(f"SELECT COUNT(*) FROM first.objects WHERE key BETWEEN {low} AND {high}")  # noqa: S608

    def splits(self, number: int) -> list[str]:
        """Return keys of rows that cut them into about equal ranges."""
        sample = self._all("SELECT key FROM first.rows WHERE key IS NOT NULL USING SAMPLE 2000 ROWS")
        keys = sorted(unescape(key) for (key,) in sample)
        return [keys[len(keys) * cut // number] for cut in range(1, number)] if len(keys) >= number else []

    # ---- the looks

    def strangers(self, few: int) -> list[tuple[int, int, str, str]]:
        """Return the tables none of whose keys is what the template says, if they are not few.

        Of each: number, keys, one key, and what the template says in its place.
        """
        named = "FROM first.rows WHERE judged AND h IS NOT NULL"
        several = f"COUNT(*) >= {few} AND COUNT(expected) = COUNT(*)"
        query = f"SELECT t, COUNT(*), min(key), arg_min(expected, key) {named} GROUP BY t HAVING {several}"  # noqa: S608
        found = self._all(query)
        return [(t, keys, unescape(key), unescape(expected)) for t, keys, key, expected in found]

    def forget_template(self, table: int) -> None:
        """Drop what the template says of a table's rows at the first look."""
        self._do(f"UPDATE first.rows SET expected = NULL WHERE t = {table}")  # noqa: S608 (own number)

    def forget(self, check: str) -> None:
        """Drop what a check found that nobody asked for."""
        self._do(f"DELETE FROM first.found WHERE what = '{check}'")  # noqa: S608 (own name)

    def find(self, look: Looking, checks: Iterable[str]) -> None:
        """Find the suspects of these checks."""
        for check, part in product(checks, self._parts(look)):
            parts = {"look": look, "part": part, "unprotected": self._unprotected or "TRUE"}
            query = fill(sql_text(f"checks/{check}.sql"), parts)
            if check == "orphan_object":
                self._do(f"INSERT INTO {look}.strays {query}")
                continue
            self._do(
                f"INSERT INTO {look}.found SELECT '{check}', {_KEPT}, object_size, object_modified, object_etag"  # noqa: S608
                f" FROM (SELECT rowid AS n, * FROM {look}.rows) JOIN ({query}) USING (n)"
            )

    def _parts(self, look: Looking) -> list[str]:
        """Return conditions that cut the hashes into ranges: a join of one fits the memory, whatever the rows."""
        rows = self._one(f"SELECT COUNT(*) FROM {look}.rows")  # noqa: S608
        parts = max(1, -(-max(rows, self.totals(look)[1]) // _PART))
        if parts == 1:
            return ["h IS NOT NULL"]
        bounds = [(part << 128) // parts for part in range(parts + 1)]
        return [f"h BETWEEN {low}::UHUGEINT AND {high - 1}::UHUGEINT" for low, high in pairwise(bounds)]

    def count(self, check: str) -> int:
        """Return how many rows (orphans: objects) a check found at the first look."""
        if check == "orphan_object":
            return self._one("SELECT COUNT(*) FROM first.strays")
        return self._one(f"SELECT COUNT(*) FROM first.found WHERE what = '{check}'")  # noqa: S608

    def moments(self, check: str, state: int) -> Iterator[tuple[int, Value, Value]]:
        """Yield table, written and changed of the rows in one state that a check found."""
        query = f"SELECT t, written, changed FROM first.found WHERE what = '{check}' AND state = {state}"  # noqa: S608
        for t, written, changed in self._stream(query):
            yield t, _first(written), _first(changed)

    def sharing(self) -> Iterator[Suspect]:
        """Yield the rows that share an object at the first look, those of one object together."""
        return self.suspects("shared_object", "f.key, f.t, f.id, f.pk")

    def suspects(self, check: str, order: str = "f.t, f.first_id, f.ident, f.id, f.pk") -> Iterator[Suspect]:
        """Yield what a check found at the first look, the rows of one ID together."""
        query = f"""
            SELECT f.t, f.ident, f.id, f.pk, coalesce(a.state, f.state), coalesce(a.status, f.status), f.key,
              f.expected, f.url, coalesce(a.size, f.size), coalesce(a.etag, f.etag),
              coalesce(a.written, f.written), coalesce(a.changed, f.changed), coalesce(a.object_size, f.object_size),
              coalesce(a.object_modified, f.object_modified), coalesce(a.object_etag, f.object_etag),
              near.key, a.h IS NOT NULL, unseen.reason
            FROM (SELECT *, MIN(id) OVER (PARTITION BY t, ident) AS first_id FROM first.found WHERE what = '{check}') f
            LEFT JOIN (SELECT DISTINCT ON (h, t, id, pk) * FROM again.found WHERE what = '{check}') a
              ON a.h = f.h AND a.t = f.t AND a.id = f.id AND a.pk = f.pk
            LEFT JOIN unseen ON unseen.h = f.h
            LEFT JOIN (SELECT * FROM near WHERE kind = 'row') near ON near.h = f.h
            ORDER BY {order}"""  # noqa: S608
        for row in self._stream(query):
            t, ident, key_id, pk, state, status, key, expected, url, size, etag, written, changed, *rest = row
            o_size, o_modified, o_etag, near, again, unseen = rest
            yield Suspect(
                t, ident, unpack(key_id), unpack(pk), state, _first(status), unescape(key), _maybe(expected),
                _maybe(url), size, etag, _first(written), _first(changed), o_size, o_modified, o_etag, _maybe(near),
                again, _maybe(unseen),
            )  # fmt: skip

    def strays(self) -> Iterator[Stray]:
        """Yield the objects that no row named at the first look, in the order of their keys."""
        query = """
            SELECT f.key, coalesce(a.size, f.size), coalesce(a.modified, f.modified), near.key, a.h IS NOT NULL,
              unseen.reason
            FROM first.strays f LEFT JOIN again.strays a USING (h) LEFT JOIN unseen USING (h)
            LEFT JOIN (SELECT * FROM near WHERE kind = 'object') near USING (h) ORDER BY f.key"""
        for key, size, modified, near, again, unseen in self._stream(query):
            yield Stray(unescape(key), size, modified, _maybe(near), again, _maybe(unseen))

    # ---- the second look

    def first_found(self) -> Iterator[Found]:
        """Yield what was found at the first look, all of one key together and in the order of the keys."""
        query = """
            SELECT key, what, t, written, changed, object_modified FROM first.found
            UNION ALL SELECT key, 'orphan_object', NULL, NULL, NULL, modified FROM first.strays
            ORDER BY key"""
        for key, what, t, written, changed, modified in self._stream(query):
            yield Found(unescape(key), what, t, _first(written), _first(changed), modified)

    def sought(self) -> Intake:
        """Return where lines go of keys that the second look is about, and whether their objects are looked at."""
        source = read_lines({"key": "VARCHAR", "looked": "BOOLEAN"})
        return Intake(self._engine, f"INSERT INTO sought SELECT {self._hash('key')} AS h, * FROM {source}")  # noqa: S608

    def sought_keys(self, most: int) -> list[str] | None:
        """Return the keys that the second look is about; None where there are more than that."""
        keys = self._all(f"SELECT key FROM sought LIMIT {most + 1}")  # noqa: S608
        return [unescape(key) for (key,) in keys] if len(keys) <= most else None

    def keep_unlooked(self) -> None:
        """Take over at the second look what the first knew of objects that need not be looked at again."""
        self._do(
            "INSERT INTO again.objects SELECT * FROM first.objects"
            " SEMI JOIN (SELECT h FROM sought WHERE NOT looked) AS known USING (h)"
        )

    def bring_together(self, folds: Callable[[str], str]) -> None:
        """Note which missing and which orphan objects have nearly equal keys: those whose `folds` are equal."""
        if not 0 < self.count("missing_object") <= _FOLDED or not 0 < self.count("orphan_object") <= _FOLDED:
            return
        source = read_lines({"kind": "VARCHAR", "fold": "VARCHAR", "key": "VARCHAR"})
        insert = f"INSERT INTO folds SELECT kind, {self._hash('fold')}, {self._hash('key')}, key FROM {source}"  # noqa: S608
        with Intake(self._engine, insert) as intake:
            for kind, query in (
                ("row", "SELECT DISTINCT key FROM first.found WHERE what = 'missing_object'"),
                ("object", "SELECT key FROM first.strays"),
            ):
                for (key,) in self._stream(query):
                    intake.write(lines([(kind, escape(folds(unescape(key))), key)]))
        for kind, other in (("row", "object"), ("object", "row")):
            self._do(
                f"INSERT INTO near SELECT '{kind}', one.h, MIN(other.key)"  # noqa: S608 (own words)
                f" FROM (SELECT * FROM folds WHERE kind = '{kind}') AS one"
                f" JOIN (SELECT * FROM folds WHERE kind = '{other}') AS other USING (fold) GROUP BY one.h"
            )

    # ---- how a query runs

    def _hash(self, column: str) -> str:
        return f"CASE WHEN {column} IS NOT NULL THEN md5_number('{self._salt}' || {column}) END"

    def _run(self, statement: str, arguments: Sequence[object] = ()) -> Any:
        return self._engine.connection.execute(statement, list(arguments) or None)

    def _do(self, statement: str) -> None:
        with explained(self._engine.folder):
            self._run(statement)

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        with explained(self._engine.folder):
            return cast("list[tuple[Any, ...]]", self._run(query).fetchall())

    def _row(self, query: str) -> tuple[Any, ...]:
        return self._all(query)[0]

    def _one(self, query: str) -> int:
        return int(self._row(query)[0])

    def _stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        with explained(self._engine.folder):
            cursor = self._engine.connection.cursor()
            found = cursor.execute(query)
        try:
            while True:
                with explained(self._engine.folder):
                    batch = found.fetchmany(_FETCH)
                if not batch:
                    return
                yield from batch
        finally:
            cursor.close()


def object_lines(facts: Iterable[ObjectFact]) -> bytes:
    """Return objects as lines for `Crossing.objects`."""
    return "".join(
        [
            f"{escape(key)}\t{size}\t{modified}\t{etag if is_md5 and etag else NULL}\n"
            for key, size, modified, etag, is_md5 in facts
        ]
    ).encode("utf-8")


def _typed(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _maybe(field: str | None) -> str | None:
    return None if field is None else unescape(field)


def _first(field: str | None) -> Value:
    return unpack(field)[0] if field else None
