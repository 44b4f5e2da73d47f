"""`dedupaudit init`: reads a live database's catalog and writes a commented dedupaudit.toml to start from."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import option, settings_of, shared

if TYPE_CHECKING:
    from dedupaudit.commands.configuration_text import Entry
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.interrupt import Runtime
    from dedupaudit.sources.tables.catalog import Catalog
    from dedupaudit.sources.tables.protocol import Sample, TableSource

HELP = """\b
Examples:
  dedupaudit init --db sqlite:///app.db
  dedupaudit init --db sqlite:///app.db -o -
  dedupaudit init --db postgresql://auditor@replica/app -o audit/app.toml

Read a database's catalog and the first rows of each table, guess which columns hold the IDs that must be unique, and
write a dedupaudit.toml that says so and why. No password is written into it. Reads only; `dedupaudit scan` comes next.
"""

FILE_NAME = "dedupaudit.toml"


@click.command("init", help=HELP)
@shared("database", "talk")
@option("-o", "--output", metavar="FILE", help=f"Where the configuration goes; - is stdout.  [default: {FILE_NAME}]")
@option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.pass_obj
def command(runtime: Runtime, /, output: str | None, force: bool, **given: Any) -> int:
    """Read the catalog, write the file, and say what to type next."""
    from dedupaudit.commands.configuration_text import configuration_text
    from dedupaudit.progress import SILENT
    from dedupaudit.reports.write import check_writable
    from dedupaudit.sources.tables import open_source

    settings = settings_of(given)
    settings.require_databases()
    path = None if output == "-" else Path(FILE_NAME if output is None else output)
    if path is not None:
        _refuse_to_lose(path, settings.databases, force)
        check_writable(path)
    source = open_source(settings.require_databases()[0], runtime.interrupt, SILENT)
    try:
        entries = _entries(source)
        # `settings.databases` have not read their password files, and name them.
        text = configuration_text(settings.databases, entries, source, path.parent if path else Path.cwd())
    finally:
        source.close()
    if path is not None:
        _refuse_to_lose(path, settings.databases, force)
    _write(path, text)
    if not settings.options.quiet:
        _say(path, entries, settings.databases)
    return 0


def _refuse_to_lose(path: Path, databases: Sequence[DatabaseSettings], force: bool) -> None:
    """Raise Refused for a file that exists, unless it was forced; and for a database in any case."""
    from dedupaudit.display import visible
    from dedupaudit.errors import Refused

    shown = visible(str(path))
    for database in databases:
        if database.url.scheme == "sqlite" and _same(path, Path(database.url.database or "")):
            raise Refused(f"{shown} is the database itself", "name another file by -o FILE")
    # A device or a pipe holds nothing that could be lost; a folder gets its own error.
    if not force and (path.is_file() or (path.is_symlink() and not path.exists())):
        raise Refused(f"{shown} exists already", "write another file by -o FILE, or overwrite this one with --force")


def _same(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return False


def _entries(source: TableSource) -> list[Entry]:
    """Return all tables, then all views, with what is proposed for each. Raises NothingToCheck where there is none."""
    from dedupaudit.commands.configuration_text import Entry
    from dedupaudit.display import visible
    from dedupaudit.errors import NothingToCheck, SourceError
    from dedupaudit.sources.tables.propose import Proposal, propose_key

    names = source.names()
    if not names:
        raise NothingToCheck(
            f"nothing to configure: database {visible(source.name)} has no tables",
            "check that --db names the right database, and that its tables have been created",
        )
    catalogs, problems = {}, {}
    for name in names:
        try:
            if catalog := source.catalog((name,)):
                catalogs[name] = catalog
        except SourceError as error:  # a view whose table is gone, or whose function only its application knows
            problems[name] = error
    if problems and not catalogs:
        raise next(iter(problems.values()))
    tables = [name for name, catalog in catalogs.items() if catalog.kind == "table"]
    entries = []
    for name, catalog in catalogs.items():
        sample = _sample(source, catalog) if catalog.kind == "table" else None
        entries.append(Entry(name, catalog, propose_key(catalog, tables, sample)))
    entries += [Entry(name, None, Proposal((), ""), error.message) for name, error in problems.items()]
    return sorted(entries, key=lambda entry: (not entry.is_table, entry.name))


def _sample(source: TableSource, catalog: Catalog) -> Sample | None:
    """Return a sample of a real table, or None where there is nothing to sample or --timeout allows none."""
    from dedupaudit.errors import StatementStopped
    from dedupaudit.sources.tables.propose import SAMPLED_ROWS, id_columns

    columns = [column.name for column in id_columns(catalog)]
    if not columns:
        return None
    try:
        return source.sample_distinct(catalog, columns, SAMPLED_ROWS)
    except StatementStopped:
        return None


def _write(path: Path | None, text: str) -> None:
    from dedupaudit.reports.write import Replacing, explained

    raw = text.encode("utf-8")  # TOML is UTF-8, whatever the terminal takes
    if path is None:
        sys.stdout.buffer.write(raw)
        sys.stdout.flush()
        return
    with Replacing(path) as file, explained(path):
        file.stream.write(raw)


def _say(path: Path | None, entries: Sequence[Entry], databases: Sequence[DatabaseSettings]) -> None:
    """Say on stderr what was written, what it leaves to the reader, and what to type next."""
    from dedupaudit.display import visible
    from dedupaudit.saying import show

    active = sum(entry.is_active for entry in entries)
    keyless = sum(entry.is_table and not entry.is_active for entry in entries)
    rest = len(entries) - active - keyless
    parts = [f"{_counted(active, 'table')} with a key"]
    parts += [f"{keyless} whose key could not be guessed"] if keyless else []
    parts += [f"{rest:,} switched off (views, and what could not be read)"] if rest else []
    lines = [f"dedupaudit: {'wrote ' + visible(str(path)) if path else 'a configuration'}: {', '.join(parts)}"]
    lines += [
        f"dedupaudit: {visible(entry.name)}: its catalog could not be read: {entry.problem}"
        for entry in entries
        if entry.problem
    ]
    if len(databases) > 1:
        lines.append(f"dedupaudit: the tables are those of database {databases[0].name}, the first of {len(databases)}")
    lines.append(f"  next: {_next(path, active, keyless)}")
    show("init.written", lines)


def _next(path: Path | None, active: int, keyless: int) -> str:
    from dedupaudit.display import visible

    read = "read the keys in it" + (", name the missing ones" if keyless else "") if active else "name a key in it"
    if path is None:
        return f"save it as {FILE_NAME}, {read}, then type: dedupaudit scan"
    found = Path(os.path.abspath(path)) == Path.cwd() / FILE_NAME
    named = "" if found else f" --config {shlex.quote(visible(str(path), len(str(path)) + 2))}"
    return f"{read}, then type: dedupaudit scan{named}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
