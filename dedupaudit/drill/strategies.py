"""The ways to write that a drill knows, in its table's order: what the project ships, then what has a hole."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.display import visible
from dedupaudit.drill.protocol import Strategy
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest

ALL = "all"

# Backends are named, not imported: they run in other processes.
STRATEGIES: tuple[Strategy, ...] = (
    Strategy(
        "unique",
        recommended=True,
        backend="dedupaudit.drill.shipped:unique",
        shape="target",
        says="the unique constraint, and its violation read",
    ),
    Strategy(
        "redis-lock",
        recommended=True,
        backend="dedupaudit.drill.shipped:redis_lock",
        shape="target",
        says="a Redis lock with a token and renewal, over the unique constraint",
        needs_redis=True,
    ),
    Strategy(
        "for-update",
        recommended=True,
        backend="dedupaudit.drill.shipped:for_update",
        shape="target",
        says="SELECT … FOR UPDATE, over the unique constraint",
    ),
    Strategy(
        "version",
        recommended=True,
        backend="dedupaudit.drill.shipped:version",
        shape="versioned",
        says="an optimistic version column, over the unique constraint",
    ),
    Strategy(
        "check-then-act",
        recommended=False,
        backend="dedupaudit.drill.broken.check_then_act:make",
        shape="bare",
        says="look whether it is there, then upload and insert",
        hole="two requests look, both see nothing, both act",
    ),
    Strategy(
        "redis-textbook",
        recommended=False,
        backend="dedupaudit.drill.broken.redis_textbook:make",
        shape="bare",
        says="SET NX EX, and a plain DEL",
        hole="the lock expires during a slow upload, and DEL releases somebody else's",
        needs_redis=True,
    ),
    Strategy(
        "for-update-bare",
        recommended=False,
        backend="dedupaudit.drill.broken.for_update_bare:make",
        shape="bare",
        says="SELECT … FOR UPDATE without a constraint",
        hole="what is not there yet cannot be locked",
    ),
    Strategy(
        "states-textbook",
        recommended=False,
        backend="dedupaudit.drill.broken.states_textbook:make",
        shape="target",
        says="the unique constraint and the states, without claim and lease",
        hole="who finds `pending` uploads too, and a crash leaves `uploading` for ever",
    ),
)


def chosen(names: Sequence[str]) -> tuple[Strategy, ...]:
    """Return the strategies of these names, in the registry's order; `all` stands for every one. Raises UsageError."""
    known = {strategy.name: strategy for strategy in STRATEGIES}
    for name in names:
        if name != ALL and name not in known:
            near = nearest(name, known)
            ask = f"did you mean {near}? Name" if near else "name"
            raise UsageError(f"there is no strategy {visible(name)}", f"{ask} one of {', '.join(known)}, or {ALL}")
    return tuple(strategy for strategy in STRATEGIES if ALL in names or strategy.name in names)
