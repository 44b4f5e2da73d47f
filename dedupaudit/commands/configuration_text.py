"""The text of the `dedupaudit.toml` that `init` writes: one block a table, with what was guessed and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from dedupaudit.commands.toml_text import header, prose, setting
from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.config.load import DEFAULT_NAME
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.redact import is_secret_name
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.propose import SAMPLED_ROWS, Proposal
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import DatabaseUrl

_SHOWN_COLUMNS = 40

_HEAD = (
    "What dedupaudit audits, written by `dedupaudit init` from the database's catalog and the first "
    f"{SAMPLED_ROWS:,} rows of each table. The keys are guesses: read why, correct what is wrong, then type "
    "`dedupaudit scan`.",
    "Lines that begin with # and no space behind it are settings that are switched off. Flags and DEDUPAUDIT_… "
    "variables go before this file; `dedupaudit schema config` prints all that it may say.",
)
_TABLES = (
    "Each table: the name in [tables.NAME] is the one in reports and on the command line. A column that is left out is "
    "found by its usual name; false means that there is none.",
    "    key = [...]            the columns that must be unique, together",
    "    volatile = [...]       ignored when rows are compared",
    '    constraint = "NAME"    what `migrate` calls the unique constraint; not_null = true forbids NULL too',
    "    device, time, group    whose row it is; when it was written; the kinds that inflation is counted by",
    "    timezone               of times that name no zone: Asia/Shanghai, by default UTC",
    "    where                  an SQL condition: which rows are audited",
    "    status, object_key, object_url, size, etag    of an upload and its object",
    "    name                   the real table, where it differs: app.activity_log",
)


@dataclass(frozen=True)
class Entry:
    """One table or view as it was found: no catalog where it could not be read, and `problem` says why."""

    name: str
    catalog: Catalog | None
    proposal: Proposal
    problem: str = ""

    @property
    def is_table(self) -> bool:
        """Whether it is a real table, which holds rows of its own."""
        return self.catalog is not None and self.catalog.kind == "table"

    @property
    def is_active(self) -> bool:
        """Whether it is audited as the file stands: a real table with a name, whose key was guessed."""
        return bool(self.is_table and self.proposal.key and self.name)


def configuration_text(
    databases: Sequence[DatabaseSettings], entries: Sequence[Entry], source: TableSource, folder: Path
) -> str:
    """Return the whole file. `folder` is where it will stand: an SQLite file below it is named from there."""
    blocks = [[line for text in _HEAD for line in prose(text)]]
    blocks += _databases(databases, folder)
    blocks.append([line for text in _TABLES for line in ([f"# {text}"] if text[0] == " " else prose(text))])
    if len(databases) > 1:
        blocks.append(
            prose(f"The tables are those of database {databases[0].name}; every database is audited for them.")
        )
    blocks += [_active(source, entry) if entry.is_active else _switched_off(entry) for entry in entries]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def url_text(url: DatabaseUrl, folder: Path) -> str:
    """Return a URL as it is typed, without its secrets. Raises UsageError for a path that no URL can say."""
    query = {name: value for name, value in url.query.items() if not is_secret_name(name)}
    if url.scheme != "sqlite":
        return replace(url, password=None, query=query).shown()
    path = _sayable(_path_from(folder, Path(url.database or "")))
    if "?" in path:
        raise _unsayable(path, "has a ?, where a URL's options would begin")
    options = "&".join(f"{quote(name, safe='')}={quote(value, safe='/:,')}" for name, value in query.items())
    return f"sqlite:///{path}" + (f"?{options}" if options else "")


def _sayable(path: str) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise _unsayable(path, "is not UTF-8, as TOML must be") from None
    return path


def _unsayable(path: str, why: str) -> UsageError:
    return UsageError(
        f"a configuration cannot name this path, which {why}: {visible(path)}",
        "write the configuration into the folder of the file that it names: -o FOLDER/FILE",
    )


def _path_from(folder: Path, database: Path) -> str:
    """Return the path from `folder` for a file below it, else the absolute one; folders' links are followed."""
    real = Path(os.path.realpath(database.parent)) / database.name
    base = Path(os.path.realpath(folder))
    if not real.is_relative_to(base):
        return str(real)
    below = str(real.relative_to(base))
    return f"./{below}" if below == ":memory:" else below


