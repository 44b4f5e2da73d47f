"""The tool's own tables as the repair sees them: runs, and the journal of what was done with each row."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal, NamedTuple, TypedDict

from dedupaudit import __version__
from dedupaudit.errors import Locked, NothingToCheck
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.plan import database_value, plan_value
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import Key, Value
from dedupaudit.times import iso

State = Literal["running", "interrupted", "done", "undoing", "undone", "failed"]
Kind = Literal["repair", "migrate"]
Action = Literal[
    "kept", "merged", "deleted", "repointed", "skipped", "restored", "unmerged", "pointed_back", "left", "intent",
    "outcome",
]  # fmt: skip
"""What a line says was done: the last two are of a migration, which has a step where a repair has a row."""

PURGED = "its quarantine was dropped"
"""How the message of a run begins that cannot be taken back any more."""


@dataclass(frozen=True)
class Run:
    """One row of `runs`; the fields are its columns, in their order. Times are ISO 8601 in UTC."""

    id: str
    plan: str
    table_name: str
    table_real: str
    columns: str
    state: State
    token: int
    who: str
    host: str
    process: int
    version: str
    started_at: str
    updated_at: str
    finished_at: str | None = None
    position: int = 0
    chunks: int = 0
    groups_done: int = 0
    groups_skipped: int = 0
    rows_kept: int = 0
    rows_deleted: int = 0
    rows_merged: int = 0
    children_repointed: int = 0
    proof: str | None = None
    message: str | None = None
    kind: Kind = "repair"
    parent: str | None = None
    """The migration that a repair is a part of."""

    @property
    def lock(self) -> str:
        """The name of the lock that a run on this table holds."""
        return self.table_real

    @property
    def is_purged(self) -> bool:
        """Whether its quarantine was dropped for good."""
        return (self.message or "").startswith(PURGED)

    @property
    def holder(self) -> str:
        """Who runs it, for people."""
        return f"{self.who}@{self.host} (process {self.process}, run {self.id}, since {self.started_at})"


_COLUMNS = tuple(field.name for field in fields(Run))
_INTEGERS = frozenset(field.name for field in fields(Run) if field.type == "int")


class Entry(NamedTuple):
    """One line of the journal: what was done with one row of `target`, for which line of the plan."""

    line: int
    action: Action
    target: str
    pk: str
    hash_before: str | None = None
    hash_after: str | None = None
    note: str | None = None


class Journal:
    """Reads and writes the tool's own tables over the connection that repairs."""

    def __init__(self, database: RepairDatabase) -> None:
        self._database = database
        self._runs, self._journal = database.own("runs"), database.own("journal")

    # ---- runs

    def runs(self, kind: Kind = "repair") -> list[Run]:
        """Return all runs of a kind, the oldest first."""
        if not self._database.has_own_tables():
            return []
        return self._select(f"WHERE kind = {self._database.literal(kind)} ORDER BY started_at, id")

    def run(self, named: str, table: str | None = None) -> Run:
        """Return the run of that ID, or the `last` one (of a table); raises NothingToCheck where there is none."""
        found = [one for one in self.runs() if table is None or one.table_name == table]
        if named == "last" and found:
            return found[-1]
        for one in found:
            if one.id == named:
                return one
        if named != "last":
            shown = named if named.isalnum() else repr(named)
            raise NothingToCheck(f"no run {shown} is known here", "`dedupaudit repair runs` lists them")
        # MySQL and MariaDB hide tables that a login may not read.
        raise NothingToCheck(
            "no repair was ever run here",
            "is this the database that was repaired (--db), and may its login read the tool's own tables there? See"
            " docs/operations.md, Logins",
        )

    def begin(
        self,
        plan: str,
        name: str,
        catalog: Catalog,
        touched: Sequence[Catalog],
        *,
        kind: Kind = "repair",
        parent: str | None = None,
        about: dict[str, object] | None = None,
    ) -> Run:
        """Write a new run of a plan; `touched` are the tables whose rows it may change, with the columns they have.

        A migration has what it is `about` in their place: what a rollback must know.
        """
        now = iso(self._database.clock())
        run = Run(
            id=f"{now[:19].replace('-', '').replace(':', '')}-{secrets.token_hex(3)}",
            plan=plan,
            table_name=name,
            table_real=catalog.quoted,
            columns=json.dumps(about or {one.quoted: [column.name for column in one.columns] for one in touched}),
            state="running",
            token=1,
            started_at=now,
            updated_at=now,
            kind=kind,
            parent=parent,
            **_whoever(),
        )
        self._database.execute(f"INSERT INTO {self._runs} ({', '.join(_COLUMNS)}) VALUES ({self._row(run)})")
        return run

    def take_over(self, run: Run, state: State) -> Run:
        """Make an unfinished run this process's: a statement of the old one that still waits finds another token."""
        mine = replace(run, state=state, token=run.token + 1, message=None, **_whoever())
        with self._database.transaction():
            self.save(mine)
        return mine

    def fence(self, run: Run) -> None:
        """Lock the run's row and see that it is still this process's; raises Locked where it is not."""
        found = self._select(f"WHERE id = {self._database.literal(run.id)}{self._database.locking}")
        if not found or found[0].token != run.token:
            holder = f": {found[0].holder}" if found else ""
            raise Locked(f"another process took run {run.id} over{holder}", "let it finish; `repair runs` shows it")
        self._database.renew_lock(run.lock)

    def save(self, run: Run) -> None:
        """Write all of a run."""
        literal = self._database.literal
        now = iso(self._database.clock())
        pairs = ", ".join(
            f"{name} = {literal(now if name == 'updated_at' else getattr(run, name))}" for name in _COLUMNS[1:]
        )
        self._database.execute(f"UPDATE {self._runs} SET {pairs} WHERE id = {literal(run.id)}")

    def _select(self, tail: str) -> list[Run]:
        rows = self._database.fetch((), _COLUMNS, f"FROM {self._runs} {tail}")
        return [
            Run(*(int(str(value)) if name in _INTEGERS else value for name, value in zip(_COLUMNS, row, strict=True)))  # type: ignore[arg-type]
            for row in rows
        ]

    def _row(self, run: Run) -> str:
        return ", ".join(self._database.literal(getattr(run, name)) for name in _COLUMNS)

    # ---- the journal

    def write(self, run: Run, chunk: int, entries: Sequence[Entry], first: int = 0) -> None:
        """Write lines of one chunk, numbered from `first`."""
        rows = [(run.id, chunk, number, *entry) for number, entry in enumerate(entries, start=first)]
        if rows:
            self._database.insert(self._journal, ("run", "chunk", "seq", *Entry._fields), rows)

    def of_chunk(self, run: Run, chunk: int) -> list[Entry]:
        """Return the lines of one chunk, in their order."""
        where = f"WHERE run = {self._database.literal(run.id)} AND chunk = {chunk} ORDER BY seq"
        return list(self._entries(where))

    def later(self, run: Run, target: str, keys: Iterable[str]) -> dict[str, str]:
        """Return the hash that a run left each row of `target` with, of those whose primary key is one of these."""
        listed = ", ".join(self._database.literal(key) for key in keys)
        where = (
            f"WHERE run = {self._database.literal(run.id)} AND target = {self._database.literal(target)}"
            f" AND pk IN ({listed}) AND hash_after IS NOT NULL ORDER BY chunk, seq"
        )
        return {entry.pk: str(entry.hash_after) for entry in self._entries(where)}

    def skipped(self, run: Run, limit: int) -> list[Entry]:
        """Return the first groups that a run left as they were."""
        where = f"WHERE run = {self._database.literal(run.id)} AND action IN ('skipped', 'left') ORDER BY chunk, seq"
        return list(self._entries(f"{where} LIMIT {limit}"))

    def _entries(self, tail: str) -> Iterable[Entry]:
        columns = ("line", "action", "target", "pk", "hash_before", "hash_after", "note")
        for line, *rest in self._database.fetch((), columns, f"FROM {self._journal} {tail}"):
            yield Entry(int(str(line)), *rest)  # type: ignore[arg-type]


def pk_text(names: Sequence[str], key: Sequence[Value]) -> str:
    """Return a row's name as the journal has it: JSON that a DBA can read."""
    if len(key) == 1 and isinstance(key[0], int):
        return f"{{{_name(names[0])}: {key[0]}}}"
    return json.dumps({name: plan_value(part) for name, part in zip(names, key, strict=True)})


def key_of(text: str) -> Key:
    """Return a row's name that `pk_text` wrote."""
    return tuple(database_value(value) for value in json.loads(text).values())


@cache
def _name(name: str) -> str:
    return json.dumps(name)


class _Whoever(TypedDict):
    who: str
    host: str
    process: int
    version: str


def _whoever() -> _Whoever:
    try:
        who = getpass.getuser()
    except (KeyError, OSError):
        who = str(os.getuid())
    return {"who": who, "host": socket.gethostname(), "process": os.getpid(), "version": __version__}
