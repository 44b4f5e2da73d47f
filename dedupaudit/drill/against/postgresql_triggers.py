"""Copies the triggers of a PostgreSQL table that certainly touch nothing outside, and says why the others are not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

import psycopg2

from dedupaudit.display import visible
from dedupaudit.drill.against.bodies import inserts_into, leaves_the_key, why_not
from dedupaudit.drill.against.copying import ONLY_INSERTS, UNDER_WAY, Copied
from dedupaudit.drill.against.postgresql import CALLS_OWN, Place, look, make, question
from dedupaudit.drill.against.rows import bound
from dedupaudit.drill.scratch.postgresql import PostgresqlScratch, Session, session
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.table import Table

_READ_ONLY = "25006"
# What is not there: a table, a column, a function, a schema, an object; or may not be used.
_MISSING = ("42P01", "42703", "42883", "3F000", "42704", "42501")
_FOR_EACH = " FOR EACH "
_PLAIN = re.compile(r"[\w .,:+-]*")


class Trigger(NamedTuple):
    """A row of triggers.sql."""

    name: str
    definition: str
    enabled: str
    before: bool
    inserts: bool
    constraint: bool
    space: str
    function: str
    called: str
    language: str
    body: str
    settings: str | None
    has_when: bool
    when_calls_own: bool
    arguments: str
    each_row: bool
    deferrable: bool
    deferred: bool
    new_rows: str | None
    speaks_of_others: bool

    @property
    def words(self) -> list[str]:
        """Its arguments."""
        return bytes.fromhex(self.arguments).decode("utf-8", "surrogateescape").split("\0")[:-1]

    @property
    def condition(self) -> str:
        """Its WHEN, in parentheses, as PostgreSQL writes it; nothing where it has none."""
        if not self.has_when:
            return ""
        listed = ", ".join(map(literal, self.words))
        head = self.definition.removesuffix(f" EXECUTE FUNCTION {self.called}({listed})")
        return head[head.index(_FOR_EACH) :].partition(" WHEN ")[2]


def copy_triggers(scratch: PostgresqlScratch, table: Table, copied: Copied, row: Mapping[str, object]) -> None:
    """Copy the triggers that certainly touch nothing outside; `row` is one that the table takes without them."""
    with session(scratch.around) as opened:
        place, _relation = look(opened, scratch, table)
        schemas = frozenset(
            str(name).lower() for (name,) in opened.rows("SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace")
        ) - {"pg_catalog"}
        for number, found in enumerate(opened.rows(question("triggers", oid=place.oid))):
            trigger = Trigger(*found)
            if _is_passed_over(copied, trigger):
                continue
            why = _why_not(scratch, copied, trigger, schemas)
            why = why or _tried(opened, scratch, place, trigger, f"trigger_{number}", row)
            if why is None:
                copied.triggers.append(visible(trigger.name))
                continue
            copied.leave(
                f"trigger {visible(trigger.name)}",
                why,
                uncertain=_may_refuse(scratch, trigger, schemas),
                diverts=_may_divert(trigger, table),
            )


def _may_refuse(scratch: PostgresqlScratch, trigger: Trigger, schemas: frozenset[str]) -> bool:
    """Say whether a trigger could keep duplicates out; one that only writes a log of each row does not."""
    if trigger.before or trigger.constraint or trigger.language != "plpgsql":
        return True
    tables = inserts_into(trigger.body, "postgresql", schemas)
    if tables is None:
        return True
    # Searched as the application's session does.
    with session(scratch.around) as opened:
        names = [literal(".".join(map(quote, table))) for table in tables]
        return any(opened.rows(question("refusing", table=name))[0][0] for name in names)


def _may_divert(trigger: Trigger, table: Table) -> bool:
    """Say whether a trigger could change the key of a row, or store it elsewhere."""
    if not trigger.before:
        changed = rf'\bUPDATE\s+(ONLY\s+)?(\S+\.)?"?{re.escape(table.catalog.name.rpartition(".")[2])}\b'
        return re.search(changed, trigger.body, re.IGNORECASE) is not None
    if not trigger.each_row:
        return False
    return trigger.language != "plpgsql" or not leaves_the_key(trigger.body, "postgresql", table.key_names)


def _is_passed_over(copied: Copied, trigger: Trigger) -> bool:
    what = f"trigger {visible(trigger.name)}"
    if trigger.space == "dedupaudit" and trigger.name.startswith("dedupaudit_guard_"):
        copied.leave(what, UNDER_WAY, uncertain=trigger.inserts)
    elif trigger.enabled not in ("O", "A"):
        disabled = trigger.enabled == "D"
        copied.leave(what, "it is disabled" if disabled else "it fires only for what replication applies")
    elif not trigger.inserts:
        copied.leave(what, ONLY_INSERTS)
    else:
        return False
    return True


def _why_not(scratch: PostgresqlScratch, copied: Copied, trigger: Trigger, schemas: frozenset[str]) -> str | None:
    if trigger.language != "plpgsql":
        return f"its function is written in {visible(trigger.language)}, which the drill cannot look through"
    others = [one for one in json.loads(trigger.settings or "[]") if not one.lower().startswith("search_path=")]
    if others:
        return f"its function sets {visible(others[0])}"
    if scratch.also:
        return "the table has types of an extension, and what they are compared by depends on the search path"
    if trigger.when_calls_own:
        return CALLS_OWN
    names = [trigger.name, *(field.name for field in copied.fields)]
    if (
        trigger.speaks_of_others
        or not all(map(_PLAIN.fullmatch, trigger.words))
        or any(_FOR_EACH in one for one in names)
    ):
        return "it is of a form that the drill does not copy"
    if why := why_not(trigger.condition, "postgresql"):
        return f"in its WHEN {why}"
    return why_not(trigger.body, "postgresql", schemas)


def _tried(
    opened: Session, scratch: PostgresqlScratch, place: Place, trigger: Trigger, name: str, row: Mapping[str, object]
) -> str | None:
    """Make a trigger, unless it fails on a temporary table where nothing else may be written: then return why."""
    function = f"{quote(scratch.name)}.{quote(name)}"
    opened.rows(
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = {quote(scratch.name)} AS {literal(trigger.body)}"
    )
    temporary = f"pg_temp.{quote(place.name)}"
    columns = ", ".join(map(quote, row))
    insert = f"INSERT INTO {temporary} ({columns}) VALUES (".replace("%", "%%") + ", ".join(["%s"] * len(row)) + ")"
    made = False
    try:
        opened.raw(f"CREATE TEMPORARY TABLE {quote(place.name)} (LIKE {place.made} INCLUDING ALL)")
        opened.raw(_create(trigger, temporary, function))
        made = True
        opened.raw("BEGIN READ ONLY; SET CONSTRAINTS ALL IMMEDIATE")
        # The second one goes the way of a row that is there already.
        for _ in range(2):
            opened.raw(insert, list(bound(row, plain=False).values()))
    except psycopg2.Error as error:
        if error.pgcode == _READ_ONLY:
            return "it writes elsewhere: it was tried where only its own table can be written"
        if error.pgcode in _MISSING or not made:
            return f"it does not work with what the drill has copied: {visible(str(error).splitlines()[0], 120)}"
    finally:
        opened.rows("ROLLBACK")
        opened.rows(f"DROP TABLE IF EXISTS {temporary}")
    make(opened, scratch, [_create(trigger, place.made, function)])
    return None


def _create(trigger: Trigger, on: str, function: str) -> str:
    """Return CREATE TRIGGER, put together anew: a text with the real table's name in it is nowhere run."""
    parts = [
        f"CREATE {'CONSTRAINT ' if trigger.constraint else ''}TRIGGER {quote(trigger.name)}",
        f"{'BEFORE' if trigger.before else 'AFTER'} INSERT ON {on}",
    ]
    if trigger.constraint:
        parts.append("DEFERRABLE" if trigger.deferrable else "NOT DEFERRABLE")
        parts += ["INITIALLY DEFERRED"] if trigger.deferred else []
    if trigger.new_rows:
        parts.append(f"REFERENCING NEW TABLE AS {quote(trigger.new_rows)}")
    parts.append(f"FOR EACH {'ROW' if trigger.each_row else 'STATEMENT'}")
    parts += [f"WHEN {trigger.condition}"] if trigger.condition else []
    return " ".join([*parts, f"EXECUTE FUNCTION {function}({', '.join(map(literal, trigger.words))})"])
