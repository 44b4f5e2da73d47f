"""Applies a plan: chunk after chunk, each one transaction, then the proof. Killed anywhere, it goes on there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from dedupaudit.conservation import Proof
from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Cancelled, ExitCode, Locked, RunFailed, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import Progress
from dedupaudit.repair.chunk import Chunk, Numbered
from dedupaudit.repair.errors import Busy, Surprise, Violation
from dedupaudit.repair.journal import Entry, Journal, Run
from dedupaudit.repair.pace import Pace
from dedupaudit.repair.planfile import PlanFile
from dedupaudit.repair.proof import prove
from dedupaudit.repair.quick import Quick, is_usual
from dedupaudit.repair.site import Site
from dedupaudit.times import iso

SHOWN = 20
"""Groups that were left as they were, shown at the end; the journal has all."""
_ATTEMPTS = 5
_MOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Applied:
    """What an apply came to. `stopped` says why it did not get to the end; `signum` is the signal that asked for it."""

    run: Run
    proof: Proof | None = None
    skipped: Sequence[Entry] = ()
    stopped: str | None = None
    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """Return the contract's exit code."""
        if self.signum is not None:
            return 128 + self.signum
        if self.proof is not None and not self.proof.holds:
            return ExitCode.FAILED
        return ExitCode.INCOMPLETE if self.stopped or self.run.groups_skipped else ExitCode.CLEAN


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let the thread that talks to the server go on at once when it answers, and not 5 ms later."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@dataclass(frozen=True)
class _Batch:
    """The groups of one chunk, with how many rows they have, made ready for the quick way where that is possible."""

    groups: Sequence[Numbered]
    rows: int
    quick: Quick | None

    @classmethod
    def of(cls, site: Site, groups: Sequence[Numbered], rows: int) -> _Batch:
        """Return a batch. Asks the database nothing: another thread works with it."""
        return cls(groups, rows, Quick(site, groups) if is_usual(site, groups) else None)


