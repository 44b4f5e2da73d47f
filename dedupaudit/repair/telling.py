"""What `repair` says to people: the plan, the question before an apply, and what came of it. Plain lines, 80 columns."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from dedupaudit.display import visible
from dedupaudit.repair.apply import SHOWN, Applied
from dedupaudit.repair.journal import Entry, Run
from dedupaudit.repair.plan import Header, Totals
from dedupaudit.repair.planning import LEFT
from dedupaudit.repair.proof import Proof
from dedupaudit.repair.run import Known, Offer
from dedupaudit.reports.words import length, plural

RULES = {
    "earliest": "the rows are identical: the earliest stays",
    "furthest state": "uploads: the row in the furthest state stays",
    "object exists": "uploads: the row whose object exists stays",
}
"""Why a row stays, in words for people."""


def plan_summary(header: Header, width: int = 80) -> list[str]:
    """Return what a plan comes to: what goes, what stays, and why."""
    totals = header.totals
    lines = [
        f"{visible(header.table)}: {plural(totals.rows, 'row')}, {plural(totals.groups, 'ID')} stored more than once",
    ]
    if totals.groups == 0:
        return [*lines, "Nothing to do."]
    lines += ["", *_removals(totals, width), *_left(totals, width)]
    if totals.causes:
        lines.append(f"  causes  {', '.join(f'{name} {number:,}' for name, number in totals.causes.items())}")
    return lines


def _removals(totals: Totals, width: int) -> Iterator[str]:
    if not totals.removed:
        yield "  remove  nothing"
        return
    share = totals.removed / max(totals.rows, 1)
    yield f"  remove  {plural(totals.removed, 'row')} ({share:.2%} of the table) of {plural(totals.repaired, 'ID')}"
    for rule, number in totals.rules.items():
        yield from _indented(number, RULES.get(rule, f"conflicting: {rule}"), width)
    if totals.merged:
        yield from _indented(totals.merged, "of these: the row that stays takes values of the others", width)


def _left(totals: Totals, width: int) -> Iterator[str]:
    if not totals.left:
        return
    yield f"  leave   {plural(sum(totals.left.values()), 'ID')} as they are"
    for why, number in totals.left.items():
        yield from _indented(number, f"{why}: {LEFT.get(why, '')}", width)


def _indented(number: int, text: str, width: int) -> Iterator[str]:
    first = f"{number:>17,}  "
    yield from textwrap.wrap(text, max(width, 60), initial_indent=first, subsequent_indent=" " * len(first))


def offer_lines(offer: Offer) -> list[str]:
    """Return what is about to happen, for the question before it does."""
    header = offer.header
    lines = [
        f"About to remove {plural(offer.removed, 'row')} of {visible(header.table)} in {offer.place}:",
        *(line for line in plan_summary(header)[1:] if line),
        f"  plan    made {length(offer.age)} ago; rows that changed since are left alone",
        "  safety  each row goes into quarantine first, in the same transaction; `repair undo` brings it back",
    ]
    links = [link for link in offer.inspection.links]
    if links:
        shown = ", ".join(visible(link.name) for link in links[:5])
        lines.append(
            f"  refers  {plural(len(links), 'foreign key')} ({shown}): child rows are re-pointed to the row that stays"
        )
    if offer.resumed:
        run = offer.resumed
        lines.append(f"  resume  run {run.id} goes on: {plural(run.rows_deleted, 'row')} removed already")
    return lines


def applied_lines(applied: Applied) -> list[str]:
    """Return what an apply came to."""
    run = applied.run
    if run.state == "done" and applied.proof is None and not applied.stopped:
        return [
            f"This plan was applied already, by run {run.id} at {run.finished_at}: nothing to do.",
            f"To take it back: dedupaudit repair undo {run.id}",
        ]
    lines = [f"run {run.id}: {_figures(run)}"]
    if applied.stopped:
        lines.append(f"Stopped: {applied.stopped}. Run the same command again and it goes on.")
    lines += skipped_lines(applied.skipped, run.groups_skipped)
    if applied.proof:
        lines.append(proof_line(applied.proof))
    lines.append(f"To take it back: dedupaudit repair undo {run.id}")
    return lines


def _figures(run: Run) -> str:
    parts = [f"{plural(run.rows_deleted, 'row')} of {plural(run.groups_done, 'ID')} moved into quarantine"]
    parts += [f"{plural(run.rows_merged, 'row')} merged"] if run.rows_merged else []
    parts += [f"{plural(run.children_repointed, 'child row')} re-pointed"] if run.children_repointed else []
    parts += [f"{plural(run.groups_skipped, 'ID')} skipped"] if run.groups_skipped else []
    return ", ".join(parts)


def skipped_lines(skipped: Sequence[Entry], every: int) -> list[str]:
    """Return the groups that were left as they were, and why."""
    lines = [f"  skipped {visible(entry.pk)}: {visible(entry.note or '', 300)}" for entry in skipped]
    if every > len(skipped) and skipped:
        lines.append(f"  and {every - len(skipped):,} more: see the journal" if every > SHOWN else "")
    return [line for line in lines if line]


def proof_line(proof: Proof) -> str:
    """Return conservation in one sentence."""
    if proof.holds:
        return (
            f"Conservation holds: {proof.read:,} rows read = {proof.kept:,} kept + {proof.quarantined:,} in quarantine;"
            f" {proof.deleted:,} deleted = {proof.journalled:,} journalled, every hash equal ({length(proof.seconds)})."
        )
    return (
        f"CONSERVATION DOES NOT HOLD: {proof.read:,} read, {proof.kept:,} kept, {proof.quarantined:,} in quarantine,"
        f" {proof.deleted:,} deleted, {proof.journalled:,} journalled, {proof.mismatched:,} hashes differ,"
        f" {proof.odd_groups:,} groups without one row that stays."
    )


def runs_lines(known: Sequence[Known]) -> list[str]:
    """Return the runs as a table, the oldest first."""
    if not known:
        return ["No repair was ever run here."]
    lines = [f"{'RUN':<23} {'STATE':<12} {'TABLE':<20} {'REMOVED':>10} {'SKIPPED':>8}  STARTED"]
    for one in known:
        run = one.run
        lines.append(
            f"{run.id:<23} {one.state:<12} {visible(run.table_name, 32):<20} {run.rows_deleted:>10,}"
            f" {run.groups_skipped:>8,}  {run.started_at[:19]}Z"
        )
    return lines


def run_lines(known: Known, skipped: Sequence[Entry]) -> list[str]:
    """Return one run in full."""
    run = known.run
    lines = [
        f"run      {run.id}: {known.state}",
        f"table    {visible(run.table_name)} ({visible(run.table_real)})",
        f"by       {visible(run.who)}@{visible(run.host)}, process {run.process}, dedupaudit {visible(run.version)}",
        f"began    {run.started_at}",
        f"ended    {run.finished_at or '-'}",
        f"did      {_figures(run)}, in {plural(run.chunks, 'chunk')}",
    ]
    if run.message:
        lines.append(f"said     {visible(run.message, 500)}")
    if run.proof:
        lines.append(f"proof    {visible(run.proof, 500)}")
    return [*lines, *skipped_lines(skipped, run.groups_skipped)]


def run_json(known: Known) -> dict[str, object]:
    """Return one run for programs."""
    run = known.run
    return {
        "id": run.id,
        "state": known.state,
        "table": run.table_name,
        "started_at": run.started_at,
        "updated_at": run.updated_at,
        "finished_at": run.finished_at,
        "who": run.who,
        "host": run.host,
        "process": run.process,
        "version": run.version,
        "plan_sha256": run.plan,
        "groups_done": run.groups_done,
        "groups_skipped": run.groups_skipped,
        "rows_kept": run.rows_kept,
        "rows_deleted": run.rows_deleted,
        "rows_merged": run.rows_merged,
        "children_repointed": run.children_repointed,
        "proof": json.loads(run.proof) if run.proof else None,
        "message": run.message,
    }


def skipped_json(skipped: Iterable[Entry]) -> list[dict[str, object]]:
    """Return skipped groups for programs."""
    return [{"line": entry.line, "key": json.loads(entry.pk), "why": entry.note} for entry in skipped]