def _databases(databases: Sequence[DatabaseSettings], folder: Path) -> list[list[str]]:
    blocks = []
    for database in databases:
        single = len(databases) == 1 and database.name == DEFAULT_NAME
        url = url_text(database.url, folder)
        is_relative = database.url.scheme == "sqlite" and not url.startswith("sqlite:////")
        block = [
            header("database") if single else header("databases", database.name),
            setting("url", url, "meant from this file's folder" if is_relative else ""),
        ]
        if database.password_file:
            block.append(setting("password_file", _sayable(str(database.password_file))))
        blocks.append(block)
    blocks[-1] += prose("A password is never written here: a server's comes from DEDUPAUDIT_PASSWORD, or from a file.")
    if not databases[-1].password_file:
        blocks[-1].append(setting("password_file", "/run/secrets/db", off=True))
    blocks[-1].append(setting("timeout", "30min", "for each statement", off=True))
    return blocks


def _active(source: TableSource, entry: Entry) -> list[str]:
    key = tuple(column.name for column in entry.proposal.key)
    # What scan would make of the key alone is what the file shows: one place knows the usual names.
    table = resolve(source, entry.name, Settings(tables={entry.name: TableSettings(key=key)}))
    lines = [header("tables", entry.name), *prose(entry.proposal.why + "."), setting("key", key, "must be unique")]
    if table.device and table.device.name not in key:
        other = setting("key", [table.device.name, *key])
        lines += prose(f"Where two devices may give one ID to different things, it is instead: {other}")
    lines += [
        setting(role, column.name, remark)
        for role, column, remark in (
            ("device", table.device, "whose row it is"),
            ("time", table.time, "when it was written"),
            ("group", table.group, "the kinds that inflation is counted by"),
        )
        if column
    ]
    return lines + _upload(table) + _not_compared(table)


def _upload(table: Table) -> list[str]:
    if table.upload is None:
        status = table.catalog.column("status")
        remark = "only if it is an upload's: pending, uploading, completed, failed"
        return [setting("status", status.name, remark, off=True)] if status else []
    upload = table.upload
    roles = (
        ("status", upload.status, "pending, uploading, completed or failed"),
        ("object_key", upload.object_key, ""),
        ("object_url", upload.object_url, ""),
        ("size", upload.size, "bytes of the object"),
        ("etag", upload.etag, ""),
    )
    return [setting(role, column.name, remark) for role, column, remark in roles if column]


def _not_compared(table: Table) -> list[str]:
    compared = set(table.compared)
    left = [column.name for column in table.catalog.columns if column not in compared and not column.generated]
    return [setting("volatile", left, "the default: ignored when rows are compared", off=True)] if left else []


def _switched_off(entry: Entry) -> list[str]:
    shown = visible(entry.name)
    if not entry.name:
        return prose('A table has the empty name "": no configuration can name it.')
    if entry.catalog is None:
        lines = prose(f"{shown}: its catalog could not be read: {entry.problem}")
    elif entry.catalog.kind == "table":
        lines = prose(
            f"{shown}: which column holds the ID? {entry.proposal.why}. Its columns: {_columns(entry.catalog)}."
        )
    else:
        kind = "a view, whose rows are those of other tables" if entry.catalog.kind == "view" else "a virtual table"
        lines = prose(f"{shown}: {kind}. Its columns: {_columns(entry.catalog)}.")
    key = [column.name for column in entry.proposal.key] or ["COLUMN"]
    return [*lines, header("tables", entry.name, off=True), setting("key", key, off=True)]


def _columns(catalog: Catalog) -> str:
    shown = [_column(column) for column in catalog.columns[:_SHOWN_COLUMNS]]
    rest = len(catalog.columns) - len(shown)
    return ", ".join(shown) + (f", and {rest:,} more" if rest else "")


def _column(column: Column) -> str:
    return f"{visible(column.name)} {visible(column.declared, 40)}" if column.declared else visible(column.name)
