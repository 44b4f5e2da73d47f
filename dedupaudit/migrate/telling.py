"""What `migrate apply`, `status` and `rollback` say to people: the question before, what came of it, what is there.

Lines are wrapped to `width`; a command to be typed next stands on a line of its own, whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from dedupaudit.display import escape, visible
from dedupaudit.migrate.telling_plan import KEPT_OUT, concern_lines, how_long, key_of
from dedupaudit.reports.prose import labelled, prose
from dedupaudit.reports.words import folded, length, percent, plural

if TYPE_CHECKING:
    from dedupaudit.migrate.evidence import Evidence, Migrated
    from dedupaudit.migrate.plan import MigrateHeader, Step
    from dedupaudit.migrate.rollback import RollbackOffer, RolledBack
    from dedupaudit.migrate.run import Offer
    from dedupaudit.migrate.status import TableStatus
    from dedupaudit.repair.journal import Run

_LABEL = 12


# ---- apply


def offer_lines(offer: Offer, width: int = 80) -> list[str]:
    """Return what is about to happen, for the question before it does."""
    header = offer.header
    about = f"About to make {key_of(header)} of {visible(header.table)} unique in {visible(offer.place, 300)},"
    lines = prose(f"{about} by the constraint {visible(header.constraint)}:", width)
    if header.not_null:
        lines += _fact("forbids", f"NULL in {', '.join(map(visible, header.not_null))}", width)
    lines += _fact("strategy", f"{header.strategy}, {plural(len(offer.steps), 'step')}: {_names(offer.steps)}", width)
    lines += _fact("cleans", _cleans(header), width)
    for label, text in _keeps_out(offer.steps):
        lines += _fact(label, text, width)
    for concern in offer.concerns:
        lines += concern_lines(concern, width, _LABEL)
    again = "the table is looked at again; what arrived since is cleaned by the same rule"
    lines += _fact("plan", f"made {length(offer.age)} ago; {again}", width)
    if offer.resumed:
        run = offer.resumed
        lines += _fact("resume", f"run {visible(run.id)}, begun {visible(run.started_at)}, goes on", width)
    safety = (
        "each row that goes is put into quarantine in the transaction that deletes it; `migrate rollback` removes"
        " constraint and guard, `repair undo` brings rows back"
    )
    return [*lines, *_fact("safety", safety, width)]


def _names(steps: Sequence[Step]) -> str:
    return ", ".join(step.name for step in steps)


def _cleans(header: MigrateHeader) -> str:
    found = header.found
    if not found.removed:
        return f"nothing so far; at most {header.max_delete.shown()}"
    share = percent(found.removed / max(header.rows, 1))
    return f"{plural(found.removed, 'row')} ({share} of the table) into quarantine; at most {header.max_delete.shown()}"


def _keeps_out(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    # In one transaction the first lock is held to the end, and those of the other steps keep out nobody else.
    held = [step for step in steps if step.name == "lock" or not step.together]
    found: dict[str, list[str]] = {}
    for step in held:
        if step.blocks != "nothing":
            found.setdefault(f"{KEPT_OUT[step.blocks]} {how_long(step)}", []).append(step.name)
    for told, names in found.items():
        yield "waits", f"{told} ({', '.join(names)})"


def migrated_lines(
    migrated: Migrated, header: MigrateHeader, width: int = 80, where: str = "", *, already: bool = False
) -> list[str]:
    """Return what an apply came to; `header` is the plan's, `already` says that it had been applied before."""
    run, evidence = migrated.run, migrated.evidence
    table = visible(header.table)
    if run is None:
        told = f"{key_of(header)} of {table} is unique already, by {visible(migrated.protecting or '')}: nothing to do"
        return prose(told, width)
    if migrated.stopped is not None or evidence is None:
        return _stopped_lines(migrated, run, width, where)
    name = visible(evidence.constraint)
    if already:
        lines = prose(f"This plan was applied already, by run {run.id} at {run.finished_at}: nothing to do.", width)
    else:
        lines = prose(f"run {run.id}: {key_of(header)} of {table} is unique now, by the constraint {name}", width)
    lines += _evidence(evidence, migrated.cleaned, width)
    lines += ["", "For the incident report:", *prose(f"  {incident(migrated, header)}", width, indent=2)]
    order = ", the constraint first, then the rows" if migrated.cleaned else ""
    lines += ["", f"To take it back{order}:", f"  {_rollback(run.table_name, where)}"]
    return [*lines, *(f"  dedupaudit repair undo {one.id}{where}" for one in reversed(migrated.cleaned))]


