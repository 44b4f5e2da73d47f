"""The clients: they send, lose answers, time out, send again and overlap, in one loop that waits for the workers."""

from __future__ import annotations

import heapq
import selectors
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Literal

from dedupaudit.drill.messages import Answered, CannotStart, GoOn, Order, Put, Ready, Sweep, Swept, Uploading
from dedupaudit.drill.protocol import Answer, Event, Times
from dedupaudit.drill.scenario import NO_FAULT, After, Client, Fault, Plan
from dedupaudit.drill.workers import Worker, Workers
from dedupaudit.errors import RunFailed
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import Progress

_SUCCESS = ("stored", "duplicate")
_TRIES = 3
"""A client that was told nothing gives up after so many requests at least, and not before `_PATIENCE` is over."""
_PATIENCE = 2.0  # client timeouts
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_EXPIRED = 1.2
"""A lock or lease has certainly expired after so many times its seconds."""
_HUNG = 45.0
"""Seconds after which a worker does not answer any more: longer than its engine waits for a lock."""
_SUSPICIOUS = 3
"""So many answers `failed` in a row: are database, store and Redis there?"""
_WATCH_EVERY = 0.5
_DEATHS = 20

Ending = Literal["told", "gave_up", "left"]


@dataclass(frozen=True)
class Told:
    """What one client was told in the end: of `answer` only a success or a collision, else None."""

    plan: int
    event: Event
    ending: Ending
    answer: Answer | None = None


@dataclass
class Observed:
    """What the clients saw, and what the workers told beside their answers. Mutable: it is counted on.

    `seconds` are of the requests with which nothing was to go wrong. `errors` counts the answers `failed` by text, less
    those that were ordered. `missed`: requests with which something was to go wrong, and did not. Of the plans that had
    the workers to themselves, `alone`, so many `overlapped`: two of their requests were under way at the same moment.
    """

    told: list[Told] = field(default_factory=list)
    requests: int = 0
    seconds: list[float] = field(default_factory=list)
    per_second: float | None = None
    puts: list[Put] = field(default_factory=list)
    deadlocks: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    sweep_error: str = ""
    missed: int = 0
    alone: int = 0
    overlapped: int = 0


@dataclass(eq=False)
class _Course:
    """A plan under way. `sleeper` is the worker that is stopped in its mid-upload; `spans`, when workers were at it."""

    plan: Plan
    number: int
    senders: list[_Sender] = field(default_factory=list)
    released: set[After] = field(default_factory=lambda: {"start"})
    sleeper: Worker | None = None
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def overlapped(self) -> bool:
        """Say whether two requests were under way at the same moment."""
        spans = sorted(self.spans)
        return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


@dataclass(eq=False)
class _Sender:
    """A client: how often it sent, and how often it was answered or timed out."""

    client: Client
    course: _Course
    sent: int = 0
    heard: int = 0
    began: float = 0.0
    is_over: bool = False


@dataclass(eq=False)
class _Request:
    """One request. `is_open`: its client still waits for the answer."""

    sender: _Sender
    worker: Worker
    fault: Fault
    sent: float
    is_open: bool = True


