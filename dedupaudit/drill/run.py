"""The conductor of `drill`: scratch, workers, clients and audit for each strategy; then all of it is removed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dedupaudit.config import DatabaseSettings, ObjectsSettings, Settings, TableSettings
from dedupaudit.display import visible
from dedupaudit.drill.places import Locks, Objects, locks_of, objects_of
from dedupaudit.drill.protocol import DrillResult, Scratch, Strategy, StrategyResult, Times
from dedupaudit.drill.scenario import Plan, retries, scenario
from dedupaudit.drill.scratch import open_scratch
from dedupaudit.drill.scratch.leftovers import leftovers
from dedupaudit.errors import AuditError, RunFailed, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import Progress
from dedupaudit.redact import scrub
from dedupaudit.times import iso, to_micros

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dedupaudit.drill.against import AgainstTable
    from dedupaudit.drill.clients import Observed
    from dedupaudit.drill.messages import Job
    from dedupaudit.drill.workers import Nursery

FEWEST_WRITERS = 2
"""One alone cannot overlap."""


@dataclass(frozen=True)
class DrillRequest:
    """What one drill is asked for.

    `strategies` are of the registry, in order (with `against` none is looked at); those that need Redis are skipped
    where `redis`, its URL, is None. Without `objects` a temporary folder takes the pictures.
    """

    database: DatabaseSettings
    strategies: tuple[Strategy, ...] = ()
    redis: str | None = field(default=None, repr=False)
    objects: ObjectsSettings | None = None
    writers: int = 32
    ids: int = 500
    seed: int = 0
    times: Times = Times()
    against: tuple[str, TableSettings | None] | None = None
    """A table's name, as configured or as it is in the database, and what is configured of it."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What --value says: real column names of `against`, and the text that each row has there."""


def drill(request: DrillRequest, *, interrupt: Interrupt, progress: Progress) -> DrillResult:
    """Run every strategy, audit what it left, and take the scratch away again.

    Raises UsageError; SourceError where the database, Redis or the store cannot be reached or refuses before anything
    began; RunFailed where one of them goes away in the middle; Cancelled. The scratch is removed in each case, as far
    as that can be.
    """
    if request.writers < FEWEST_WRITERS or request.ids < 1:
        raise UsageError(
            f"a drill needs {FEWEST_WRITERS} writers at least, so that they overlap, and an ID",
            f"give --writers {FEWEST_WRITERS} and --ids 1, or more",
        )
    # A signal is looked at where the clients wait: a scratch is not to be left half made.
    with interrupt.deferred():
        result = _Drill(request, interrupt, progress).run()
    interrupt.check()
    return result


class _Drill:
    def __init__(self, request: DrillRequest, interrupt: Interrupt, progress: Progress) -> None:
        self._request = request
        self._interrupt = interrupt
        self._progress = progress
        self._began = False
        self._against: AgainstTable | None = None
        self._remains: list[str] = []
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()

    def run(self) -> DrillResult:
        try:
            return replace(self._run(), remains=tuple(self._remains))
        except AuditError as error:
            error.hint = "; ".join(filter(None, (error.hint, *self._remains)))
            if self._began:
                raise RunFailed(error.message, error.hint) from error
            raise

    def _run(self) -> DrillResult:
        request = self._request
        left = tuple(one.shown for one in leftovers(request.database))
        self._interrupt.check()
        stack = ExitStack()
        try:
            scratch = open_scratch(request.database, self._interrupt)
            self._remove_at_the_end(stack, scratch.shown, scratch.drop)
            objects = stack.enter_context(objects_of(request.objects, scratch.name, self._interrupt))
            self._remove_at_the_end(stack, objects.shown, objects.remove)
            locks = stack.enter_context(locks_of(request.redis, scratch.name))
            if locks is not None:
                self._remove_at_the_end(stack, f"keys of {locks.shown}", locks.remove)
                locks.look()
            if request.against is not None:
                self._against = _copied(request, request.against, scratch, self._interrupt)
            results = self._strategies(stack, scratch, objects, locks)
        finally:
            with _undisturbed():
                stack.close()
        return DrillResult(
            database=request.database.url.shown(),
            scratch=scratch.shown,
            objects=objects.shown,
            redis=locks.shown if locks else None,
            writers=request.writers,
            ids=request.ids,
            seed=request.seed,
            started_at=iso(to_micros(self._started)),
            seconds=round(time.monotonic() - self._clock, 3),
            strategies=results,
            against=self._against.shape if self._against else None,
            leftovers=left,
        )

    def _remove_at_the_end(self, stack: ExitStack, shown: str, remove: Callable[[], None]) -> None:
        def end() -> None:
            try:
                remove()
            except AuditError as error:
                again = "`dedupaudit drill --clean` with the same options removes it"
                self._remains.append(f"left behind: {shown}, because {error.message}; {again}")

        stack.callback(end)

    def _strategies(
        self, stack: ExitStack, scratch: Scratch, objects: Objects, locks: Locks | None
    ) -> tuple[StrategyResult, ...]:
        from dedupaudit.drill.workers import Nursery

        against, strategies = self._against, self._request.strategies
        if against is not None:
            from dedupaudit.drill.today import TODAY

            strategies = (TODAY,)
        # What the nursery has imported none of its workers has to.
        modules = {one.backend.partition(":")[0]: None for one in strategies}
        modules |= {type(one).__module__: None for one in (scratch, objects.store)}
        nursery = stack.enter_context(Nursery(tuple(modules) if locks is None else (*modules, "redis")))
        results = []
        for strategy in strategies:
            if strategy.needs_redis and locks is None:
                results.append(StrategyResult(strategy, "skipped", "it needs Redis, and no --redis URL is given"))
                continue
            self._interrupt.check()
            if against is None:
                scratch.create(strategy.shape)
            self._began = True
            one = _One(self._request, self._interrupt, scratch, objects, locks, nursery, against)
            results.append(one.run(strategy, self._progress))
        return tuple(results)