def _stopped_lines(migrated: Migrated, run: Run, width: int, where: str) -> list[str]:
    lines = prose(f"run {run.id}: stopped: {visible(migrated.stopped or run.state, 500)}", width)
    for one in migrated.cleaned:
        lines += _fact("cleaned", f"{_moved(one)} (run {one.id})", width)
    lines += _fact("left", f"{migrated.stays}; the same command goes on", width)
    return [*lines, "To give up instead:", f"  {_rollback(run.table_name, where)}"]


def _evidence(evidence: Evidence, cleaned: Sequence[Run], width: int) -> list[str]:
    lines: list[str] = []
    for run in cleaned:
        lines += _fact("cleaned", f"{_moved(run)} (run {run.id})", width)
    took = length(evidence.seconds) or "0 s"
    took += f", of it {length(evidence.cleaning_seconds)} for cleaning" if evidence.cleaning_seconds else ""
    lines += _fact("took", took, width)
    lines += _fact("catalog", f"{visible(evidence.constraint)} is {visible(evidence.index_state)}", width)
    found = "no duplicate" if evidence.duplicates == 0 else plural(evidence.duplicates, "DUPLICATE ID")
    lines += _fact("scan", f"without the new index: {found}", width)
    lines += _fact("probe", escape(evidence.probe), width)
    return lines + _fact("proof", _proof(evidence), width)


def _proof(evidence: Evidence) -> str:
    if not evidence.rows_read:
        return "no row was removed"
    figures = (
        f"{plural(evidence.rows_read, 'row')} read under lock = {evidence.rows_kept:,} kept"
        f" + {evidence.rows_quarantined:,} in quarantine"
    )
    if not evidence.holds:
        return f"CONSERVATION DOES NOT HOLD: {figures} is not so. Change nothing by hand: `repair show` tells more"
    return f"nothing was lost: {figures}; every hash is equal"


def _moved(run: Run) -> str:
    return f"{plural(run.rows_deleted, 'row')} of {plural(run.groups_done, 'ID')} moved into quarantine"


def _rollback(table: str, where: str) -> str:
    return f"dedupaudit migrate rollback {quote(visible(table))}{where}"


def incident(migrated: Migrated, header: MigrateHeader) -> str | None:
    """Return what was done in one sentence, for the incident report; None where it was not done to the end."""
    run, evidence = migrated.run, migrated.evidence
    if run is None or evidence is None or migrated.stopped is not None:
        return None
    on = f"{visible(run.table_name)} {key_of(header)}"
    how = "in one transaction" if header.strategy == "small" else "online"
    rows = "no row had to be removed"
    if evidence.rows_quarantined:
        ids = sum(one.groups_done for one in migrated.cleaned)
        lost = "none was lost" if evidence.holds else "CONSERVATION DOES NOT HOLD"
        rows = (
            f"{plural(evidence.rows_quarantined, 'duplicate row')} of {plural(ids, 'ID')} moved into quarantine and"
            f" {lost} ({evidence.rows_read:,} read under lock = {evidence.rows_kept:,} kept +"
            f" {evidence.rows_quarantined:,} in quarantine)"
        )
    tried = f"a duplicate {evidence.probe}" if evidence.probe.startswith(("INSERT", "UPDATE")) else evidence.probe
    found = "no duplicate" if evidence.duplicates == 0 else "DUPLICATES"
    return (
        f"{_when(run)} the unique constraint {visible(evidence.constraint)} was put on {on} {how}; {rows};"
        f" a scan without the new index finds {found}; {escape(tried)}."
    )


def _when(run: Run) -> str:
    """Return from when to when a run lasted, to the minute."""
    began, ended = visible(run.started_at)[:16], visible(run.finished_at or run.updated_at)[:16]
    (day, at), (last, until) = began.split("T"), ended.split("T")
    if began == ended:
        return f"On {day} at {at} UTC"
    return f"On {day}, from {at} to {until} UTC," if day == last else f"From {day} {at} to {last} {until} UTC"


# ---- status


def status_lines(statuses: Sequence[TableStatus], width: int = 80, where: str = "") -> list[str]:
    """Return what keeps each table's key unique, and what is left of migrations."""
    lines: list[str] = []
    for number, status in enumerate(statuses):
        lines += [""] if number else []
        lines += _table_lines(status, width, where)
    return lines


