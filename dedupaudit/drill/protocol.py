"""The drill's vocabulary: what is asked of a backend, what it answers, and what is said of a strategy in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dedupaudit.ingest.events import Activity, Screenshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from dedupaudit.config import DatabaseSettings
    from dedupaudit.drill.against import AgainstTable
    from dedupaudit.stores.protocol import ObjectStore

Event = Activity | Screenshot
Said = Literal["stored", "duplicate", "collision", "busy", "failed"]
"""busy: "another request is at it, ask again"; failed: an error, which a client answers by sending again."""

Shape = Literal["target", "versioned", "bare"]
"""Which tables a strategy gets: the target schema, that with a `version` column, or production's before `migrate`:
an auto-increment primary key `row_id` and the real ID in a plain column `id`, with an index and no constraint."""

Verdict = Literal["holds", "broken", "hole_shown", "hole_not_shown", "skipped", "unknown"]


@dataclass(frozen=True)
class Times:
    """Seconds. The incident's clock runs ten times as fast: a lock of 5 s is 0.5 s, a slow upload of 10 s is 1 s."""

    lock: float = 0.5
    slow_upload: float = 1.0
    client_timeout: float = 3.0
    lease: float = 1.0
    wait: float = 3.0
    hesitation: float = 0.01
    """Between a look and the act that trusts it: what a network and a busy process take."""


@dataclass(frozen=True)
class Answer:
    """What a backend said of one request. Only `stored` and `duplicate` are a success."""

    said: Said
    url: str | None = None
    error: str = ""


class Backend(Protocol):
    """Takes requests, one at a time, in a process of its own. One that has leases has `sweep() -> int` as well."""

    def activity(self, event: Activity) -> Answer:
        """Store an activity."""

    def screenshot(self, event: Screenshot) -> Answer:
        """Store a picture: row and object."""


@dataclass(frozen=True)
class Place:
    """What a backend works with, in its own process. `tables`: real names of `activities` and `screenshots`."""

    engine: Engine
    store: ObjectStore
    prefix: str
    """What object keys begin with: the key is prefix + `screenshots/<device_id>/<id>.jpg`."""
    tables: Mapping[str, tuple[str, ...]]
    times: Times
    redis: Any = None
    """A redis.Redis, for those who need one; its keys begin with `redis_prefix`."""
    redis_prefix: str = ""
    against: AgainstTable | None = None
    """The copy of a user's own table, for the one backend that writes to it."""


@dataclass(frozen=True)
class Strategy:
    """One way to write. `backend` is `module:callable`, which makes a Backend of a Place in another process.

    `recommended`: the project ships it, and it has to hold; the others have a hole, which `hole` tells.
    """

    name: str
    recommended: bool
    backend: str
    shape: Shape
    says: str
    hole: str = ""
    needs_redis: bool = False


class Scratch(Protocol):
    """A schema (PostgreSQL), database (MySQL, MariaDB) or file (SQLite) that the drill made, and that it drops."""

    shown: str
    """How messages name it."""
    name: str
    """`dedupaudit_drill_…`; a folder's name on SQLite."""
    around: DatabaseSettings
    """The database that it was made in, beside, or like."""

    def create(self, shape: Shape) -> None:
        """Make empty tables `activities` and `screenshots` of this shape, in place of those that are there."""

    def table(self, name: str) -> tuple[str, ...]:
        """Return the real name of a table in it: schema and table, or table."""

    def database(self) -> DatabaseSettings:
        """Return what the audit opens."""

    def engine(self) -> Engine:
        """Return a new engine for this process: one connection, no pool beyond it. A Scratch can be pickled."""

    def drop(self) -> None:
        """Take it all away. What is not there any more is no error."""


@dataclass(frozen=True)
class Hole:
    """One thing that went wrong: what, how often, and the ID of an example."""

    what: Literal["duplicates", "lost", "wrong_answers", "double_uploads", "stuck", "orphans", "missing", "unclear"]
    count: int
    example: str


@dataclass(frozen=True)
class StrategyResult:
    """What came of one strategy. Counts are None where it was skipped.

    `duplicates`: surplus rows, as the scan counts them. `lost`: events without a row of their payload although their
    client sent until the end. `objects`: as the crosscheck counts them; `double_uploads`: uploads over an object that
    was there, or beside another one of the same key whose lease cannot have expired. `wrong_answers`: told success
    without a row, or without an object of that content; told of a collision with nothing. `stuck`: rows left `pending`
    or `uploading`. Times are milliseconds, of the backend's answers to requests with which nothing was to go wrong.
    """

    strategy: Strategy
    verdict: Verdict
    reason: str = ""
    requests: int | None = None
    rows: int | None = None
    duplicates: int | None = None
    lost: int | None = None
    objects: int | None = None
    double_uploads: int | None = None
    wrong_answers: int | None = None
    stuck: int | None = None
    deadlocks: int | None = None
    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    holes: tuple[Hole, ...] = ()


@dataclass(frozen=True)
class TableShape:
    """What was copied of the table that `--against` names, and what was left out, with why."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    constraints: tuple[str, ...]
    triggers: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """What (a trigger, a foreign key) and why."""
    uncertain: bool = False
    """Whether something was left out that could keep duplicates out: where they are seen, the verdict is `unknown`."""
    doubts: tuple[str, ...] = ()
    """Why real rows may come twice although those of the drill did not: then too the verdict is `unknown`."""


@dataclass(frozen=True)
class DrillResult:
    """What a drill found. `held`: every recommended strategy that ran did hold."""

    database: str
    scratch: str
    objects: str
    redis: str | None
    writers: int
    ids: int
    seed: int
    started_at: str
    seconds: float
    strategies: tuple[StrategyResult, ...]
    against: TableShape | None = None
    leftovers: tuple[str, ...] = field(default=())
    """Scratch schemas that killed drills left behind; `--clean` removes them."""
    remains: tuple[str, ...] = field(default=())
    """What of this drill could not be removed, and why."""

    @property
    def held(self) -> bool:
        """Say whether the recommended strategies held."""
        ran = [one for one in self.strategies if one.strategy.recommended and one.verdict != "skipped"]
        return all(one.verdict == "holds" for one in ran)
