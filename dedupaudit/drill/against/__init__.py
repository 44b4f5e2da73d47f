"""`--against TABLE`: the shape of the user's own table, copied into the scratch schema, and rows that fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from dedupaudit.config import Settings, TableSettings
from dedupaudit.display import visible
from dedupaudit.drill.against.copying import refuse_kind
from dedupaudit.drill.against.rows import Rows, plans
from dedupaudit.drill.against.trying import explained, refusal
from dedupaudit.drill.protocol import Scratch, TableShape
from dedupaudit.ingest.tables import Table
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table as Resolved

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.drill.against.copying import Copied

# Modules are named, not imported: a driver is paid for by those who use it. Each copies a table, then its triggers.
COPIERS = {
    "sqlite": ("dedupaudit.drill.against.sqlite", "dedupaudit.drill.against.sqlite"),
    "postgresql": ("dedupaudit.drill.against.postgresql", "dedupaudit.drill.against.postgresql_triggers"),
    "mysql": ("dedupaudit.drill.against.mysql", "dedupaudit.drill.against.mysql_triggers"),
    "mariadb": ("dedupaudit.drill.against.mysql", "dedupaudit.drill.against.mysql_triggers"),
}
_DEVICE = "drill-device-1"
_WHOSE_VALUE = (
    "a unique index holds it: each request of the drill has another one there, as where the backend makes it; where the"
    " client sends it, that index may keep duplicates out"
)
_NOBODYS_VALUE = (
    "a unique index holds it, and the drill leaves it NULL; where the client sends one, that index may keep duplicates"
    " out"
)


@dataclass(frozen=True)
class AgainstTable:
    """The copied table: what it is, how it is audited, and what is written to it. It can be pickled."""

    shape: TableShape
    table: Table
    """Its name in scratch; attributes are called as their columns."""
    settings: TableSettings
    """What the audit of the copy goes by."""
    rows: Rows

    def row(self, number: int, device: str, variant: int = 0) -> dict[str, object]:
        """Return the values of an event: equal for equal arguments; of another payload for another variant."""
        return self.rows.row(number, device, variant)


def copy(
    scratch: Scratch, settings: Settings, table_name: str, values: Mapping[str, str], interrupt: Interrupt | None = None
) -> AgainstTable:
    """Copy the shape of a table, named as `scan` names it, into a scratch, in place of a table of that name there.

    `values`: the text of columns that a rule wants to be so, by their real names. The real table's rows are not read.
    Raises UsageError for wrong names, and for a row that the copy refuses, SourceError where the shape cannot be had.
    """
    around = scratch.around
    resolved = _resolved(around, settings, table_name, interrupt or Interrupt())
    table_module, trigger_module = map(import_module, COPIERS[around.url.scheme])
    copied: Copied = table_module.copy_table(scratch, resolved)
    name = scratch.table(copied.name)
    rows = _fitting(scratch, name, plans(resolved, copied.fields, values))
    _say_what_clients_may_send(copied, resolved, rows)
    trigger_module.copy_triggers(scratch, resolved, copied, rows.row(0, _DEVICE))
    if refused := refusal(scratch, name, rows.row(0, _DEVICE)):
        raise explained(name, refused)
    return AgainstTable(
        shape=TableShape(
            table=table_name,
            columns=tuple(field.name for field in copied.fields),
            key=resolved.key_names,
            constraints=tuple(copied.constraints),
            triggers=tuple(copied.triggers),
            left_out=tuple(copied.left_out),
            uncertain=copied.uncertain,
            doubts=(*copied.doubts, *_uncovered(resolved), *_unguarded(around, resolved, copied)),
        ),
        table=Table(name, key=resolved.key_names),
        settings=_audited(settings.tables.get(table_name) or TableSettings(), name, resolved),
        rows=rows,
    )


def _resolved(around: DatabaseSettings, settings: Settings, table_name: str, interrupt: Interrupt) -> Resolved:
    source = open_source(around, interrupt, SILENT)
    try:
        resolved = resolve(source, table_name, settings)
        if resolved.catalog.kind != "table":
            raise refuse_kind(resolved, resolved.catalog.kind)
        return resolved
    finally:
        source.close()


def _say_what_clients_may_send(copied: Copied, resolved: Resolved, rows: Rows) -> None:
    """Write down which columns would keep a retry out, did it come with the same value there."""
    key, primary = set(resolved.key_names), set(resolved.catalog.primary_key)
    # A primary key beside the key is a number or a UUID that the backend makes for each row.
    made = set() if key & primary else primary
    filled, given = {field.name for field in rows.filled}, rows.row(0, _DEVICE)
    for field in copied.fields:
        what = f"the value of column {visible(field.name)}"
        if field.name in filled & rows.anew - made:
            copied.leave(what, _WHOSE_VALUE, uncertain=True)
        elif field.name in rows.anew and field.empty and field.name not in given:
            copied.leave(what, _NOBODYS_VALUE, uncertain=True)


def _uncovered(resolved: Resolved) -> Iterator[str]:
    """Yield the unique indexes that have each key once in a part of the rows only, unless another has it in all."""
    of_key = [
        one
        for one in resolved.catalog.indexes
        if one.unique and one.valid and {*one.columns} <= {*resolved.key_names, None}
    ]
    if all(one.partial for one in of_key):
        for one in of_key:
            name = visible(one.name)
            yield f"unique index {name} does not cover every row, and what it does not cover may come twice"


def _unguarded(around: DatabaseSettings, resolved: Resolved, copied: Copied) -> Iterator[str]:
    """Yield that triggers alone keep duplicates out, where two transactions do not see each other's rows."""
    made = {field.name for field in copied.fields if field.own or field.made}
    is_held = any(one.unique and one.valid and not set(one.columns) <= made for one in resolved.catalog.indexes)
    excludes = any(rule.startswith("EXCLUDE ") for rule in copied.constraints)
    # SQLite has one writer at a time.
    if copied.triggers and not is_held and not excludes and around.url.scheme != "sqlite":
        yield "no unique index is over the key, and two requests at once may pass a trigger"


def _audited(settings: TableSettings, name: tuple[str, ...], resolved: Resolved) -> TableSettings:
    """Return the settings with the copy's name; the key, if it was guessed, is that of the real table."""
    return settings.model_copy(update={"name": name, "key": resolved.key_names, "where": None, "thresholds": {}})


def _fitting(scratch: Scratch, name: tuple[str, ...], ways: Iterator[Rows]) -> Rows:
    """Return the first way to make rows that the table takes; raises UsageError with why it took none."""
    refused: BaseException | None = None
    for rows in ways:
        refused = refusal(scratch, name, rows.row(0, _DEVICE), rows.row(1, _DEVICE, 1))
        if refused is None:
            return rows
    raise explained(name, refused or RuntimeError("there is no way to make rows"))
