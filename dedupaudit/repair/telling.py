"""What `repair` says to people: the plan, the question before an apply, and what came of it.

Lines are wrapped to `width`; a command to be typed next stands on a line of its own, whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from dedupaudit.conservation import Proof, proof_line
from dedupaudit.display import json_safe, visible
from dedupaudit.repair.apply import SHOWN, Applied
from dedupaudit.repair.journal import Entry, Run
from dedupaudit.repair.past import Known, Undone
from dedupaudit.repair.plan import LEFT, Header, Totals
from dedupaudit.repair.run import Offer
from dedupaudit.reports.prose import TOGETHER, counted, labelled, prose
from dedupaudit.reports.words import length, percent, plural

RULES = {
    "earliest": "the rows are identical: the earliest stays",
    "furthest state": "uploads: the row in the furthest state stays",
    "object exists": "uploads: the furthest state stays, with the object that exists",
}
"""Why a row stays, in words for people."""


def chosen_by(rule: str) -> str:
    """Return why a row stays; a policy is named as it was typed."""
    policy = rule.removeprefix("policy ")
    return RULES.get(rule) or f"the rows differ: --on-conflict {visible(policy)} chose which stays"


def left_for(why: str) -> str:
    """Return why a group is left as it is."""
    return f"{visible(why)}: {LEFT[why]}" if why in LEFT else visible(why)


# ---- a plan


def plan_summary(header: Header, width: int = 80, reported: int | None = None) -> list[str]:
    """Return what a plan comes to: what goes, what stays, and why.

    `reported` is how many of the table's IDs the report had that the plan was made of; None where all were looked at.
    """
    totals = header.totals
    first = (
        f"{visible(header.table)}: {plural(totals.rows, 'row')}, {plural(totals.groups, 'ID')} stored more than once"
    )
    if reported is not None:
        first += f", of the {reported:,} that the report names"
    lines = prose(first, width)
    if totals.groups == 0:
        return [*lines, "Nothing to do."]
    return [*lines, "", *_reasons(totals, width)]


def _reasons(totals: Totals, width: int) -> Iterator[str]:
    yield from _removals(totals, width)
    yield from _left(totals, width)
    if totals.causes:
        causes = ", ".join(f"{visible(name)}{TOGETHER}{number:,}" for name, number in totals.causes.items())
        yield from labelled("causes", causes, width)


def _removals(totals: Totals, width: int) -> Iterator[str]:
    if not totals.removed:
        yield from labelled("remove", "nothing", width)
        return
    share = percent(totals.removed / max(totals.rows, 1))
    of = f"{plural(totals.removed, 'row')} ({share} of the table) of {plural(totals.repaired, 'ID')}"
    yield from labelled("remove", of, width)
    for rule, number in totals.rules.items():
        yield from counted(number, chosen_by(rule), width)
    if totals.merged:
        yield from counted(totals.merged, "of these: the row that stays takes values of the others", width)


def _left(totals: Totals, width: int) -> Iterator[str]:
    every = sum(totals.left.values())
    if not every:
        return
    yield from labelled("leave", f"{plural(every, 'ID')} as {'it is' if every == 1 else 'they are'}", width)
    for why, number in totals.left.items():
        yield from counted(number, left_for(why), width)


# ---- apply


def offer_lines(offer: Offer, width: int = 80) -> list[str]:
    """Return what is about to happen, for the question before it does."""
    header = offer.header
    first = f"About to remove {plural(offer.removed, 'row')} of {visible(header.table)} in {offer.place}:"
    lines = [*prose(first, width), *_reasons(header.totals, width)]
    lines += labelled("plan", f"made {length(offer.age)} ago; rows that changed since are left alone", width)
    if offer.inspection.links:
        links = [visible(link.name) for link in offer.inspection.links]
        shown = ", ".join(links[:5]) + (", …" if len(links) > 5 else "")
        keys = f"{plural(len(links), 'foreign key')} ({shown}): child rows are re-pointed to the row that stays"
        lines += labelled("refers", keys, width)
    if offer.resumed:
        run = offer.resumed
        done = f"run {run.id} goes on: {plural(run.rows_deleted, 'row')} of these removed already"
        lines += labelled("resume", done, width)
    safety = "each row goes into quarantine in the transaction that deletes it; `dedupaudit repair undo` brings it back"
    return [*lines, *labelled("safety", safety, width)]


def applied_lines(applied: Applied, width: int = 80, where: str = "") -> list[str]:
    """Return what an apply came to; `where` are the options that name the database, for the next command."""
    run = applied.run
    if run.state == "done" and applied.proof is None and not applied.stopped:
        already = f"This plan was applied already, by run {run.id} at {run.finished_at}: nothing to do."
        return [*prose(already, width), *_back(run, where)]
    lines = prose(f"run {run.id}: {figures(run)}", width)
    if applied.stopped:
        lines += prose(f"Stopped: {visible(applied.stopped, 300)}. Run the same command again and it goes on.", width)
    lines += skipped_lines(applied.skipped, run.groups_skipped, width)
    if applied.proof:
        lines += prose(proof_line(applied.proof), width)
    return [*lines, *_back(run, where)]


def _back(run: Run, where: str) -> list[str]:
    return ["To take it back:", f"  dedupaudit repair undo {run.id}{where}"]


def figures(run: Run) -> str:
    """Return what a run did."""
    parts = [f"{plural(run.rows_deleted, 'row')} of {plural(run.groups_done, 'ID')} moved into quarantine"]
    parts += [f"{plural(run.rows_merged, 'row')} merged"] if run.rows_merged else []
    parts += [f"{plural(run.children_repointed, 'child row')} re-pointed"] if run.children_repointed else []
    parts += [f"{plural(run.groups_skipped, 'ID')} skipped"] if run.groups_skipped else []
    return ", ".join(parts)


def skipped_lines(skipped: Sequence[Entry], every: int, width: int = 80) -> list[str]:
    """Return the groups that were left as they were, and why."""
    lines = []
    for entry in skipped:
        lines += prose(f"  skipped {_named(entry.pk)}: {visible(entry.note or '', 300)}", width, indent=10)
    if every > len(skipped) >= SHOWN:
        more = f"  and {every - len(skipped):,} more: they are in the journal, with the action 'skipped'"
        lines += prose(more, width, indent=6)
    return lines


def _named(pk: str) -> str:
    """Return a row's name, JSON in the journal, as `id = 7`."""
    try:
        parts = json.loads(pk).items()
    except (ValueError, AttributeError):
        return visible(pk)
    return ", ".join(
        f"{visible(name)} = {visible(next(iter(value.values()), '') if isinstance(value, dict) else value)}"
        for name, value in parts
    )


