"""What `dedupaudit.toml` may say, section by section, and the Settings that come of files, environment and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dedupaudit.config.values import (
    Columns,
    ColumnsOrNone,
    Credentials,
    DatabaseName,
    Duration,
    Inventory,
    ObjectsUrl,
    Pattern,
    Prefixes,
    Rate,
    RealTable,
    Share,
    Size,
    Switchable,
    Template,
    Texts,
    Threshold,
    Url,
    Zone,
)
from dedupaudit.errors import UsageError
from dedupaudit.urls import DatabaseUrl

LogEvent = Literal[
    "send", "resend", "timeout", "requeue", "receive", "db_write", "response", "response_lost", "upload_done",
    "upload_failed", "idempotent_skip", "concurrent_wait", "retry",
]  # fmt: skip
FailOn = Literal["low", "medium", "high", "none"]
Engine = Literal["auto", "pushdown", "snapshot", "spark"]
Text = Annotated[str, Field(min_length=1)]
Thresholds = Annotated[
    dict[str, Threshold],
    Field(
        description="by the check's name: findings up to so many rows (10), or up to this share of all rows "
        '("0.1%"), do not fail'
    ),
]


class _Section(BaseModel):
    # Strict: `max_findings = "10"` and `quiet = 1` are slips that deserve a word. A wrong value may be a secret, and is
    # not repeated.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class DatabaseSection(_Section):
    """One database as a file names it."""

    url: Url | None = Field(None, description="a relative SQLite path is meant from this file's folder")
    password_file: Text | None = Field(
        None,
        description="its text, less one trailing line break, is the password where neither the URL nor "
        "DEDUPAUDIT_PASSWORD gives one",
    )
    timeout: Duration | None = Field(None, description="for each statement; without it, `options.timeout`")


class TableSettings(_Section):
    """One table, as far as it is configured.

    None means that the usual name is taken where the table has such a column. False (`group = false`, or an empty text)
    means that there is none, although the table has a column of the usual name.
    """

    name: RealTable = Field(None, description="the real table, where it differs: by its name, or schema and name")
    key: Columns | None = Field(None, description="the columns that must be unique, together")
    volatile: ColumnsOrNone | None = Field(None, description="columns ignored when rows are compared; [] for none")
    device: Switchable = Field(None, description="column; here and below, false for none")
    time: Switchable = Field(None, description="column: epoch milliseconds, a zoned or a naive time")
    timezone: Zone = Field("UTC", description="of naive times; an IANA name: Asia/Shanghai")
    group: Switchable = Field(None, description="column: the kinds that inflation is counted by")
    where: Switchable = Field(None, description="SQL condition: which rows are audited")
    status: Switchable = Field(None, description="column: pending, uploading, completed, failed")
    object_key: Switchable = Field(None, description="column")
    object_url: Switchable = Field(None, description="column")
    size: Switchable = Field(None, description="column: bytes of the object")
    etag: Switchable = Field(None, description="column")
    constraint: Text | None = Field(None, description="what `migrate` calls the unique constraint on the key")
    not_null: bool | None = Field(
        None, description="whether `migrate` forbids NULL in the key; without it, NULL stays allowed where it is now"
    )
    thresholds: Thresholds = {}


class ObjectsSettings(_Section):
    """The object store that the rows speak of."""

    url: ObjectsUrl | None = Field(None, description="oss://bucket/prefix/, file:///folder, or file:relative/folder")
    endpoint: Text | None = None
    region: Text | None = None
    template: Template | None = Field(None, description="an object's key; the fields are columns of the row")
    grace: Duration = Field(
        3600.0,
        description="younger rows and objects may still be on their way",
        json_schema_extra={"default": "1h"},
    )
    protect: Prefixes = Field((), description="prefixes whose objects no finding is about")
    also_referenced: Texts = Field((), description="SELECTs of further object keys that are in use")
    inventory: Inventory | None = Field(None, description="the manifest.json of an OSS inventory: a file, or oss://…")
    max_missing: Share = Field(
        0.5,
        description="more missing objects than this share of the rows are taken for a wrong setting",
        json_schema_extra={"default": "50%"},
    )
    credentials: Credentials = Field(
        "auto", description="auto, environment, file:PATH or ecs:ROLE: where the access key comes from"
    )
    signature: Literal["v4", "v1"] = "v4"
    qps: Rate | None = Field(None, description="at most so many requests a second")
    threads: int = Field(8, ge=1, le=64, description="so many ranges of keys are listed side by side")
    thresholds: Thresholds = {}


class LogEventSettings(_Section):
    """A further look of one kind of log line."""

    name: LogEvent
    pattern: Pattern = Field(description=r"a regular expression whose group (?P<id>\w+) finds the ID")


class LogsSettings(_Section):
    """The logs of client and backend."""

    files: Texts = Field((), description="file names and patterns, meant from this file's folder")
    timezone: Zone = Field("UTC", description="of times without one; an IANA name: Asia/Shanghai")
    events: Annotated[tuple[LogEventSettings, ...], Field(strict=False)] = ()
    thresholds: Thresholds = {}


class Options(_Section):
    """The options that mean the same for every command; each is also a flag and `DEDUPAUDIT_<NAME>`."""

    format: Text = "terminal"
    output: Text = Field("-", description="a file, or - for stdout")
    fail_on: Literal["low", "medium", "high", "none"] = "low"
    exit_zero: bool = False
    engine: Literal["auto", "pushdown", "snapshot", "spark"] = "auto"
    check: Texts = Field((), description="only these checks; [] for all")
    skip_check: Texts = ()
    distrust_indexes: bool = False
    findings: Text | None = Field(None, description="a .jsonl, .csv or .parquet file for every finding")
    max_findings: int = Field(1000, ge=0, description="at most so many in the report")
    memory_limit: Size = Field(
        256_000_000, description="of the embedded engine", json_schema_extra={"default": "256MB"}
    )
    timeout: Duration | None = Field(None, description="for each statement; none by default")
    history: Text | None = Field(
        None, description="the file in which runs are kept; none keeps nothing; without it, one in the user's folder"
    )
    baseline: Text | None = Field(
        None, description="fail only on what is new since then: last, the ID of an earlier run, or a report's file"
    )
    notify: Texts = Field((), description="URLs of apprise: who learns of new problems, and of those that are gone")
    lock: bool = Field(False, description="end with exit code 75 where another run looks at the same database")
    mask: Texts = Field((), description="columns whose values are replaced by a keyed hash")
    mask_key_file: Text | None = Field(None, description="its text is the key, unless DEDUPAUDIT_MASK_KEY gives one")
    stuck_after: Duration = Field(3600.0, description="a longer upload is stuck", json_schema_extra={"default": "1h"})
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    no_progress: bool = False
    log_json: bool = Field(False, description="progress and errors on stderr as JSON, a line each")


class ConfigFile(_Section):
    """`dedupaudit.toml`. Flags go before the environment, then the nearest file, then the user's folder."""

    database: DatabaseSection | None = Field(None, description="the only database; reports call it db")
    databases: dict[DatabaseName, DatabaseSection] | None = Field(None, description="each shard, by its name")
    tables: dict[Text, TableSettings] = Field({}, description="by the name in reports and on the command line")
    objects: ObjectsSettings | None = None
    logs: LogsSettings | None = None
    options: Options = Field(default_factory=Options)


