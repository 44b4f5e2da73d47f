"""The workman of a migration on MySQL and MariaDB: looks, and does one step, on the connection that also repairs.

Each statement of DDL commits by itself, so that a kill may leave any part: the next call does what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Refused, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases import mysql_probe
from dedupaudit.migrate.databases.mysql_definition import allowing_null, definition_of
from dedupaudit.migrate.databases.mysql_names import DEFINITION, PARTS, names_of
from dedupaudit.migrate.databases.mysql_open import older_than_guard, perhaps_blocked_by
from dedupaudit.migrate.databases.mysql_script import (
    ENDLESS,
    SHORT,
    build,
    drop_lookup,
    drop_side,
    drop_trigger,
    guard_table,
    lookup,
    not_null,
    text,
    trigger,
)
from dedupaudit.migrate.databases.mysql_standing import (
    keeps_unique,
    leftovers_of,
    read_indexes,
    read_sides,
    read_triggers,
    standing,
)
from dedupaudit.migrate.databases.protocol import Patience, Standing, Target
from dedupaudit.migrate.databases.shared import cancelled_by, taken_back
from dedupaudit.migrate.plan import Step
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Busy, Violation
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_sql import quote

_CACHED = 0.15
"""Seconds for which InnoDB may show transactions as they were a moment ago."""
# What the server says of an ALTER that it cannot do online, or cannot do at all.
_CANNOT = {
    1071: "the key is too long for an index",
    1072: "a column of the key is not there any more",
    1061: "the name is taken by another index",
    1167: "a column of the key cannot be indexed",
    1170: "a column of the key has no limit on its length",
    1845: "the server cannot do it online",
    1846: "the server cannot do it online",
}
_NULL = frozenset({1138})
_LOG_FULL = 1799


class MysqlMigration:
    """A `Migration` of one table."""

    repair: RepairDatabase
    patience: Patience | None = None

    def __init__(self, repair: MysqlRepair, target: Target, interrupt: Interrupt) -> None:
        self.repair = repair
        self._connection = repair.connection
        self._target = target
        self._interrupt = interrupt
        self._names = names_of(target.table)
        self._older: set[tuple[str, ...]] | None = None

    # ---- looking

    def standing(self) -> Standing:
        """Look how far it is."""
        return standing(self._connection.texts, self._target)

    def guard_triggers(self) -> tuple[str, ...]:
        """Return the names of the guard's triggers."""
        return self._names.triggers

    def older(self) -> list[str]:
        """Return the transactions that were open when the guard was complete, and are still."""
        first = self._older is None
        if first:
            # Twice: what others asked for a moment ago is shown to everybody, and a transaction may be missing there.
            time.sleep(_CACHED)
        found = older_than_guard(self._connection)
        if first:
            time.sleep(_CACHED)
            found |= older_than_guard(self._connection)
        if self._older is None:
            self._older = set(found)
        return [told for one, told in found.items() if one in self._older]

    def probe(self) -> str:
        """Insert a duplicate of a stored row, and take it back; return how it was refused."""
        with taken_back(self._connection.transaction()):
            return mysql_probe.probe(self._connection, self._target)

    # ---- doing

    def do(self, step: Step) -> None:
        """Do one step: what of it is there already is left out."""
        now = self.standing()
        match step.name:
            case "lookup" if now.lookup != "ready":
                self._alter(lookup(self._target))
            case "guard" if now.guard != "complete":
                if now.lookup != "ready":
                    self._look_through()
                self._guard()
            case "not_null" if not now.nulls_forbidden:
                self._alter(self._defined())
            case "build" if now.unique == "none":
                self._alter(build(self._target))
            case "unguard":
                self.remove_guard()
            case _:
                pass

    def _look_through(self) -> None:
        """Make the index that the guard looks through: without it every INSERT would fail."""
        if self._target.facts.lookup is not None:
            raise Refused(
                f"index {visible(self._target.facts.lookup)} is gone, through which the guard was to look", "plan again"
            )
        self._alter(lookup(self._target))

    def _guard(self) -> None:
        """Make what is missing. What is not as this version makes it, or for another look, is made anew."""
        there = {one.name for one in read_triggers(self._connection.texts, self._names.place)}
        sides = read_sides(self._connection.texts, self._names)
        with self._settings(("lock_wait_timeout", "1")):
            for name in reversed(self._names.triggers):
                if name in there:
                    self._run(drop_trigger(self._names.in_schema(name)))
            if self._names.side.name not in sides:
                statement = guard_table(self._target)
                # information_schema writes the members of an ENUM with backslashes.
                with self._connection.backslashes() if "\\" in statement else nullcontext():
                    self._run(statement)
            for part in PARTS:
                self._run(trigger(self._target, part))

    def _defined(self) -> str:
        """Return what forbids NULL, where every definition is known."""
        for name in self._target.not_null:
            if DEFINITION + name not in self._target.facts.settings:
                raise Refused(
                    f"the definition of column {visible(name)} cannot be written again as it is",
                    f"make it NOT NULL by hand, with ALTER TABLE … MODIFY {visible(quote(name))} …, and plan again",
                )
        return not_null(self._target)

    def remove_guard(self) -> None:
        """Remove the guard and the lookup index, those for other keys too; what is not there is no error."""
        texts, place = self._connection.texts, self._names.place
        indexes = read_indexes(texts, place, self._target.facts.product)
        sides = read_sides(texts, self._names)
        # Who refuses goes before who locks, and both before what they use.
        triggers = sorted(read_triggers(texts, place), key=lambda one: "_check_" not in one.name)
        with self._settings(("lock_wait_timeout", "1")):
            for one in leftovers_of(indexes, triggers, sides):
                name = one.name[1:-1]
                match one.kind:
                    case "guard trigger":
                        self._run(drop_trigger(self._names.in_schema(name)))
                    case "guard table":
                        self._run(drop_side(self._names.in_schema(name)))
                    case _:
                        self._run(drop_lookup(self._names.table, name))

    def remove_constraint(self, *, not_null: Sequence[str] = ()) -> None:
        """Remove the wanted index; let these columns have NULL again."""
        indexes = read_indexes(self._connection.texts, self._names.place, self._target.facts.product)
        name = self._target.constraint
        if keeps_unique(indexes.get(name), self._names.key):
            self._alter(text("90_rollback_index", table=self._names.table, name=quote(name)))
        if not_null:
            self._allow_null(not_null)

    def _allow_null(self, columns: Sequence[str]) -> None:
        [(_name, created)] = self._connection.texts(f"SHOW CREATE TABLE {self._names.table}")
        changed = []
        for name in columns:
            definition = definition_of(created or "", name)
            if definition is None:
                raise Refused(
                    f"the definition of column {visible(name)} cannot be written again",
                    "give the column its definition by hand (ALTER TABLE … MODIFY), then run the same command again",
                )
            changed.append(f"MODIFY COLUMN {quote(name)} {allowing_null(definition)}")
        self._alter(text("40_not_null", table=self._names.table, columns=", ".join(changed)))

    # ---- statements

    def _alter(self, statement: str) -> None:
        """Run an ALTER: it may be long, and waits briefly for its locks."""
        settings = [tuple(one.removeprefix("SET SESSION ").split(" = ")) for one in (SHORT, ENDLESS)]
        with self._settings(*((name, value) for name, value in settings)):
            self._run(statement)

    def _run(self, statement: str) -> None:
        try:
            self._long(statement)
        except Busy as error:
            if not error.blocked_by:
                # Where performance_schema is off, nobody can say it for sure.
                with suppress(AuditError):
                    error.blocked_by = perhaps_blocked_by(self._connection, self._names.place)
            raise
        except AuditError as error:
            cause = error.__cause__
            code = mysql_errors.code_of(cause) if cause is not None else 0
            if code in _CANNOT and cause is not None:
                raise Refused(
                    f"{self._connection.place}: {_CANNOT[code]}: {mysql_errors.text_of(cause)}",
                    f"nothing was changed; the server's manual says more of error {code}",
                ) from error
            if code in _NULL:
                raise Violation(error.message, "find the rows whose key has a NULL, and give them one") from error
            if code == _LOG_FULL:
                raise SourceError(
                    f"{self._connection.place}: more was written to the table during the build than the server keeps",
                    "raise innodb_online_alter_log_max_size, or take a quieter hour; nothing was changed",
                ) from error
            raise

    def _long(self, statement: str) -> list[tuple[bytes | None, ...]]:
        """Run a statement that a signal cancels on the server; raises Cancelled then."""
        with cancelled_by(self._interrupt, self._connection.cancel):
            return self._connection.rows(statement)

    @contextmanager
    def _settings(self, *settings: tuple[str, str]) -> Iterator[None]:
        """While inside, the session has these settings, those that the server knows; they are given back."""
        known = [(name, value) for name, value in settings if name in self._connection.facts.settings]
        names = ", ".join(f"@@SESSION.{name}" for name, _value in known)
        before = self._connection.texts(f"SELECT {names}")[0] if known else ()
        try:
            for name, value in known:
                self._connection.run(f"SET SESSION {name} = {value}")
            yield
        finally:
            with suppress(AuditError):
                for (name, _value), earlier in zip(known, before, strict=True):
                    self._connection.run(f"SET SESSION {name} = {earlier}")