def _table_lines(status: TableStatus, width: int, where: str) -> list[str]:
    standing, key = status.standing, f"({', '.join(map(visible, status.key))})"
    lines = prose(f"{visible(status.table)} in {visible(status.place, 300)}: {key} {_state(status)}", width)
    lines += _fact("constraint", _constraint(status), width)
    lines += _fact("guard", _GUARD[standing.guard], width)
    lines += _fact("left over", folded(map(escape, standing.leftovers), 8) or "nothing of a migration", width)
    if status.invalid:
        lines += _fact("invalid", f"indexes of others: {folded(map(visible, status.invalid), 8)}", width)
    for known in status.runs:
        run = known.run
        when = f"begun {visible(run.started_at)} by {visible(run.who)}@{visible(run.host)}"
        said = f": {visible(run.message, 300)}" if run.message else ""
        lines += _fact("run", f"{visible(run.id)} {known.state}, {when}{said}", width)
    return [*lines, *_next(status, where)]


_GUARD = {
    "none": "none",
    "partial": "PARTLY there: it does not keep duplicates out; apply again finishes it, rollback removes it",
    "complete": "there: a duplicate INSERT is refused",
}


def _state(status: TableStatus) -> str:
    if status.protecting is not None:
        return "is unique" + ("; a migration is not finished yet" if is_unfinished(status) else "")
    if _is_at_work(status):
        return _WORK[status.runs[-1].state]
    return "is NOT kept unique" + (", and a migration was left in the middle" if is_unfinished(status) else "")


_WORK = {"running": "is being made unique right now", "undoing": "is being rolled back right now"}


def _is_at_work(status: TableStatus) -> bool:
    """Say whether somebody migrates the table at this moment: one who was killed is called interrupted."""
    return any(known.state in _WORK for known in status.runs[-1:])


def is_unfinished(status: TableStatus) -> bool:
    """Say whether something of a migration is there that an apply would finish or a rollback remove."""
    if _is_at_work(status):
        return False
    standing = status.standing
    left = bool(standing.leftovers) or standing.guard != "none" or standing.unique in ("invalid", "index")
    return left or any(known.state in ("interrupted", "failed") for known in status.runs[-1:])


def _constraint(status: TableStatus) -> str:
    wanted, standing = visible(status.wanted), status.standing
    if status.protecting is not None:
        return f"{visible(status.protecting, 300)} keeps it unique"
    return _UNIQUE[standing.unique].format(wanted)


_UNIQUE = {
    "none": "none; `migrate plan` would make {}",
    "invalid": "{} is INVALID: a build that failed left it; apply again finishes it, rollback removes it",
    "index": "{} is a valid unique index, and not yet the constraint",
    "constraint": "{} is there",
}


def _next(status: TableStatus, where: str) -> list[str]:
    table = quote(visible(status.table))
    if _is_at_work(status):
        return []
    if is_unfinished(status):
        return [
            "  The same `dedupaudit migrate apply PLAN` goes on; or give up:",
            f"    {_rollback(status.table, where)}",
        ]
    if status.protecting is None:
        return ["  To make it unique:", f"    dedupaudit migrate plan {table}{where} -o plan.jsonl"]
    return []


# ---- rollback


def rollback_offer_lines(offer: RollbackOffer, width: int = 80) -> list[str]:
    """Return what is about to be removed."""
    lines = prose(f"About to remove from {visible(offer.table)} in {visible(offer.place, 300)}:", width)
    for one in offer.removes:
        lines += _fact("removes", escape(one), width)
    if offer.run:
        lines += _fact("run", f"{visible(offer.run.id)}, begun {visible(offer.run.started_at)}", width)
    lines += _fact("then", "the database takes duplicates again", width)
    return lines + _fact("stays", "quarantine: `repair undo` brings rows back that were cleaned", width)


def rolled_back_lines(rolled: RolledBack, table: str, width: int = 80, where: str = "") -> list[str]:
    """Return what a rollback came to."""
    if rolled.signum is not None:
        return prose(f"{visible(table)}: the rollback was stopped by a signal; the same command goes on", width)
    run = f", run {visible(rolled.run.id)} with it" if rolled.run else ""
    lines = prose(f"{visible(table)}: the migration is rolled back{run}", width)
    for one in rolled.removed:
        lines += _fact("removed", escape(one), width)
    lines += _fact("stays", "quarantine: rows that were cleaned come back by `repair undo`", width)
    return [*lines, "Its runs:", f"  dedupaudit repair runs{where}"]


def _fact(label: str, text: str, width: int) -> list[str]:
    return labelled(label, text, width, _LABEL)