class Clients:
    """Carries plans out. `watch` raises RunFailed where database, store or Redis are gone."""

    def __init__(
        self,
        plans: Sequence[Plan],
        workers: Workers,
        times: Times,
        *,
        interrupt: Interrupt,
        watch: Callable[[], None],
        progress: Progress,
    ) -> None:
        self._workers, self._times, self._interrupt = workers, times, interrupt
        self._watch, self._progress = watch, progress
        self._courses = [_Course(plan, number) for number, plan in enumerate(plans)]
        for course in self._courses:
            course.senders = [_Sender(client, course) for client in course.plan.clients]
        self._queue = deque([one for one in course.senders if one.client.after == "start"] for course in self._courses)
        self._again: deque[list[_Sender]] = deque()
        self._open = sum(len(course.senders) for course in self._courses)
        self._idle: deque[Worker] = deque()
        self._requests: dict[int, _Request] = {}
        self._numbers = count(1)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._ticks = count()
        self._woken: set[Worker] = set()
        self._failed = self._deaths = 0
        self._watched = self._broke_at = self._alone_until = 0.0
        self._flow: list[tuple[float, float]] = []
        self._swept: Swept | None = None
        self._selector = selectors.DefaultSelector()
        self.observed = Observed()

    def run(self) -> Observed:
        """Send until every client was told, has left or gave up, and every worker has answered; then sweep.

        Raises Cancelled, and RunFailed where nothing can go on.
        """
        with self._selector:
            if self._interrupt.fd is not None:
                self._selector.register(self._interrupt.fd, selectors.EVENT_READ)
            for worker in self._workers.all.values():
                self._selector.register(worker.pipe, selectors.EVENT_READ, worker)
            self._until(lambda: not self._open)
            self._until(lambda: not self._requests)
            self._sweep()
        self.observed.per_second = self._rate()
        alone = [course for course in self._courses if course.plan.alone]
        self.observed.alone, self.observed.overlapped = len(alone), sum(course.overlapped for course in alone)
        return self.observed

    # ---- the loop

    def _until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            self._interrupt.check()
            self._let_go()
            due = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _events in self._selector.select(due):
                if key.data is not None:
                    self._receive(key.data)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._ticks), call))

    def _let_go(self) -> None:
        """Send what has workers enough; a group waits until all of it can go at once."""
        while self._again or self._queue:
            queue = self._again or self._queue
            group = queue[0]
            plan = group[0].course.plan
            is_alone = plan.alone and queue is self._queue
            if len(group) > len(self._idle) or (is_alone and self._requests):
                return
            queue.popleft()
            for sender in group:
                self._send(sender)
            if is_alone:
                self._alone_until = time.monotonic()

    def _send(self, sender: _Sender) -> None:
        worker, number = self._idle.popleft(), next(self._numbers)
        fault = NO_FAULT if sender.sent else sender.client.fault
        request = _Request(sender, worker, fault, time.monotonic())
        sender.began = sender.began or request.sent
        sender.sent += 1
        self.observed.requests += 1
        self._requests[number] = request
        worker.request = number
        worker.tell(Order(number, sender.client.event, fault))
        self._later(self._times.client_timeout, lambda: self._time_out(request))
        self._later(_HUNG, lambda: self._end_hung(number))

    def _receive(self, worker: Worker) -> None:
        message = worker.hear()
        if message is None:
            self._bury(worker)
        elif isinstance(message, Ready):
            self._idle.append(worker)
        elif isinstance(message, CannotStart):
            self._watch()
            hint = "does the server take as many connections as --writers asks for?"
            raise RunFailed(f"a worker cannot start: {message.reason}", hint)
        elif isinstance(message, Uploading):
            self._break_off(self._requests[message.number])
        elif isinstance(message, Answered):
            self._take(message)
        else:
            self._swept = message
            self._idle.append(worker)

    # ---- what workers do

    def _take(self, message: Answered) -> None:
        request = self._requests.pop(message.number)
        worker, sender, answer = request.worker, request.sender, message.answer
        worker.request = None
        if worker in self._woken:
            self._woken.discard(worker)
            self._drop(worker)  # it was replaced while it slept
        else:
            self._idle.append(worker)
        self._note(request, message)
        if request.is_open and not request.fault.answer_lost:
            request.is_open = False
            self._hear(sender, answer)
        if sender is sender.course.senders[0]:
            self._release(sender.course, "upload")  # where it had nothing to upload

    def _note(self, request: _Request, message: Answered) -> None:
        seen, plan = self.observed, request.sender.course.plan
        seen.puts += message.puts
        seen.deadlocks += message.deadlocks
        seen.missed += message.missed
        request.sender.course.spans.append((message.began, message.began + message.seconds))
        if plan.is_faultless:
            seen.seconds.append(message.seconds)
            if not plan.alone:
                self._flow.append((request.sent, time.monotonic()))
        if message.answer.said != "failed":
            self._failed = 0
            return
        if request.fault != NO_FAULT:
            return  # as it was ordered
        seen.errors[message.answer.error] += 1
        self._failed += 1
        if self._failed >= _SUSPICIOUS:
            self._look()

    def _break_off(self, request: _Request) -> None:
        """Do what the fault says to a worker in mid-upload."""
        course, worker = request.sender.course, request.worker
        self._broke_at = time.monotonic()
        if request.fault.then == "kill":
            self._workers.kill(worker)
        elif request.fault.then == "pause":
            self._workers.stop(worker)
            course.sleeper = worker
            self._add()
            self._release(course, "upload")
            self._later(_PATIENCE * self._times.client_timeout, lambda: self._wake(course))
        else:
            self._later(_EXPIRED * self._times.lock, lambda: self._release(course, "upload"))

    def _wake(self, course: _Course) -> None:
        worker, course.sleeper = course.sleeper, None
        if worker is not None:
            self._woken.add(worker)
            worker.tell(GoOn())
            self._workers.wake(worker)

    def _bury(self, worker: Worker) -> None:
        """Take away a worker that has ended, and make another; its client hears nothing."""
        request = self._requests.pop(worker.request, None) if worker.request is not None else None
        is_replaced = worker in self._woken or worker.stopped
        self._woken.discard(worker)
        self._drop(worker)
        if request is None or request.fault.then != "kill":
            self._deaths += 1
            self._watch()
            if self._deaths > _DEATHS:
                raise RunFailed("the drill's workers end again and again", "is the memory short? run again")
        if not is_replaced:
            self._add()

    def _end_hung(self, number: int) -> None:
        request = self._requests.get(number)
        if request is not None:
            self.observed.unanswered += 1
            self._workers.kill(request.worker)

    def _add(self) -> None:
        worker = self._workers.add()
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)

    def _drop(self, worker: Worker) -> None:
        self._selector.unregister(worker.pipe)
        self._workers.forget(worker)

    def _look(self) -> None:
        """Look whether the servers are there, not more often than it is worth."""
        if time.monotonic() - self._watched > _WATCH_EVERY:
            self._watched = time.monotonic()
            self._watch()

    # ---- what clients do

    def _hear(self, sender: _Sender, answer: Answer) -> None:
        sender.heard += 1
        if answer.said in (*_SUCCESS, "collision"):
            self._end(sender, "told", answer)
        else:
            pause = min(_PAUSE * 2 ** (sender.heard - 1), _LONGEST_PAUSE)
            self._go_on(sender, pause)

    def _time_out(self, request: _Request) -> None:
        if request.is_open:
            request.is_open = False
            request.sender.heard += 1
            if request.fault == NO_FAULT:
                self._look()
            self._go_on(request.sender, 0.0)

    def _go_on(self, sender: _Sender, pause: float) -> None:
        """Send again, or be done with it."""
        waited = time.monotonic() - sender.began
        if sender.client.leaves:
            self._end(sender, "left")
        elif sender.heard >= _TRIES and waited >= _PATIENCE * self._times.client_timeout:
            self._end(sender, "gave_up")
        else:
            self._later(pause, lambda: self._again.append([sender]))
            self._wake_when_heard(sender.course)

    def _end(self, sender: _Sender, ending: Ending, answer: Answer | None = None) -> None:
        sender.is_over = True
        self._open -= 1
        course = sender.course
        self.observed.told.append(Told(course.number, sender.client.event, ending, answer))
        if sender is course.senders[0]:
            self._release(course, "upload")
            self._release(course, "answer")
        self._wake_when_heard(course)
        self._progress.advance_to(len(self.observed.told))

    def _release(self, course: _Course, after: After) -> None:
        """Let those go who waited for this."""
        if after not in course.released:
            course.released.add(after)
            group = [one for one in course.senders if one.client.after == after]
            if group:
                self._again.append(group)

    def _wake_when_heard(self, course: _Course) -> None:
        """Wake the zombie once everybody else had an answer."""
        if course.sleeper is not None and all(one.heard for one in course.senders[1:]):
            self._wake(course)

    # ---- the end

    def _sweep(self) -> None:
        """Have a worker take back what is expired, once everything is."""
        rest = self._broke_at + _EXPIRED * self._times.lease - time.monotonic()
        is_expired: list[bool] = []
        self._later(max(0.0, rest), lambda: is_expired.append(True))
        self._until(lambda: bool(is_expired and self._idle))
        self._idle.popleft().tell(Sweep())
        self._until(lambda: self._swept is not None)
        self.observed.sweep_error = self._swept.error if self._swept else ""

    def _rate(self) -> float | None:
        """Return the answers per second while requests flowed, those of the first and slow ones left out."""
        flow = [one for one in self._flow if one[0] > self._alone_until] or self._flow
        if not flow:
            return None
        seconds = max(ended for _, ended in flow) - min(began for began, _ in flow)
        return len(flow) / seconds if seconds > 0 else None
