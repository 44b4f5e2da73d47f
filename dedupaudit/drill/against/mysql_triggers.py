"""Copies the triggers of a MySQL or MariaDB table that certainly touch nothing outside; says why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dedupaudit.display import visible
from dedupaudit.drill.against.bodies import inserts_into, leaves_the_key, why_not
from dedupaudit.drill.against.copying import ONLY_INSERTS, UNDER_WAY, Copied
from dedupaudit.drill.against.trying import refusal, said
from dedupaudit.drill.scratch.mysql import MysqlScratch, Session, session
from dedupaudit.errors import SourceError
from dedupaudit.migrate.databases.mysql_names import is_ours
from dedupaudit.migrate.databases.mysql_rights import held
from dedupaudit.repair.databases.mysql_tables import Place, place_of
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

# No such table, column, function or database; or it may not be used.
_MISSING = (1146, 1054, 1305, 1049, 1044, 1142, 1143, 1370, 1630)


class Trigger(NamedTuple):
    """A row of triggers.sql."""

    name: str
    timing: str
    event: str
    body: str
    modes: str


def copy_triggers(scratch: MysqlScratch, table: Table, copied: Copied, row: Mapping[str, object]) -> None:
    """Copy the triggers that certainly touch nothing outside; `row` is one that the table takes without them."""
    place = place_of(table.catalog)
    with session(scratch.around) as opened, session(scratch.around, scratch.name) as inside:
        found = [Trigger(*(part or "" for part in one)) for one in opened.rows(_question("triggers", place))]
        if not found:
            _say_if_unseen(opened, copied, place)
        databases = frozenset((name or "").lower() for (name,) in opened.rows("SHOW DATABASES"))
        for trigger in found:
            what = f"trigger {visible(trigger.name)}"
            if is_ours(trigger.name):
                copied.leave(what, UNDER_WAY, uncertain=trigger.event == "INSERT")
            elif trigger.event != "INSERT":
                copied.leave(what, ONLY_INSERTS)
            else:
                why = why_not(trigger.body, "mysql", databases) or _tried(scratch, inside, place, trigger, row)
                if why is None:
                    copied.triggers.append(visible(trigger.name))
                else:
                    copied.leave(
                        what,
                        why,
                        uncertain=_may_refuse(opened, place, trigger, databases),
                        diverts=_may_divert(trigger, table),
                    )


def _question(name: str, place: Place) -> str:
    return fill(sql_text(f"drill/mysql/{name}.sql"), place.literals)


def _say_if_unseen(opened: Session, copied: Copied, place: Place) -> None:
    """Triggers are hidden from who has not the privilege: that none is seen does not say that there is none."""
    grants = [line or "" for (line,) in opened.rows("SHOW GRANTS")]
    [(lower,)] = opened.rows("SELECT @@lower_case_table_names")
    if {"TRIGGER", "ALL", "ALL PRIVILEGES"} & set(held(grants, place, without_case=lower != "0")):
        return
    user, _at, host = (opened.rows("SELECT CURRENT_USER()")[0][0] or "").rpartition("@")
    grant = f"GRANT TRIGGER ON {place.quoted} TO {literal(user)}@{literal(host)}"
    copied.leave("the triggers", f"the role cannot see whether there are any: {visible(grant, 500)}", uncertain=True)


def _may_refuse(opened: Session, place: Place, trigger: Trigger, databases: frozenset[str]) -> bool:
    """Say whether a trigger could keep duplicates out; one that only writes a log of each row does not."""
    tables = inserts_into(trigger.body, "mysql", databases) if trigger.timing == "AFTER" else None
    if tables is None:
        return True
    places = [Place(table[0] if len(table) > 1 else place.schema, table[-1]) for table in tables]
    return any(opened.rows(_question("refusing", one)) != [("0",)] for one in places)


def _may_divert(trigger: Trigger, table: Table) -> bool:
    """Say whether a trigger could change the key of a row."""
    return trigger.timing == "BEFORE" and not leaves_the_key(trigger.body, "mysql", table.key_names)


def _tried(
    scratch: MysqlScratch, inside: Session, place: Place, trigger: Trigger, row: Mapping[str, object]
) -> str | None:
    """Make a trigger, unless it does not work there: then return why."""
    made = f"{quote(scratch.name)}.{quote(trigger.name)}"
    try:
        # A body means what it meant in the modes that it was made in.
        inside.rows(f"SET SESSION sql_mode = {literal(trigger.modes)}")
        inside.rows(
            f"CREATE TRIGGER {made} {trigger.timing} {trigger.event} ON {quote(scratch.name)}.{quote(place.name)}"
            f" FOR EACH ROW {trigger.body}"
        )
    except SourceError as error:
        return f"the server does not let it be made: {error.message}"
    refused = refusal(scratch, scratch.table(place.name), row)
    if refused is not None and mysql_errors.code_of(refused) in _MISSING:
        inside.rows(f"DROP TRIGGER {made}")
        return f"it does not work with what the drill has copied: {said(refused)}"
    return None
