"""The conductor of a migration: step after step, each with its intent and outcome in the journal.

What was done is read from the catalog and never believed from the journal, so that the same command goes on wherever it
was killed. Nobody is waited for while a lock is held.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, RunFailed, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.clean import Cleaning, Opened
from dedupaudit.migrate.databases.protocol import REFUSED, Migration
from dedupaudit.migrate.plan import WORDS, Step, StepName
from dedupaudit.repair.errors import Busy, Surprise, Violation
from dedupaudit.repair.journal import Entry, Journal, Run
from dedupaudit.repair.pace import Announce, Pace
from dedupaudit.reports.words import length, plural
from dedupaudit.sources.tables.protocol import TableSource

_ROUNDS = 5
"""How often a build may meet a duplicate: one that was stored past the guard, or one that the server only imagines."""
_POLL = 0.5
_PROBES = 3
_UNTIL_BUILT = frozenset[StepName](("lock", "lookup", "guard", "wait", "clean", "not_null", "build"))


@contextmanager
def _renewed(source: TableSource) -> Iterator[TableSource]:
    """Give an open source that sees what is stored now, and that afterwards holds no lock."""
    source.renew()
    try:
        yield source
    finally:
        source.renew()


@dataclass(frozen=True)
class Verified:
    """What was seen at the end: the catalog's word, a count without the index, and a duplicate that was refused."""

    index_state: str = ""
    duplicates: int | None = None
    probe: str = ""


