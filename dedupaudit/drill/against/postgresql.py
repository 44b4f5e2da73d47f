"""Copies the shape of a PostgreSQL table into the scratch schema: what it is, and never what is in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from dedupaudit.display import visible
from dedupaudit.drill.against.bodies import why_not
from dedupaudit.drill.against.copying import Copied, refuse_kind
from dedupaudit.drill.against.rows import Field, Kind, computes
from dedupaudit.drill.scratch.postgresql import PostgresqlScratch, Row, Session, session
from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

_KINDS: dict[str, Kind] = {
    "character varying": "text", "text": "text", "character": "text", "citext": "text", "name": "text",
    "smallint": "integer", "integer": "integer", "bigint": "integer",
    "numeric": "decimal", "real": "float", "double precision": "float", "boolean": "boolean",
    "date": "date", "time without time zone": "time", "interval": "interval",
    "timestamp without time zone": "datetime", "timestamp with time zone": "zoned",
    "json": "json", "jsonb": "json", "uuid": "uuid", "bytea": "bytes", "inet": "address", "cidr": "address",
    "bit": "bits", "bit varying": "bits",
}  # fmt: skip
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1}
_OTHERS = {"v": "view", "m": "materialized view", "f": "foreign table"}
_MODIFIED = re.compile(r"\((\d+)(?:,(-?\d+))?\)")
_RULES = {"p": "PRIMARY KEY", "u": "UNIQUE", "x": "EXCLUDE", "c": "CHECK", "i": "index"}
CALLS_OWN = "it calls a function of this database, which may do more than compute"
_COUNTED = ("nextval(", "pg_catalog.nextval(")


@dataclass(frozen=True)
class Place:
    """The real table, and the one in scratch; quoted."""

    oid: str
    real: str
    name: str
    made: str


def copy_table(scratch: PostgresqlScratch, table: Table) -> Copied:
    """Make the table in the scratch schema, in place of one of its name, without its triggers."""
    with session(scratch.around) as opened:
        place, relation = look(opened, scratch, table)
        columns = opened.rows(question("columns", oid=place.oid))
        copied = Copied(place.name)
        _say_what_is_never_copied(copied, relation)
        if doubtful := next((row[0] for row in columns if row[-1]), None):
            raise SourceError(
                f"{opened.place}: the domain of column {visible(doubtful)} calls a function of this database",
                "a drill would run it, whatever it does: this shape cannot be drilled",
            )
        outside = [str(row[9]) for row in columns if row[9] != "pg_catalog" and row[7] == "b"]
        scratch.also = tuple(dict.fromkeys(outside))
        statements = [f"DROP TABLE IF EXISTS {place.made} CASCADE", _create(copied, place, columns)]
        statements += _defaults(copied, place, columns)
        statements += _rules(copied, place, opened.rows(question("rules", oid=place.oid)))
        make(opened, scratch, statements)
        return copied


def question(name: str, **parts: str) -> str:
    """Return one query of sql/drill/postgresql/."""
    foreign = sql_text("drill/postgresql/foreign.sql")
    return fill(sql_text(f"drill/postgresql/{name}.sql"), {"foreign": foreign, **parts})


def look(opened: Session, scratch: PostgresqlScratch, table: Table) -> tuple[Place, Row]:
    """Return the real table and the one in scratch, and what relation.sql says; the session searches nothing then."""
    # With nothing searched, PostgreSQL writes every name with its schema.
    opened.rows("SET search_path = ''")
    oid = f"{literal(table.catalog.quoted)}::pg_catalog.regclass::pg_catalog.oid"
    [relation] = opened.rows(question("relation", oid=oid))
    kind, _is_partition, real, name, *_rest = relation
    if kind not in ("r", "p"):
        raise refuse_kind(table, _OTHERS.get(str(kind), "relation"))
    return Place(oid, str(real), str(name), f"{quote(scratch.name)}.{quote(str(name))}"), relation


def _say_what_is_never_copied(copied: Copied, relation: Row) -> None:
    kind, is_partition, *_names, own_rules, foreign_keys, rewrites, policies = relation
    for name in json.loads(foreign_keys or "[]"):
        copied.leave(f"foreign key {visible(name)}", "the tables that it refers to are not copied")
    for name in json.loads(policies or "[]"):
        copied.leave(f"policy {visible(name)}", "it looks at other rows before it lets one in", uncertain=True)
    for name in json.loads(rewrites or "[]"):
        copied.leave(f"rule {visible(name)}", "it makes another statement of an INSERT", uncertain=True, diverts=True)
    if kind == "p":
        copied.leave(
            "the partitions",
            "the drill's table is one; what is unique in the whole is so there too"
            + ("; but partitions have unique indexes or triggers of their own" if own_rules else ""),
            uncertain=bool(own_rules),
        )
    if is_partition:
        copied.leave("the partition's bounds", "they only decide which rows come here")


def _create(copied: Copied, place: Place, columns: list[Row]) -> str:
    """Return CREATE TABLE: types, collations, NOT NULL and identities as they are."""
    doubtful = [row for row in columns if row[4] and (row[11] or why_not(str(row[5]), "postgresql"))]
    for row in doubtful:
        copied.leave(f"the expression of column {visible(row[0])}", CALLS_OWN)
    generated = "" if doubtful else " INCLUDING GENERATED"
    copied.fields += [_field(row, generated=bool(generated)) for row in columns]
    return f"CREATE TABLE {place.made} (LIKE {place.real} INCLUDING IDENTITY INCLUDING STORAGE{generated})"


def _defaults(copied: Copied, place: Place, columns: list[Row]) -> list[str]:
    """Return what gives the columns their defaults; what a sequence counted, another one counts there."""
    statements = []
    for at, row in enumerate(columns):
        name, _type, required, identity, generated, default, base, *_kind, foreign, _in_domain = row
        if default is None or generated or identity:
            continue
        column = f"ALTER TABLE {place.made} ALTER COLUMN {quote(str(name))}"
        if str(default).startswith(_COUNTED) and required and base in ("smallint", "integer", "bigint"):
            statements.append(f"{column} ADD GENERATED BY DEFAULT AS IDENTITY")
        elif foreign or why_not(str(default), "postgresql"):
            copied.leave(f"the default of column {visible(name)}", f"{CALLS_OWN}: {visible(default, 60)}")
            copied.fields[at] = replace(copied.fields[at], required=bool(required), own=False)
        else:
            statements.append(f"{column} SET DEFAULT {default}")
    return statements


def _rules(copied: Copied, place: Place, rules: list[Row]) -> list[str]:
    """Return what makes constraints and indexes, of those that are whole and call nothing of the user's."""
    statements = []
    for kind, name, definition, unique, valid, ready, foreign, partial, expression in rules:
        what = f"{_RULES[str(kind)]} {visible(name)}"
        if not valid or not ready:
            does = "enforces uniqueness for new rows all the same" if unique and ready else "enforces nothing"
            copied.leave(what, f"it is INVALID: the build that made it failed; it {does}", uncertain=unique and ready)
        elif foreign or (expression and why_not(str(expression), "postgresql")):
            copied.leave(what, CALLS_OWN, uncertain=unique or kind == "c")
        elif kind == "i":
            statements.append(_index(place, str(name), str(definition), unique=unique))
            copied.constraints += [f"UNIQUE index {visible(name)}{' (partial)' if partial else ''}"] if unique else []
        else:
            statements.append(f"ALTER TABLE {place.made} ADD CONSTRAINT {quote(str(name))} {definition}")
            copied.constraints.append(what)
    return statements


