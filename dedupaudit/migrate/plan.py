"""The plan of a migration, line by line: what the plan file holds, and what `schema plan` describes."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dedupaudit.repair.plan import Limit, PlanHeader

StrategyName = Literal["small", "guarded", "partitioned"]
StepName = Literal[
    "lock", "lookup", "guard", "wait", "clean", "not_null", "build", "attach", "verify", "unguard", "probe"
]
"""What a step does; the files below `sql/migrations/<dialect>/` have these names."""

Blocks = Literal["nothing", "writes", "reads and writes"]

WORDS: Final[dict[StepName, str]] = {
    "lock": "lock the table: what is looked at stays as it is until all is done",
    "lookup": "index the key, so that the guard finds a stored row at once",
    "guard": "install the guard: from now on no new duplicate is accepted",
    "wait": "wait for the transactions that began before the guard: they may still not see all rows",
    "clean": "move duplicates into quarantine, by the rule above, chunk by chunk, until there are none",
    "not_null": "forbid NULL in the key",
    "build": "build the unique index",
    "attach": "make it the constraint",
    "verify": "look into the catalog, and for duplicates without the new index",
    "unguard": "remove the guard and its lookup index",
    "probe": "insert a duplicate, in a savepoint: the very constraint must refuse it",
}
"""What each step is for, in words for people."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Behaviour(_Line):
    """What one kind of statement does that would store a duplicate: before, under the guard, and at the end."""

    statement: str
    before: str
    under: str
    after: str


class Concern(_Line):
    """What a preflight check has to say; a refusal forbids the migration."""

    check: str
    level: Literal["refusal", "warning", "note"]
    message: str
    hint: str = ""


class Step(_Line):
    """One step: its SQL is what runs, in this order. Its time and disk are estimated."""

    type: Literal["step"] = "step"
    name: StepName
    why: str = Field(description="why it is needed here, where that needs saying")
    sql: tuple[str, ...] = Field(description="the statements; none where the tool's own repair, or a look, does it")
    lock: str = Field(description="the strongest lock that it takes, as the server calls it")
    blocks: Blocks = Field(description="whom the lock keeps out")
    briefly: bool = Field(description="for an instant only: waited for at most 2 s, and tried again")
    together: bool = Field(
        default=False, description="one transaction with the other steps that say so: the first ones"
    )
    seconds: float = Field(default=0.0, description="estimated")
    bytes: int = Field(default=0, description="of disk; estimated")


class Found(_Line):
    """The duplicates of today, and what the clean step does with them."""

    groups: int
    removed: int
    merged: int = 0
    rules: dict[str, int]
    left: dict[str, int]


class MigrateHeader(PlanHeader):
    """The header of a migration's plan."""

    kind: Literal["migrate"] = "migrate"
    constraint: str = Field(description="its name")
    not_null: tuple[str, ...] = Field(description="columns of the key that become NOT NULL")
    protecting: str | None = Field(description="what keeps the key unique already; the plan has no steps then")
    strategy: StrategyName
    why: str = Field(description="why this strategy")
    rows: int
    found: Found
    max_delete: Limit = Field(description="rows that the clean step may remove, all rounds together")
    on_conflict: str | None = None
    behaviour: tuple[Behaviour, ...]
    concerns: tuple[Concern, ...]