@dataclass(frozen=True)
class DatabaseSettings:
    """One database to audit; `timeout` is seconds for each statement, None for no limit."""

    name: str
    url: DatabaseUrl
    timeout: float | None = None
    password_file: Path | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that was configured, whoever said it: what a run needs to know, and where it comes from."""

    databases: tuple[DatabaseSettings, ...] = ()
    tables: Mapping[str, TableSettings] = field(default_factory=dict)
    objects: ObjectsSettings | None = None
    logs: LogsSettings | None = None
    options: Options = field(default_factory=Options)
    config_files: tuple[Path, ...] = ()
    origins: Mapping[tuple[str, ...], Path] = field(default_factory=dict, repr=False)

    def require_databases(self) -> tuple[DatabaseSettings, ...]:
        """Return the databases with their passwords, which are read here: a command without a database needs none.

        Raises UsageError where there is no database, or a password file cannot be read.
        """
        from dedupaudit.config.passwords import with_password

        if not self.databases:
            raise UsageError(
                "no database is configured",
                "name one by --db URL, DEDUPAUDIT_DB, or `url` under [database] in dedupaudit.toml; "
                "for example --db postgresql://auditor@replica/app or --db sqlite:///app.db",
            )
        single = ("database",) in self.origins
        return tuple(
            with_password(
                database, self.where(*(("database",) if single else ("databases", database.name)), "password_file")
            )
            for database in self.databases
        )

    def where(self, *path: str) -> str:
        """Return how errors name a setting: `dedupaudit.toml: tables.activities.key`.

        The file is the nearest that says it; where none does, only the key is named.
        """
        from dedupaudit.config.problems import dotted, shown_path

        file = self.origins.get(path)
        return f"{shown_path(file)}: {dotted(path)}" if file else dotted(path)