@dataclass
class Applying:
    """A plan while it is applied: the lock is held, the run is written, and `run` is what the journal says of it."""

    site: Site
    journal: Journal
    plan: PlanFile
    run: Run
    pace: Pace
    interrupt: Interrupt
    progress: Progress
    _busy_in_a_row: int = field(default=0, init=False)

    def apply(self) -> Applied:
        """Apply what is left of the plan; raises RunFailed, Surprise or Locked, each saying how to go on."""
        self.progress.start(f"repairing {visible(self.run.table_name)}", self.plan.removed)
        try:
            # A signal ends the run between two chunks, never within one.
            with self.interrupt.deferred():
                stopped = self._chunks()
                return self._finished() if stopped is None else self._paused(stopped)
        except Cancelled as cancelled:
            return self._paused("a signal asked for it", cancelled.signum)
        except Surprise as error:
            self._note("failed", error.message)
            raise
        except Locked:
            raise
        except AuditError as error:
            if self.interrupt.signum is not None:
                # A second signal, which came while a driver called back: it tells of a failure of its own.
                return self._paused("a signal asked for it", self.interrupt.signum)
            # Whatever ended it between its beginning and its end: a lock that nobody gave back while a group was to be
            # left or the run to be closed, a right that was taken away, a server that takes no writes any more.
            self._note("interrupted", error.message)
            raise RunFailed(
                f"the repair stopped at line {self.run.position + 1:,} of the plan: {error.message}",
                f"{error.hint + '; ' if error.hint else ''}nothing is half done: run the same command again and it goes"
                f" on, or take it back with `dedupaudit repair undo {self.run.id}`",
            ) from error
        finally:
            self.progress.finish()

    def _chunks(self) -> str | None:
        """Work through the plan; return why that ended before its end.

        While the server works on one batch, a thread reads the next one and makes it ready.
        """
        batches = self._batches()
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead, _switching_often():
            following = ahead.submit(next, batches, None)
            while (batch := following.result()) is not None:
                following = ahead.submit(next, batches, None)
                if self._is_over(batch):
                    return "--run-time is over"
        return None

    def _batches(self) -> Iterator[_Batch]:
        """Yield the groups of one chunk after the other; how many rows one may have is asked when it is cut."""
        groups: list[Numbered] = []
        rows = 0
        for line, group in self._groups():
            alone = self.site.by_key and bool(group.merge)
            size = 1 + len(group.victims)
            if groups and (rows + size > self.pace.rows or alone):
                yield _Batch.of(self.site, groups, rows)
                groups, rows = [], 0
            groups.append((line, group))
            rows += size
            if alone:
                rows = self.pace.rows
        if groups:
            yield _Batch.of(self.site, groups, rows)

    def _groups(self) -> Iterator[Numbered]:
        for line, group in self.plan.groups():
            if line > self.run.position and group.left is None and group.survivor is not None:
                yield line, group

    def _is_over(self, batch: _Batch) -> bool:
        """Repair one batch, unless the time is over."""
        self.pace.wait_for_others()
        if self.pace.is_over:
            return True
        began = time.monotonic()
        self._repair(batch.groups, batch.quick)
        self.pace.took(batch.rows, time.monotonic() - began)
        self.progress.advance_to(self.run.rows_deleted)
        self.interrupt.check()
        return False

    def _repair(self, batch: Sequence[Numbered], quick: Quick | None = None) -> None:
        """Repair a batch; where something stands in the way, in smaller parts, until the one group is known."""
        attempt = 0
        while True:
            try:
                self.run = self._chunk().apply(batch, batch[-1][0], quick)
                self._busy_in_a_row = 0
                return
            except Violation as error:
                if len(batch) == 1:
                    self._skip(batch[0], f"the database refuses it: {error.message}")
                    return
                break
            except Busy as error:
                attempt += 1
                if attempt >= _ATTEMPTS and len(batch) == 1:
                    self._give_up(batch[0], error)
                    return
                self.pace.back_off(attempt, error)
                if len(batch) > 1 and attempt > 1:
                    self.pace.smaller()
                    break
        middle = len(batch) // 2
        self._repair(batch[:middle])
        self._repair(batch[middle:])

    def _give_up(self, numbered: Numbered, error: Busy) -> None:
        self._busy_in_a_row += 1
        if self._busy_in_a_row > _MOST_IN_A_ROW:
            # Not one row but the table is locked: to go on would only skip all of it.
            raise SourceError(error.message, error.hint or "see who holds the lock")
        blocked = f" by {error.blocked_by}" if error.blocked_by else ""
        self._skip(numbered, f"its rows stayed locked{blocked}")

    def _skip(self, numbered: Numbered, why: str) -> None:
        def skip() -> None:
            chunk = self._chunk()
            chunk.skip(*numbered, why)
            self.run = chunk.apply((), numbered[0])

        self._patiently(skip)

    def _patiently(self, write: Callable[[], None]) -> None:
        """Write, again where others are in the way: of what is written nothing belongs to them."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return write()
            except Busy as error:
                self.pace.back_off(attempt, error)
        return write()

    def _chunk(self) -> Chunk:
        return Chunk(self.site, self.journal, self.run, self.run.chunks + 1)

    # ---- the end

    def _finished(self) -> Applied:
        proof = prove(self.site, self.run)
        done = replace(
            self.run,
            state="done" if proof.holds else "failed",
            position=self.plan.count,
            finished_at=iso(self.site.database.clock()),
            proof=proof.as_json(),
            message=None if proof.holds else "conservation does not hold",
        )

        def save() -> None:
            with self.site.database.transaction():
                self.journal.fence(self.run)
                self.journal.save(done)

        self._patiently(save)
        return Applied(done, proof, self.journal.skipped(done, SHOWN))

    def _paused(self, why: str, signum: int | None = None) -> Applied:
        self._note("interrupted", why)
        return Applied(self.run, None, (), why, signum)

    def _note(self, state: str, why: str) -> None:
        """Write down how the run ended, where the database still answers: the state is known without it."""
        noted = replace(self.run, state=state, message=why)  # type: ignore[arg-type]
        with suppress(AuditError), self.site.database.transaction():
            self.journal.fence(self.run)
            self.journal.save(noted)
        self.run = noted
