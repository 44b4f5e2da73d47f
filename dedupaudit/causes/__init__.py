"""Why a duplicate exists. One file a cause; the first rule that the evidence bears out gives the answer."""

from __future__ import annotations

from dedupaudit.causes import check_then_act, id_collision, overlapping_batches, several_devices, timeout_retry
from dedupaudit.causes.base import Judgement, Rule
from dedupaudit.causes.story import Story

# Two real things under one ID come first: what is called a retry may be removed.
RULES: tuple[Rule, ...] = (
    id_collision.rule,
    several_devices.rule,
    check_then_act.rule,
    overlapping_batches.rule,
    timeout_retry.rule,
)

CAUSES = (
    "timeout_retry",
    "overlapping_batches",
    "check_then_act",
    "several_devices",
    "id_collision",
    "row_before_object",
    "unexplained",
)
"""The names of the contract, in its order."""


def judge(story: Story) -> Judgement:
    """Return the cause of a duplicate; `unexplained` where no rule finds enough."""
    for rule in RULES:
        judgement = rule(story)
        if judgement is not None:
            return judgement
    if story.received_once:
        why = "the logs know of one send and one receive, and of no retry"
    elif story.times is None:
        why = "the rows have no time to hold against the logs"
    elif story.logs and not story.events:
        why = "the logs do not name this ID, and the times of its rows fit no cause"
    else:
        why = "neither the times of its rows nor the logs show a cause"
    return Judgement("unexplained", "none", why, ("missing_unique",) if story.unguarded else ())
