"""What a repair's figures prove: written into the journal by whoever repairs, told by whoever reads it there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dedupaudit.display import visible
from dedupaudit.model import RepairProof
from dedupaudit.reports.words import length, plural


@dataclass(frozen=True)
class Proof:
    """The figures of one run. It holds where they agree, and no group or hash is out of place."""

    read: int
    """Rows that were read under lock: each has a line in the journal that says what became of it."""
    kept: int
    quarantined: int
    """Rows of the run that are in quarantine now."""
    journalled: int
    """Rows that the journal calls deleted."""
    deleted: int
    """Rows that the database said were deleted."""
    mismatched: int
    """Hashes that are in the journal and not in quarantine, or the other way round."""
    odd_groups: int
    """Groups that do not have exactly one row that stays."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost."""
        return (
            self.read == self.kept + self.quarantined
            and self.deleted == self.journalled == self.quarantined
            and self.mismatched == 0
            and self.odd_groups == 0
        )

    def as_json(self) -> str:
        """Return it as it is stored in `runs`."""
        return json.dumps({**asdict(self), "holds": self.holds})

    @classmethod
    def stored(cls, text: str) -> Proof | None:
        """Return what `as_json` wrote; None for what it did not write."""
        figures = _figures(text)
        figures.pop("holds", None)
        if not all(type(figure) in (int, float) for figure in figures.values()):
            return None
        try:
            return cls(**figures)
        except TypeError:
            return None


def proof_line(proof: Proof) -> str:
    """Return conservation in one sentence."""
    if proof.holds:
        took = f" (proved in {length(proof.seconds)})" if proof.seconds else ""
        return (
            f"Nothing was lost: {proof.read:,} rows read under lock = {proof.kept:,} kept + {proof.quarantined:,} in"
            f" quarantine; {proof.deleted:,} deleted, {proof.journalled:,} journalled, every hash is equal{took}."
        )
    return (
        f"CONSERVATION DOES NOT HOLD: {proof.read:,} read, {proof.kept:,} kept, {proof.quarantined:,} in quarantine,"
        f" {proof.deleted:,} deleted, {proof.journalled:,} journalled, {proof.mismatched:,} hashes differ,"
        f" {proof.odd_groups:,} groups without one row that stays. Change nothing by hand: the quarantine and the"
        " journal tell what became of each row."
    )


@dataclass(frozen=True)
class JournalledRun:
    """What the journal says of one run of `repair` or `migrate`: the columns of `runs` that a report tells."""

    id: str
    kind: Literal["repair", "migrate"]
    table_real: str
    state: str
    started_at: str
    finished_at: str | None
    who: str
    host: str
    groups_done: int
    rows_deleted: int
    proof: str | None
    """The figures of its end, as JSON: a `Proof`, or a migration's evidence."""
    message: str | None


def repair_proof(run: JournalledRun, source: str, target: str) -> RepairProof:
    """Return what a run proves, for a report; `target` is the table as the report calls it."""
    proof = Proof.stored(run.proof) if run.proof and run.kind == "repair" else None
    said = [proof_line(proof)] if proof else []
    deleted: int | None = run.rows_deleted
    holds = proof.holds if proof else None
    if run.kind == "migrate":
        evidence = _figures(run.proof or "{}")
        deleted = evidence["rows_quarantined"] if type(evidence.get("rows_quarantined")) is int else None
        holds = evidence["holds"] if isinstance(evidence.get("holds"), bool) else None
        said += _evidence(evidence)
    elif run.proof and not proof:
        # Somebody altered it: that is shown, and proves nothing.
        said.append(f"what the journal has in the place of a proof: {visible(run.proof, 200)}")
    if run.state == "undone":
        said.append("The run was taken back: its rows are in the table again.")
    elif run.state not in ("done", "failed"):
        said.append("The run has not ended.")
    if run.message:
        said.append(visible(run.message, 300))
    return RepairProof(
        run=run.id,
        kind=run.kind,
        source=source,
        target=target,
        state=run.state,
        started_at=run.started_at,
        finished_at=run.finished_at,
        by=f"{run.who} on {run.host}",
        groups=run.groups_done if run.kind == "repair" else None,
        rows_deleted=deleted,
        rows_journalled=proof.journalled if proof else None,
        rows_in_quarantine=proof.quarantined if proof else None,
        holds=holds,
        said=tuple(said),
    )


def _evidence(evidence: dict[str, Any]) -> list[str]:
    """Return what a migration saw at its end."""
    if not evidence:
        return []
    constraint, index = visible(evidence.get("constraint")), visible(evidence.get("index_state"))
    left = evidence.get("duplicates")
    counted = plural(left, "duplicate ID") if type(left) is int else "nobody knows how many duplicate IDs"
    return [f"Constraint {constraint} is there: its index is {index}, and {counted} left."]


def _figures(text: str) -> dict[str, Any]:
    """Return a JSON object, or an empty one where there is none: anybody who may write there may have altered it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