@dataclass
class Migrating:
    """A migration while it runs: the lock is held, the run is written. `wait` is in seconds."""

    migration: Migration
    steps: Sequence[Step]
    journal: Journal
    run: Run
    cleaning: Cleaning
    pace: Pace
    interrupt: Interrupt
    announce: Announce
    wait: float
    verified: Verified = field(default_factory=Verified, init=False)
    cleaning_seconds: float = field(default=0.0, init=False)
    at_once: bool = field(default=False, init=False)
    """Whether all that is done now is rolled back where it fails."""

    def work(self, read: Opened) -> None:
        """Do all steps; raises what a step raises, Busy only when patience is over."""
        together = sum(step.together for step in self.steps)
        if together:
            self.at_once = True
            self._at_once(read, together)
            self.at_once = False
        self._steps(read, together, len(self.steps))

    def _at_once(self, read: Opened, together: int) -> None:
        """Do the first steps in one transaction, again and again as a whole where others are in the way."""
        before = self.run, list(self.cleaning.rounds)

        def attempt() -> None:
            # SQLite drops the locks of a process that closes a file of its own: it is opened to be read before.
            with read() as source:
                # To open it was to read: where the clean step is done already, its lock would stop our own commit.
                source.renew()
                try:
                    with self.migration.repair.transaction():
                        self._steps(lambda: _renewed(source), 0, together)
                except BaseException:
                    # Whatever was written down of an attempt that was rolled back is gone with it.
                    self.run, self.cleaning.rounds[:] = before
                    raise

        self.pace.patiently(attempt, self.wait)

    def _steps(self, read: Opened, at: int, end: int) -> None:
        met, removed = 0, -1
        while at < end:
            step = self.steps[at]
            try:
                self._step(step, at + 1, read)
            except Violation as error:
                met += 1
                if step.name != "build" or self.at_once:
                    raise
                if met > _ROUNDS and removed == len(self.cleaning.rounds):
                    raise _imagined(error) from error
                if met > _ROUNDS:
                    raise
                removed = len(self.cleaning.rounds)
                self.announce(f"the build met a duplicate ({error.message}): cleaning again")
                # The guard is looked at again too: somebody may have dropped a part of it.
                at = min(self._place("guard", at), self._place("clean", at))
                continue
            if step.name == "clean" and removed == len(self.cleaning.rounds):
                self.announce("no key is stored twice: building again")
            at += 1

    def _place(self, name: StepName, otherwise: int) -> int:
        return next((number for number, step in enumerate(self.steps) if step.name == name), otherwise)

    def _step(self, step: Step, number: int, read: Opened) -> None:
        """Do one step, unless the catalog says that it is done."""
        standing = self.migration.standing()
        if standing.unique in ("index", "constraint") and standing.nulls_forbidden and step.name in _UNTIL_BUILT:
            return
        self.interrupt.check()
        self.announce(f"{number}/{len(self.steps)} {step.name}: {WORDS[step.name]}")
        self._note(step, number, "intent", "\n".join(step.sql))
        began = time.monotonic()
        said = self._do(step, read)
        seconds = time.monotonic() - began
        self.cleaning_seconds += seconds if step.name == "clean" else 0.0
        self._note(step, number, "outcome", f"{said or 'done'} ({seconds:.2f} s)")

    def _do(self, step: Step, read: Opened) -> str:
        """Do what a step is called, and return what is to be said of it."""
        match step.name:
            case "wait":
                return self._wait()
            case "clean":
                self.cleaning.clean(read, locked=self.at_once)
                removed = sum(one.run.rows_deleted for one in self.cleaning.rounds)
                return f"{plural(removed, 'row')} moved into quarantine"
            case "verify":
                return self._verify(read)
            case "probe":
                return self._probe()
            case _:
                self.pace.patiently(lambda: self.migration.do(step), self.wait)
                return ""

    def _wait(self) -> str:
        """Wait until the transactions are over that began before the guard."""
        end, said = time.monotonic() + self.wait, list[str]()
        while older := self.migration.older():
            if older != said:
                self.announce(
                    f"waiting for {plural(len(older), 'transaction')} that began before the guard: {older[0]}"
                )
                said = older
            if time.monotonic() >= end:
                raise Busy(
                    f"{plural(len(older), 'transaction')} that began before the guard did not end within"
                    f" {length(self.wait)}: {'; '.join(older[:3])}",
                    "end them, or wait longer with --wait",
                )
            self.pace.sleep(_POLL)
        return "no transaction is older than the guard"

    def _verify(self, read: Opened) -> str:
        standing = self.migration.standing()
        if standing.unique != "constraint" or not standing.nulls_forbidden:
            raise Surprise(
                f"the catalog does not show the constraint as it should be (unique: {standing.unique}, NULL"
                f" {'forbidden' if standing.nulls_forbidden else 'allowed'})",
                "somebody may have changed it: see `dedupaudit migrate status`, and run the same command again",
            )
        # As an audit looks that trusts no index, over another connection.
        table = replace(self.cleaning.table, distrust_indexes=True)
        with read() as source:
            found = sum(1 for _row in source.duplicate_rows(table))
        if found:
            raise Surprise(
                f"{plural(found, 'row')} share their key with others although the constraint is there: its index is"
                " damaged",
                "drop it with `dedupaudit migrate rollback`, find the cause (a changed collation?), and begin again",
            )
        self.verified = replace(self.verified, index_state="valid", duplicates=0)
        return "the constraint is valid, and a scan without its index finds no duplicate"

    def _probe(self) -> str:
        """Try a duplicate; again where a writer took away the very row that was to be copied."""
        said = ""

        def attempt() -> None:
            nonlocal said
            said = self.migration.probe()

        for _ in range(_PROBES):
            self.pace.patiently(attempt, self.wait)
            if REFUSED in said:
                break
            self.pace.sleep(_POLL)
        self.verified = replace(self.verified, probe=said)
        return said

    def _note(self, step: Step, number: int, action: str, note: str) -> None:
        """Write the intent of a step, or its outcome, each in a transaction of its own."""
        line = Entry(number, "intent" if action == "intent" else "outcome", self.run.table_real, step.name, note=note)
        chunk = self.run.chunks + (1 if action == "intent" else 0)
        told = replace(self.run, chunks=chunk, position=number if action == "outcome" else self.run.position)

        def write() -> None:
            with self.migration.repair.transaction():
                self.journal.fence(self.run)
                self.journal.write(told, chunk, [line], first=0 if action == "intent" else 1)
                self.journal.save(told)

        self.pace.patiently(write, self.wait)
        self.run = told

    def close(self, done: Run) -> None:
        """Write down that all is done."""

        def save() -> None:
            with self.migration.repair.transaction():
                self.journal.fence(self.run)
                self.journal.save(done)

        self.pace.patiently(save, self.wait)
        self.run = done

    # ---- when it cannot go on

    def withdraw(self) -> None:
        """Remove the guard and what a failed build left, as far as that is possible: writers pay for nothing then."""

        def remove() -> None:
            self.migration.remove_guard()
            if self.migration.standing().unique == "invalid":
                self.migration.remove_constraint()

        with suppress(AuditError):
            self.pace.patiently(remove, self.wait)

    def what_stays(self) -> str:
        """Say for people what it left in the database, as the catalog has it."""
        if self.at_once:
            return "nothing was changed: it was one transaction, and was rolled back"
        try:
            standing = self.migration.standing()
        except AuditError:
            return "nobody can say now what it left: see `dedupaudit migrate status`"
        if standing.guard != "none":
            return "the guard is there, and refuses new duplicates"
        if standing.unique in ("index", "constraint"):
            return "the unique index is there, and refuses new duplicates"
        left = ", ".join(standing.leftovers) + (", the invalid index" if standing.unique == "invalid" else "")
        return f"no guard is left, but: {left.removeprefix(', ')}" if left else "no guard is left"

    def failed(self, error: AuditError) -> RunFailed:
        """Return what is raised where a migration ran and failed."""
        table = visible(self.run.table_name)
        return RunFailed(
            f"the migration of {table} stopped: {error.message}; {self.what_stays()}",
            f"{error.hint + '; ' if error.hint else ''}run the same command again and it goes on, or take it back:"
            f" dedupaudit migrate rollback {table}",
        )

    def note_end(self, state: str, why: str) -> None:
        """Write down how the run ended, where the database still answers."""
        noted = replace(self.run, state=state, message=why)  # type: ignore[arg-type]
        with suppress(AuditError, SourceError), self.migration.repair.transaction():
            self.journal.fence(self.run)
            self.journal.save(noted)
        self.run = noted


def _imagined(error: Violation) -> Violation:
    """Return what is to be done where a build meets duplicates and a look at the rows finds none.

    InnoDB's online build replays what was written meanwhile, and now and then takes a row that was deleted, and its key
    stored again, for two rows (seen on MariaDB 10.11; MySQL's manual says it of changes that were taken back).
    """
    return Violation(
        f"{error.message} (each time, and each time no key was stored twice)",
        "rows are deleted and their keys stored again beside the build: run the same command when it is quieter",
    )