def _index(place: Place, name: str, definition: str, *, unique: bool) -> str:
    """Return CREATE INDEX for the scratch table: what stands before USING is known to the letter."""
    for only in ("", "ONLY "):
        for quoted in (name, quote(name)):
            begin = f"CREATE {'UNIQUE ' if unique else ''}INDEX {quoted} ON {only}{place.real} "
            if definition.startswith(begin):
                new = f"CREATE {'UNIQUE ' if unique else ''}INDEX {quote(name)} ON {place.made} "
                return new + definition.removeprefix(begin)
    raise SourceError(f"the index {visible(name)} could not be copied: {visible(definition)}", "report it")


def make(opened: Session, scratch: PostgresqlScratch, statements: list[str]) -> None:
    """Run the statements in one transaction, and commit only where nothing of the copy reaches out of scratch."""
    opened.rows("BEGIN")
    try:
        for statement in statements:
            opened.rows(statement)
        reaching = opened.rows(question("outside", schema=literal(quote(scratch.name))))
        if reaching:
            raise SourceError(
                f"{opened.place}: the copy of the table would use {visible(reaching[0][0])}, which is not the drill's",
                "this shape cannot be drilled; nothing was kept",
            )
        opened.rows("COMMIT")
    except BaseException:
        opened.rows("ROLLBACK")
        raise


def _field(row: Row, *, generated: bool) -> Field:
    name, _type, required, identity, expression, default, base, kind, category, _space, labels, *_foreign = row
    plain = _MODIFIED.sub("", str(base)).strip()
    found = _MODIFIED.search(str(base))
    length = int(found[1]) if found and not plain.startswith(("time", "interval")) else None
    short = str(plain).rpartition(".")[2]
    what: Kind = "array" if category == "A" else "choice" if kind == "e" else _KINDS.get(short, "other")
    if plain in ("character", "bit", '"char"') and length is None:
        length = 1
    return Field(
        name=str(name),
        kind=what,
        length=length,
        required=bool(required) and default is None and not identity,
        own=bool(identity or (expression and generated) or str(default or "").startswith(_COUNTED)),
        padded=plain == "character",
        largest=_LARGEST.get(plain, 2**63 - 1),
        scale=int(found[2] or 0) if found and what == "decimal" else 0,
        labels=tuple(json.loads(labels)) if labels else (),
        always=identity == "a" or bool(expression and generated),
        made=bool(identity) or (not expression and computes(default)),
        empty=not (required or identity) and (default is None or bool(expression and not generated)),
    )
