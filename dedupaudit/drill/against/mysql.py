"""Copies the shape of a MySQL or MariaDB table into the scratch database: what it is, and never what is in it."""

from __future__ import annotations

import re

import pymysql

from dedupaudit.display import visible
from dedupaudit.drill.against.bodies import why_not
from dedupaudit.drill.against.copying import Copied, refuse_kind
from dedupaudit.drill.against.rows import Field, Kind, computes
from dedupaudit.drill.scratch.mysql import MysqlScratch, Row, Session, session
from dedupaudit.errors import SourceError
from dedupaudit.repair.databases.mysql_tables import Place, place_of
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

_KINDS: dict[str, Kind] = {
    "char": "text", "varchar": "text", "tinytext": "text", "text": "text", "mediumtext": "text", "longtext": "text",
    "tinyint": "integer", "smallint": "integer", "mediumint": "integer", "int": "integer", "bigint": "integer",
    "decimal": "decimal", "float": "float", "double": "float", "bit": "bitbytes",
    "date": "date", "datetime": "datetime", "timestamp": "datetime", "time": "interval", "year": "year",
    "json": "json", "enum": "choice", "set": "choice", "uuid": "uuidtext", "inet4": "address",
    "binary": "bytes", "varbinary": "bytes", "tinyblob": "bytes", "blob": "bytes", "mediumblob": "bytes",
    "longblob": "bytes",
}  # fmt: skip
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_NUMBERS = re.compile(r"\((\d+)(?:,(\d+))?\)")
# Others keep their rows elsewhere: a copy of theirs would write there too.
_ENGINES = ("innodb", "myisam", "aria", "rocksdb", "memory")
_DENIED = (1044, 1142, 1143)


def copy_table(scratch: MysqlScratch, table: Table) -> Copied:
    """Make the table in the scratch database, in place of one of its name, without its triggers."""
    place = place_of(table.catalog)
    made = f"{quote(scratch.name)}.{quote(place.name)}"
    with session(scratch.around) as opened:
        [(engine, partitioned)] = opened.rows(_question("table", place))
        if (engine or "").lower() not in _ENGINES:
            raise refuse_kind(table, f"table of the engine {visible(engine)}")
        copied = Copied(place.name)
        opened.rows(f"DROP TABLE IF EXISTS {made}")
        _like(opened, table, place, made)
        json = {column.name for column in table.catalog.columns if column.json}
        for row in opened.rows(_question("columns", place)):
            _copy_column(opened, copied, made, row, json)
        for kind, name in opened.rows(_question("rules", place)):
            if kind == "FOREIGN KEY":
                copied.leave(f"foreign key {visible(name)}", "the tables that it refers to are not copied")
            else:
                copied.constraints.append("PRIMARY KEY" if kind == "PRIMARY KEY" else f"{kind} {visible(name)}")
        if partitioned:
            copied.constraints.append("its partitions")
        return copied


def _question(name: str, place: Place) -> str:
    """Return one query of sql/drill/mysql/."""
    return fill(sql_text(f"drill/mysql/{name}.sql"), place.literals)


def _like(opened: Session, table: Table, place: Place, made: str) -> None:
    """Let the server copy the definition: columns, indexes, checks, partitions; no foreign key, no trigger."""
    try:
        opened.raw(f"CREATE TABLE {made} LIKE {place.quoted}")
    except pymysql.err.MySQLError as error:
        if mysql_errors.code_of(error) not in _DENIED:
            raise opened.explained(error) from error
        user, _at, host = (opened.rows("SELECT CURRENT_USER()")[0][0] or "").rpartition("@")
        raise SourceError(
            f"{opened.place}: the role may not read {visible(table.name)}, whose shape the drill copies, or make tables"
            f" in its own database: {mysql_errors.text_of(error)}",
            visible(f"GRANT SELECT ON {place.quoted} TO {literal(user)}@{literal(host)}", 500),
        ) from error


def _copy_column(opened: Session, copied: Copied, made: str, row: Row, json: set[str]) -> None:
    name, default, extra = row[0] or "", row[4], (row[5] or "").lower()
    # Nothing was inserted yet: what a sequence would give stays where it is.
    if default is not None and "(" in default and (why := _outside(default, extra)):
        opened.rows(f"ALTER TABLE {made} ALTER COLUMN {quote(name)} DROP DEFAULT")
        copied.leave(f"the default of column {visible(name)}", why)
        row = (*row[:4], None, *row[5:])
    copied.fields.append(_field(row, json))


def _outside(default: str, extra: str) -> str | None:
    """Return why a default may do more than compute. A text with a parenthesis in it is none, and stays."""
    quoted = default.startswith("'") or ("default_generated" not in extra and not default.endswith(")"))
    return None if quoted else why_not(default, "mysql")


def _field(row: Row, json: set[str]) -> Field:
    name, declared, plain, nullable, default, extra, length = (part or "" for part in row)
    numbers = _NUMBERS.search(declared)
    kind: Kind = "json" if name in json else _KINDS.get(plain, "other")
    own = "auto_increment" in extra.lower()
    generated = any(word in extra.lower() for word in ("virtual", "stored", "persistent"))
    digits = int(numbers[1]) if numbers and plain in ("decimal", "bit") else None
    labels = tuple(label.replace("''", "'") for label in _LABEL.findall(declared)) if kind == "choice" else ()
    if plain == "inet6":
        kind, labels = "choice", ("2001:db8::1",)
    return Field(
        name=name,
        kind=kind,
        length=digits if digits is not None else int(length) if length and kind in ("text", "bytes") else None,
        required=nullable == "NO" and row[4] is None and not own and not generated,
        own=own or generated,
        padded=plain == "binary",
        largest=2 ** (_BITS.get(plain, 64) - ("unsigned" not in declared)) - 1,
        scale=int(numbers[2] or 0) if numbers and kind == "decimal" else 0,
        labels=labels,
        always=generated,
        made=own or (not generated and computes(row[4])),
        empty=nullable == "YES" and row[4] in (None, "NULL") and not own and not generated,
    )
