"""Surveys a table in a second session, which sees the first one's snapshot, while the first looks for duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Thread

import psycopg2

from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, SourceError, StatementStopped
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables.postgresql_asking import WITHOUT_INDEXES, as_number
from dedupaudit.sources.tables.postgresql_session import Row, Session
from dedupaudit.sources.tables.protocol import Survey, Value
from dedupaudit.sources.tables.table import Table

# As many kinds as a hash table of the server holds easily; the planner says about how many there are.
_MANY_KINDS = 1_000
# Workers would take from the first session what they give to this one, which has all the time that the first one takes.
_ALONE = {"max_parallel_workers_per_gather": "0"}
_PATIENCE = 0.2
_ATTEMPTS = 50


@dataclass(frozen=True)
class Asked:
    """What is surveyed: the conditions that are counted, and two queries that count them, one for each kind."""

    table: Table
    suspects: tuple[str, ...]
    whole: str
    by_kind: str | None


class Beside:
    """One survey, in a thread and a session of its own: both end with it."""

    def __init__(self, asked: Asked, connect: Callable[[], Session], interrupt: Interrupt) -> None:
        self._asked = asked
        self._connect = connect
        self._interrupt = interrupt
        self._session: Session | None = None
        self._closed = False
        self._found: Survey | None = None
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="survey", daemon=True)
        self._thread.start()

    def survey(self, table: Table, suspects: Sequence[str], kinds: Sequence[Value]) -> Survey | None:
        """Wait for what was counted; None where that is not what is asked, or this session could not count it.

        Raises StatementStopped where it took too long: it would again.
        """
        if table != self._asked.table or not set(suspects) <= set(self._asked.suspects):
            return None
        while self._thread.is_alive():
            self._thread.join(timeout=_PATIENCE)
            self._interrupt.check()
        if isinstance(self._failure, StatementStopped):
            raise self._failure
        found = self._found
        if found is None or not set(kinds) <= set(found.kinds):
            return None
        return replace(found, kinds={kind: found.kinds[kind] for kind in kinds})

    def close(self) -> None:
        """Cancel the statement on the server, and wait until the session has ended."""
        self._closed = True
        for _ in range(_ATTEMPTS):
            if not self._thread.is_alive():
                return
            if self._session is not None:
                self._session.cancel()
            self._thread.join(timeout=_PATIENCE)

    def _run(self) -> None:
        try:
            with closing(self._connect()) as session:
                self._session = session
                if not self._closed:
                    self._found = self._counted(session)
        except (SourceError, Cancelled, psycopg2.Error) as error:
            # Who needs the survey asks for it in the first session, which says what is wrong.
            self._failure = error

    def _counted(self, session: Session) -> Survey:
        asked = self._asked
        planner = {**_ALONE, **(WITHOUT_INDEXES if asked.table.distrust_indexes else {})}
        with session.question(visible(asked.table.label), planner):
            if asked.by_kind and _few_groups(session, asked.by_kind):
                rows = session.rows(asked.by_kind)
                return _survey(asked, (row[1:] for row in rows), {row[0]: as_number(row[1]) for row in rows})
            return _survey(asked, session.rows(asked.whole), {})


def _survey(asked: Asked, counts: Iterable[Row], kinds: dict[Value, int]) -> Survey:
    totals = [0] * (1 + len(asked.suspects))
    for row in counts:
        totals = [total + as_number(count) for total, count in zip(totals, row, strict=True)]
    return Survey(totals[0], dict(zip(asked.suspects, totals[1:], strict=True)), kinds)


def _few_groups(session: Session, statement: str) -> bool:
    """Say whether the planner expects few enough kinds to count them all."""
    plan = session.rows(f"EXPLAIN (FORMAT TEXT) {statement}")
    estimate = str(plan[0][0]).partition(" rows=")[2].partition(" ")[0]
    return estimate.isdigit() and int(estimate) <= _MANY_KINDS