@dataclass(frozen=True)
class _One:
    """One strategy's turn."""

    request: DrillRequest
    interrupt: Interrupt
    scratch: Scratch
    objects: Objects
    locks: Locks | None
    nursery: Nursery
    against: AgainstTable | None = None

    def run(self, strategy: Strategy, progress: Progress) -> StrategyResult:
        """Drill it. Raises RunFailed, and SourceError where the store or the database fails."""
        from dedupaudit.drill.judging import audit_table, judge_table

        plans_of = scenario if self.against is None else retries
        plans = plans_of(self.request.ids, self.request.writers, self.request.seed)
        progress.start(strategy.name, sum(len(plan.clients) for plan in plans), "clients")
        try:
            observed = self._observed(strategy, plans, progress)
        finally:
            progress.finish()
        if strategy.needs_redis:
            # Its writers go on without Redis, as they should: but then it was none of its drills.
            self._watch()
        if self.against is None:
            return self._judged(strategy, plans, observed)
        audited = audit_table(self.scratch, self.against, self.interrupt)
        return judge_table(strategy, observed, audited, self.against.shape)

    def _judged(self, strategy: Strategy, plans: Sequence[Plan], observed: Observed) -> StrategyResult:
        from dedupaudit.drill.judging import audit, judge, read_rows

        audited = audit(self.scratch, self.objects.settings, self.interrupt)
        with self._connected() as connection:
            rows = read_rows(connection, self.scratch)
        result = judge(strategy, plans, observed, audited, rows, self.objects.store, self.request.times.lease)
        # The next one's are to be alone there.
        self.objects.remove()
        return result

    def _observed(self, strategy: Strategy, plans: Sequence[Plan], progress: Progress) -> Observed:
        from dedupaudit.drill.clients import Clients
        from dedupaudit.drill.workers import Workers

        workers = Workers(self.nursery, self._job(strategy), self.request.writers)
        try:
            return Clients(
                plans, workers, self.request.times, interrupt=self.interrupt, watch=self._watch, progress=progress
            ).run()
        finally:
            workers.close()

    def _job(self, strategy: Strategy) -> Job:
        from dedupaudit.drill.messages import Job

        return Job(
            strategy.backend,
            self.scratch,
            self.objects.settings,
            self.objects.prefix,
            self.request.times,
            self.locks.url if self.locks else None,
            # A lock that a killed backend left is not to meet the next strategy.
            f"{self.locks.prefix}{strategy.name}:" if self.locks else "",
            self.against,
        )

    def _watch(self) -> None:
        """Raise RunFailed where the database, Redis or the store is gone."""
        self.interrupt.check()
        try:
            with self._connected():
                pass
            if self.locks is not None:
                self.locks.look()
            self.objects.store.preflight(self.objects.prefix)
        except SourceError as error:
            raise RunFailed(f"in the middle of the drill: {error.message}", error.hint) from error

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Connect to the database for the block; raises SourceError."""
        from sqlalchemy.exc import SQLAlchemyError

        engine = self.scratch.engine()
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            place = self.request.database.url.shown()
            raise SourceError(f"{place}: {visible(scrub(str(cause)), 300)}", "is the database still up?") from error
        finally:
            engine.dispose()


def _copied(
    request: DrillRequest, against: tuple[str, TableSettings | None], scratch: Scratch, interrupt: Interrupt
) -> AgainstTable:
    from dedupaudit.drill.against import copy

    name, configured = against
    settings = Settings((request.database,), {name: configured} if configured else {})
    return copy(scratch, settings, name, request.values, interrupt)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore signals for the block: what is removed is to be removed whole, however often Ctrl-C is pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