def _stored(proof: str) -> str:
    """Return a proof that was stored, in one sentence."""
    stored = Proof.stored(proof)
    return proof_line(stored) if stored else visible(proof, 500)


# ---- undo


def undo_offer_lines(run: Run, place: str, width: int = 80) -> list[str]:
    """Return what is about to be brought back."""
    rows = plural(run.rows_deleted, "row")
    lines = prose(f"About to bring back {rows} of {visible(run.table_name)} in {place}:", width)
    lines += labelled(
        "run", f"{run.id}, begun {visible(run.started_at)} by {visible(run.who)}@{visible(run.host)}", width
    )
    lines += labelled("did", figures(run), width)
    rest = "rows that it merged and child rows that it re-pointed become again what they were"
    return lines + (labelled("and", rest, width) if run.rows_merged or run.children_repointed else [])


def undone_lines(undone: Undone, width: int = 80) -> list[str]:
    """Return what an undo came to."""
    run = undone.run
    if undone.signum is not None:
        return prose(
            f"Stopped by a signal; nothing is half done. Run the same command again and it goes on: run {run.id}", width
        )
    left = f"; {plural(undone.left, 'row')} left as it is, changed since" if undone.left == 1 else ""
    left = f"; {plural(undone.left, 'row')} left as they are, changed since" if undone.left > 1 else left
    return prose(f"run {run.id} is taken back: {plural(run.rows_deleted, 'row')} restored{left}", width)


def purge_offer_lines(table: str, runs: Sequence[Run], rows: int, place: str, width: int = 80) -> list[str]:
    """Return what is about to be dropped for good."""
    dropped = f"About to drop {plural(rows, 'row')} of {visible(table)} from quarantine in {place}, for good:"
    lines = prose(dropped, width)
    lines += labelled(
        "runs", f"{len(runs):,}, from {runs[0].id} to {runs[-1].id}" if len(runs) > 1 else runs[0].id, width
    )
    return lines + labelled("then", "no undo can bring these rows back; the journal, which holds none, stays", width)


# ---- runs


def runs_lines(known: Sequence[Known], width: int = 80) -> list[str]:
    """Return the runs as a table, the oldest first. Where there is no room, the run's name alone says when it began."""
    if not known:
        return ["No repair was ever run here."]
    rows = [("RUN", "STATE", "REMOVED", "SKIPPED", "STARTED (UTC)", "TABLE")]
    for one in known:
        run = one.run
        started = visible(run.started_at[:16].replace("T", " "))
        figures = f"{run.rows_deleted:,}", f"{run.groups_skipped:,}"
        rows.append((visible(run.id), one.state, *figures, started, visible(run.table_name, 60)))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    fits = sum(widths) + 2 * (len(widths) - 1) <= width
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3].rjust(widths[3])]
        lines.append("  ".join([*cells, *([row[4].ljust(widths[4])] if fits else []), row[5]]).rstrip())
    return lines


def run_lines(known: Known, skipped: Sequence[Entry], width: int = 80, where: str = "") -> list[str]:
    """Return one run in full."""
    run = known.run
    who = f"{visible(run.who)}@{visible(run.host)}, process {run.process}, dedupaudit {visible(run.version)}"
    facts = [
        ("run", f"{visible(run.id)}: {known.state}"),
        ("table", f"{visible(run.table_name)} ({visible(run.table_real)})"),
        ("by", who),
        ("began", visible(run.started_at)),
        ("ended", visible(run.finished_at or "-")),
        ("did", f"{figures(run)}, in {plural(run.chunks, 'chunk')}"),
        *([("said", visible(run.message, 500))] if run.message else []),
        *([("proof", _stored(run.proof))] if run.proof else []),
    ]
    lines = [line for label, text in facts for line in labelled(label, text, width)]
    return [*lines, *skipped_lines(skipped, run.groups_skipped, width), *_next(known, where)]


def _next(known: Known, where: str) -> list[str]:
    """Return what can be done with a run, as commands."""
    run = known.run
    undo = f"  dedupaudit repair undo {visible(run.id)}{where}"
    if known.state == "interrupted" and run.state == "undoing":
        return ["The undo goes on with:", undo]
    if known.state == "interrupted":
        return ["The same `dedupaudit repair apply PLAN` goes on; or take it back:", undo]
    return ["To take it back:", undo] if known.state in ("done", "failed") and not run.is_purged else []


# ---- for programs


def as_json(document: object) -> str:
    """Return one line of JSON that nothing in it can make anything else."""
    return json_safe(json.dumps(document))


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
