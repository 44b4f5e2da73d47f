"""Runs a few actors one step at a time, in every order that there is: each run begins as the one before it did.

An actor stops before each of its steps until it is its turn. Which orders there are is found by doing: a run notes
where more than one actor could go, and the next one goes another way at the last such point (depth first, no state).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from typing import Literal

State = Literal["running", "ready", "paused", "blocked", "done"]

# How long an actor may be on its way before the server is asked whether it waits for a lock there. What is decided by
# that is when to ask, never what the answer is.
_ASK_AFTER = 0.002
# A run that has not moved for so long, or never ends, is a fault of the scheduler or of what it runs: it fails, and
# says where it was.
_STUCK_SECONDS = 30.0
_ENDLESS_STEPS = 500


class Unrepeatable(AssertionError):
    """The same choices led elsewhere: what runs here does not depend on the order of the steps alone."""


class Stuck(AssertionError):
    """Somebody is neither at a step, nor at an end, nor does the database say that it waits; or there is no end."""


class Killed(BaseException):
    """The end of a process, where it stands. No handler of errors sees it."""


@dataclass(frozen=True)
class Step:
    """What an actor is about to do. Two steps commute unless one writes what the other reads or writes.

    `pause`: the actor has nothing to do until another one has written something that this reads. `waits` says whether
    it would wait now for what another one holds: then it is nobody's turn to do it.
    """

    text: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    pause: bool = False
    waits: Callable[[], bool] = lambda: False

    def commutes(self, other: Step) -> bool:
        """Say whether the two lead to the same in either order."""
        return not (self.writes & (other.reads | other.writes) or other.writes & self.reads)


class Actor:
    """One request: a thread of its own in each run. What it does calls `step` first; outside a run that does nothing.

    `blocked` asks the database whether this actor waits there for a lock. `lives`: after so many steps it is killed.
    """

    def __init__(self, name: str, blocked: Callable[[], bool] = lambda: False) -> None:
        self.name = name
        self.blocked = blocked
        self.lives: int | None = None
        self.state: State = "done"
        self.next: Step = Step("start")
        self.answer: object = None
        self._steps = 0
        self._abandoned = False
        self._go: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread | None = None
        self._arrived: SimpleQueue[Actor] | None = None

    def step(self, step: Step) -> None:
        """Stop until it is this actor's turn to do the step. Raises Killed where its life is over."""
        if self._arrived is None:
            return
        if self._steps != self.lives and not self._abandoned:
            self._steps += 1
            self.next = step
            self._arrived.put(self)
            self._go.get()
            if not self._abandoned:
                return
        # Who is dead does nothing more; what it had begun is rolled back for it.
        if step.text != "ROLLBACK":
            raise Killed

    @property
    def is_current(self) -> bool:
        """Say whether it is this actor's thread that asks."""
        return current_thread() is self._thread

    def start(self, body: Callable[[], object], arrived: SimpleQueue[Actor]) -> Thread:
        """Begin, in a thread of its own, to go to the first step."""
        self._arrived, self._go, self.state = arrived, SimpleQueue(), "running"
        self._steps, self._abandoned = 0, False
        self._thread = Thread(target=self._live, args=(body,), name=self.name, daemon=True)
        self._thread.start()
        return self._thread

    def go(self) -> None:
        """Let it do its step. For the scheduler."""
        self.state = "running"
        self._go.put(None)

    def abandon(self) -> None:
        """Kill it where it stands. For the scheduler, when a run fails."""
        self._abandoned = True
        self._go.put(None)

    def _live(self, body: Callable[[], object]) -> None:
        arrived = self._arrived
        assert arrived is not None
        try:
            self.answer = body()
        except BaseException as error:
            self.answer = error
        self._arrived = None
        arrived.put(self)


@dataclass(frozen=True)
class Scene:
    """What one run plays, on rows of its own: each actor's part, and what must hold when all have answered.

    `check` gets the answers by the actors' names and yields a sentence for each thing that does not hold.
    """

    parts: Mapping[Actor, Callable[[], object]]
    check: Callable[[Mapping[str, object]], Iterable[str]]


