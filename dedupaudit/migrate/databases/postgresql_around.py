"""What stands around a PostgreSQL table: rights, transactions, replicas, foreign keys, triggers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.migrate.databases.postgresql_standing import look
from dedupaudit.migrate.facts import ForeignKey, OpenTransaction, TableTrigger
from dedupaudit.sources.tables.postgresql_session import Row, Session, name_of
from dedupaudit.sqlfiles import sql_text

_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
# Bits of pg_trigger.tgtype, as pg_trigger.h has them.
_BEFORE, _INSTEAD = 2, 64
_EVENTS = ((4, "INSERT"), (16, "UPDATE"), (8, "DELETE"), (32, "TRUNCATE"))
_SHOWN = 300


@dataclass(frozen=True)
class Around:
    """See Facts for what each means; `page` and `widest` are bytes of a page and of the longest character."""

    kind: Literal["table", "partitioned", "partition", "inherited"]
    parent: str
    bytes: int | None
    version: str
    page: int
    widest: int
    hides_rows: bool
    read_only: str
    published: bool
    missing: tuple[str, ...]
    replicas: int | None
    lag: float | None
    oldest_transaction: OpenTransaction | None
    oldest_snapshot: OpenTransaction | None
    prepared: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    triggers: tuple[TableTrigger, ...]


def read_around(session: Session, oid: int) -> Around:
    """Read what stands around a table; psycopg2's own errors are for the caller to explain."""
    rows = session.rows(look("facts", oid=oid))
    if not rows:
        raise SourceError("the table is gone since the catalog was read", "plan again: `dedupaudit migrate plan TABLE`")
    kind, partition, inherited, size, hides, *rest = rows[0]
    standby, read_only, published = rest[7:10]
    seen, standbys, seconds = session.rows(sql_text("repair/postgresql/lag.sql"))[0]
    told = {str(row[0]): row[1:] for row in session.rows(look("transactions"))}
    replicas = int(str(standbys)) if seen else None
    return Around(
        kind="inherited" if inherited else "partition" if partition else "partitioned" if kind == "p" else "table",
        parent="" if rest[16] is None else name_of(rest[16]),
        bytes=None if size is None else int(str(size)),
        version=name_of(rest[15]),
        page=int(str(rest[6])),
        widest=int(str(rest[5])),
        hides_rows=bool(hides),
        read_only=_read_only(bool(standby), bool(read_only)),
        published=bool(published),
        missing=_missing(rest),
        replicas=replicas,
        lag=float(str(seconds)) if replicas else None,
        oldest_transaction=_transaction(told.get("transaction")),
        oldest_snapshot=_transaction(told.get("snapshot")),
        prepared=tuple(_prepared(row) for row in session.rows(look("prepared"))),
        foreign_keys=tuple(_foreign_key(row) for row in session.rows(look("foreign_keys", oid=oid))),
        triggers=tuple(_trigger(row) for row in session.rows(look("triggers", oid=oid))),
    )


def _missing(rest: Sequence[object]) -> tuple[str, ...]:
    owns, may_here, may_own, own_exists = rest[:4]
    owner, role, schema, _table, database = (name_of(one) for one in rest[10:15])
    said = []
    if not owns:
        said.append(f"GRANT {_shown(owner)} TO {_shown(role)}")
    if not may_here:
        said.append(f"GRANT USAGE, CREATE ON SCHEMA {_shown(schema)} TO {_shown(role)}")
    if not may_own:
        said.append(
            f"GRANT USAGE, CREATE ON SCHEMA dedupaudit TO {_shown(role)}"
            if own_exists
            else f"GRANT CREATE ON DATABASE {_shown(database)} TO {_shown(role)}"
        )
    return tuple(said)


def _read_only(standby: bool, read_only: bool) -> str:
    if standby:
        return "the server is a standby, which takes no writes"
    if read_only:
        return "default_transaction_read_only is on, for this role, database or server"
    return ""


def _transaction(row: Row | None) -> OpenTransaction | None:
    if row is None:
        return None
    seconds, pid, application, role, state = row
    known = [f"application {visible(application)}"] if application else []
    known += [f"role {visible(role)}"] if role else []
    known += [visible(state)] if state else []
    return OpenTransaction(float(str(seconds)), f"pid {pid!s}" + (f" ({', '.join(known)})" if known else ""))


def _prepared(row: Row) -> str:
    name, owner, seconds = row
    return f"{visible(name_of(name))} of {visible(name_of(owner))}, {float(str(seconds)):.0f} s old"


def _foreign_key(row: Row) -> ForeignKey:
    name, schema, table, seen, columns, outgoing, on_delete, on_update = row
    shown = name_of(table) if seen else f"{name_of(schema)}.{name_of(table)}"
    return ForeignKey(
        name=name_of(name),
        table=shown,
        columns=tuple(json.loads(name_of(columns))),
        outgoing=bool(outgoing),
        on_delete=_ACTIONS[str(on_delete)],
        on_update=_ACTIONS[str(on_update)],
    )


def _trigger(row: Row) -> TableTrigger:
    name, bits, enabled = name_of(row[0]), int(str(row[1])), str(row[2])
    timing = "BEFORE" if bits & _BEFORE else "INSTEAD OF" if bits & _INSTEAD else "AFTER"
    events = tuple(event for bit, event in _EVENTS if bits & bit)
    return TableTrigger(name, timing, events, replica=enabled in ("A", "R"))


def _shown(text: str) -> str:
    return visible(text, _SHOWN)
