"""The life of a picture's row, as an explicit table: claims.py makes the conditions of its SQL from it.

Two columns of the target schema carry the protocol. The *lease* is `updated_at`, by the server's clock: a claim lasts
so many seconds from then on, and a renewal sets it anew. The *fencing token* is `retry_count`: every way out of a claim
but `complete` adds one, and no way leads back to `pending`, so no two claims of a row ever had the same token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["pending", "uploading", "completed", "failed"]


@dataclass(frozen=True)
class Transition:
    """One change of a row that is allowed, in one statement; `sources` is empty where there is no row before.

    `lease_over`: only where nobody renewed the lease in time. `by_token`: only by the request whose claim it is.
    `counts`: one attempt more that ended without a picture, and so a token that no earlier claim has.
    """

    name: str
    sources: tuple[Status, ...]
    target: Status
    lease_over: bool = False
    by_token: bool = False
    counts: bool = False


INSERT: Final = Transition("insert", (), "pending")
CLAIM: Final = Transition("claim", ("pending", "failed"), "uploading")
TAKE_OVER: Final = Transition("take over", ("uploading",), "uploading", lease_over=True, counts=True)
RENEW: Final = Transition("renew", ("uploading",), "uploading", by_token=True)
COMPLETE: Final = Transition("complete", ("uploading",), "completed", by_token=True)
FAIL: Final = Transition("fail", ("uploading",), "failed", by_token=True, counts=True)
SWEEP: Final = Transition("sweep", ("uploading",), "failed", lease_over=True, counts=True)

TRANSITIONS: Final = (INSERT, CLAIM, TAKE_OVER, RENEW, COMPLETE, FAIL, SWEEP)
"""All of them: nothing else ever happens to a row."""