@dataclass
class Fork:
    """A point of a run where an actor was chosen: who could go, who went, and who need not go (any more)."""

    ready: dict[Actor, Step]
    chosen: Actor
    asleep: dict[Actor, Step]
    """Whatever begins with one of these was played already, in an order that comes to the same."""
    untried: list[Actor] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """One run: its steps as lines to read, the answers, and what did not hold."""

    lines: tuple[str, ...]
    answers: Mapping[str, object]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        said = ", ".join(f"{name} answered {shown(answer)}" for name, answer in self.answers.items())
        return "\n".join(["; ".join(self.problems) or "all holds", *(f"  {line}" for line in self.lines), said])


@dataclass
class Explored:
    """What came of all runs. `cut`: runs that were left when they came to the same as an earlier one."""

    schedules: int = 0
    cut: int = 0
    steps: int = 0
    outcomes: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """How often all actors answered so, in the order of their names."""
    broken: list[Played] = field(default_factory=list)

    def __str__(self) -> str:
        outcomes = "; ".join(f"{' / '.join(said)}: {count}" for said, count in sorted(self.outcomes.items()))
        counts = f"{self.schedules} schedules ({self.cut} more cut short), {self.steps} steps: {outcomes}"
        return "\n".join([counts, *(f"{len(self.broken)} broken, the first: {one}" for one in self.broken[:1])])


def shown(answer: object) -> str:
    """Name an answer: a text as it is, an error by its class."""
    return type(answer).__name__ if isinstance(answer, BaseException) else str(answer)


def explore(
    stage: Callable[[], Scene], *, switches: int | None = None, reduced: bool = True, until_broken: bool = False
) -> Explored:
    """Play a scene in every order of its steps.

    `switches`: only orders in which at most so many actors are interrupted that could have gone on. `reduced`: orders
    that differ in steps that commute count once; not where switches are counted, for the order that is left out may be
    the one with fewer of them. `until_broken`: the first order that breaks something is enough.
    """
    explored = Explored()
    forks: list[Fork] = []
    while True:
        run = _Run(stage(), forks, switches, reduced and switches is None)
        played = run.play()
        explored.steps += run.steps
        if run.cut:
            explored.cut += 1
        else:
            explored.schedules += 1
            explored.outcomes[tuple(shown(played.answers[name]) for name in sorted(played.answers))] += 1
        if played.problems:
            explored.broken.append(played)
            if until_broken:
                return explored
        while forks and not forks[-1].untried:
            forks.pop()
        if not forks:
            return explored
        last = forks[-1]
        last.asleep[last.chosen] = last.ready[last.chosen]
        last.chosen = last.untried.pop(0)


