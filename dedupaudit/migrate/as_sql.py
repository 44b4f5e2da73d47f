"""Writes a migration's plan as a script that a DBA can run by hand, with psql, mysql or sqlite3, step by step.

What the tool does itself (cleaning, waiting, looking) stands there as comments, with the command that does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from dedupaudit.display import escape, visible
from dedupaudit.migrate.plan import WORDS, MigrateHeader, Step
from dedupaudit.migrate.telling_plan import cost, key_of, sql_lines, who_waits
from dedupaudit.reports.prose import prose

_WIDTH = 100
_BEGIN = {"sqlite": "BEGIN IMMEDIATE;", "postgresql": "BEGIN;"}
_SETTINGS = {
    "postgresql": ("\\set ON_ERROR_STOP on", "\\set AUTOCOMMIT on"),
    "sqlite": (".bail on",),
}
_CLIENTS = {
    "postgresql": "psql, without --single-transaction: an index cannot be built CONCURRENTLY inside a transaction",
    "mysql": "mysql or mariadb, without --force: what follows a step that failed must not run",
    "sqlite": "sqlite3",
}
_IF_MISSING = {
    "CREATE SCHEMA dedupaudit": "SELECT 'CREATE SCHEMA dedupaudit' WHERE to_regnamespace('dedupaudit') IS NULL \\gexec"
}
"""What may be there already. (IF NOT EXISTS asks for the right to create it even then.)"""


def plan_as_sql(header: MigrateHeader, steps: Sequence[Step], where: str = "") -> Iterator[str]:
    """Yield the script's lines; `where` are the options that name the database, for the commands in its comments."""
    dialect = _client(header)
    yield from _head(header, dialect, where)
    if not steps:
        yield from _comment(f"Nothing to do: {visible(header.protecting)} keeps {key_of(header)} unique already.")
        return
    yield from _SETTINGS.get(dialect, ())
    together = sum(step.together for step in steps)
    # The one transaction locks everybody else out, a repair too: by hand it is cleaned before it begins.
    ordered = sorted(steps, key=lambda step: step.name != "clean") if together else steps
    begun = False
    for number, step in enumerate(ordered, start=1):
        if begun and not step.together:
            begun = False
            yield from ("", "COMMIT;")
        yield ""
        yield from _what_for(number, step)
        if step.name == "clean":
            yield from _cleaning(header, where, together=step.together)
            continue
        if step.together and not begun:
            begun = True
            yield _BEGIN.get(dialect, "BEGIN;")
        yield from _statements(header, step, dialect)
        yield from _by_hand(header, step)
    if begun:
        yield from ("", "COMMIT;")


def _client(header: MigrateHeader) -> str:
    dialect = header.database.get("dialect", "")
    return "mysql" if dialect == "mariadb" else dialect


def _head(header: MigrateHeader, dialect: str, where: str) -> Iterator[str]:
    yield from _comment(
        f"{visible(header.table)}: make {key_of(header)} unique, by the constraint {visible(header.constraint)}."
        f" Strategy {header.strategy}. Planned at {visible(header.created_at)}"
    )
    yield from _comment(
        "What `dedupaudit migrate apply` runs, to be run by hand: one step after the other, each looked at before the"
        " next. apply does it with retries, patience and proof, goes on where it was killed, and leaves nothing behind."
    )
    yield from _comment(f"For {_CLIENTS.get(dialect, 'the client of this database')}.")
    undo = f"dedupaudit migrate rollback {_word(header.table)}{where}"
    yield from _comment(f"To give up, at any step: {undo}")


def _what_for(number: int, step: Step) -> Iterator[str]:
    yield from _comment(f"{number}. {step.name}: {WORDS[step.name]}.")
    if step.why:
        yield from _comment(f"   why: {escape(step.why)}")
    yield from _comment(f"   {who_waits(step)}; {cost(step)}")
    if any(" CONCURRENTLY " in statement for statement in step.sql):
        yield from _comment(
            "   never inside a transaction; if it fails, it leaves an invalid index, to be dropped first"
        )
    if step.briefly and step.blocks != "nothing":
        yield from _comment("   if it does not get its lock, run it again: others wait behind it while it waits")


def _statements(header: MigrateHeader, step: Step, dialect: str) -> Iterator[str]:
    for statement in step.sql:
        lines = sql_lines(statement)
        bare = statement.rstrip().removesuffix(";")
        if not _can_be_shown(header, bare):
            # What cannot be seen must not reach a terminal as it is, and escaped it is another name.
            yield from _comment("A name in it cannot be shown as it is: only `migrate apply` can run this.")
            yield f"--   {escape(bare)};"
        elif bare in _IF_MISSING:
            yield _IF_MISSING[bare]
        elif dialect == "mysql" and ";" in bare:
            mark = next(mark for mark in ("//", "$$", "||", "@@@@") if mark not in bare)
            yield f"DELIMITER {mark}"
            yield from (*lines[:-1], lines[-1].removesuffix(";"), mark, "DELIMITER ;")
        else:
            yield from lines


def _can_be_shown(header: MigrateHeader, statement: str) -> bool:
    """Say whether a script can hold a statement: every character is seen, and a line break is nobody's name."""
    names = (header.real, header.constraint, *header.key)
    return all(escape(line) == line for line in statement.split("\n")) and not any(
        escape(name) != name and name in statement for name in names
    )


def _cleaning(header: MigrateHeader, where: str, *, together: bool) -> Iterator[str]:
    table = _word(header.table)
    policy = f" --on-conflict {quote(visible(header.on_conflict))}" if header.on_conflict else ""
    limit = ",".join(
        part
        for part in (
            f"{header.max_delete.rows}" if header.max_delete.rows is not None else "",
            f"{header.max_delete.percent:g}%" if header.max_delete.percent is not None else "",
        )
        if part
    )
    yield from _comment("   In another terminal, until the plan finds nothing to remove:")
    yield f"--      dedupaudit repair plan {table}{where}{policy} --max-delete {limit} -o clean.jsonl"
    yield f"--      dedupaudit repair apply clean.jsonl{where} --confirm {table}"
    if together:
        yield from _comment(
            "   Then at once what follows: a duplicate that arrives in between makes the build fail, and"
        )
        yield from _comment("   all of the transaction with it. ROLLBACK, and clean again.")


def _by_hand(header: MigrateHeader, step: Step) -> Iterator[str]:
    """Yield what there is to do by hand where a step has no statement."""
    if step.sql:
        return
    name = visible(header.constraint)
    by_hand = {
        "lock": "   BEGIN did it.",
        "wait": "   Go on when no transaction is open any more that began before the guard was there.",
        "verify": f"   `dedupaudit migrate status {_word(header.table)}` shows the constraint as the catalog has it;"
        f" `dedupaudit scan {_word(header.table)} --distrust-indexes` counts duplicates without the index.",
        "probe": f"   Begin a transaction, insert a copy of a stored row, and roll back: {name} must refuse it.",
    }
    if step.name in by_hand:
        yield from _comment(by_hand[step.name])


def _word(text: str) -> str:
    """Return a name as a word of a command, inside a comment: one line, whatever it holds."""
    return quote(visible(text))


def _comment(text: str) -> Iterator[str]:
    """Yield a comment, wrapped; nothing in `text` ends it."""
    indent = len(text) - len(text.lstrip())
    yield from (f"-- {line}" for line in prose(text, _WIDTH, indent=indent))