class _Run:
    """One run of a scene: first the choices of `forks`, then the first that can be made at each new one."""

    def __init__(self, scene: Scene, forks: list[Fork], switches: int | None, reduced: bool) -> None:
        self._scene = scene
        self._forks = forks
        self._switches = switches
        self._reduced = reduced
        self._actors = sorted(scene.parts, key=lambda actor: actor.name)
        self._arrived: SimpleQueue[Actor] = SimpleQueue()
        self._lines: list[str] = []
        self._asleep: dict[Actor, Step] = {}
        self._last: Actor | None = None
        self.steps = 0
        self.cut = False

    def play(self) -> Played:
        """Play it to its end."""
        threads = [actor.start(self._scene.parts[actor], self._arrived) for actor in self._actors]
        try:
            self._settle()
            while ready := self._ready():
                self._do(self._choose(ready))
        except BaseException:
            for actor in self._actors:
                actor.abandon()
            raise
        finally:
            for thread in threads:
                thread.join(_STUCK_SECONDS)
        answers = {actor.name: actor.answer for actor in self._actors}
        return Played(tuple(self._lines), answers, tuple(self._scene.check(answers)))

    def _ready(self) -> dict[Actor, Step]:
        """Return who can go. Those who paused can where something moved; where nobody else can, all of them can."""
        ready = self._able("ready") or self._able("paused")
        if not ready and set(self._states()) != {"done"}:
            raise Stuck("\n".join([*self._lines, str(self._states())]))
        return ready

    def _able(self, state: State) -> dict[Actor, Step]:
        return {actor: actor.next for actor in self._actors if actor.state == state and not actor.next.waits()}

    def _choose(self, ready: dict[Actor, Step]) -> Actor:
        if self.cut:
            return next(iter(ready))
        if self.steps == _ENDLESS_STEPS:
            raise Stuck("no end in sight:\n" + "\n".join(self._lines))
        if self.steps < len(self._forks):
            fork = self._forks[self.steps]
            if _texts(fork.ready) != _texts(ready):
                raise Unrepeatable(f"{_texts(fork.ready)} was {_texts(ready)} after\n" + "\n".join(self._lines))
        else:
            awake = [actor for actor in self._within_switches(ready) if actor not in self._asleep]
            if not awake:
                self.cut = True
                return next(iter(ready))
            # Who went last goes on, so that the first orders are those that are easiest to read.
            awake.sort(key=lambda actor: actor is not self._last)
            fork = Fork(ready, awake[0], dict(self._asleep), awake[1:])
            self._forks.append(fork)
        if self._reduced:
            done = ready[fork.chosen]
            self._asleep = {actor: step for actor, step in fork.asleep.items() if step.commutes(done)}
        if self._switches is not None and fork.chosen is not self._last and self._interrupted(ready):
            self._switches -= 1
        return fork.chosen

    def _within_switches(self, ready: dict[Actor, Step]) -> list[Actor]:
        if self._switches == 0 and self._last is not None and self._interrupted(ready):
            return [self._last]
        return list(ready)

    def _interrupted(self, ready: dict[Actor, Step]) -> bool:
        """Say whether who went last could go on, and does not wait for others by itself."""
        return self._last in ready and not ready[self._last].pause

    def _do(self, actor: Actor) -> None:
        """Let one actor do its step, and wait until everybody is at a step, at an end, or waits for the other."""
        step = actor.next
        self._lines.append(f"{actor.name}: {step.text}")
        self._last = actor
        self.steps += 1
        for other in self._actors:
            if other is not actor and other.state == "paused" and step.writes & other.next.reads:
                other.state = "ready"
        actor.go()
        self._settle()
        for other in self._actors:
            if other.state == "blocked" and not other.blocked():
                self._lines.append(f"{other.name}: … goes on")
                other.state = "running"
        self._settle()

    def _settle(self) -> None:
        deadline = time.monotonic() + _STUCK_SECONDS
        while self._moving():
            try:
                actor = self._arrived.get(timeout=_ASK_AFTER)
            except Empty:
                self._ask_database()
                if time.monotonic() > deadline:
                    raise Stuck("\n".join([*self._lines, str(self._states())])) from None
                continue
            if actor.state == "blocked":
                self._lines.append(f"{actor.name}: … goes on")
            actor.state = self._state_of(actor)

    def _moving(self) -> bool:
        """Say whether somebody is on the way; where all wait for each other, the database has to end that."""
        states = self._states()
        return "running" in states or ("blocked" in states and not {"ready", "paused"} & set(states))

    def _ask_database(self) -> None:
        for actor in self._actors:
            if actor.state == "running" and actor.blocked():
                self._lines.append(f"{actor.name}: … waits for a lock")
                actor.state = "blocked"

    def _states(self) -> list[State]:
        return [actor.state for actor in self._actors]

    @staticmethod
    def _state_of(actor: Actor) -> State:
        if actor._arrived is None:
            return "done"
        return "paused" if actor.next.pause else "ready"


def _texts(ready: Mapping[Actor, Step]) -> list[str]:
    return [f"{actor.name}: {step.text}" for actor, step in ready.items()]
