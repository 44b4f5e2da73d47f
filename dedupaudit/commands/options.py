"""The options that mean the same everywhere, each also `DEDUPAUDIT_<NAME>`, and the settings that they make."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dedupaudit.commands.completing import OF_METAVAR, check_names, config_files
from dedupaudit.reports import FORMATS

if TYPE_CHECKING:
    from dedupaudit.config import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


class _Urls(click.ParamType[str]):
    """Database URLs; several in one environment variable are split where the next URL begins."""

    name = "url"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split before each `scheme://`: a path may hold spaces."""
        from dedupaudit.urls import split_env_urls

        return split_env_urls(rv)


class Names(click.ParamType[str]):
    """Names; several in one environment variable stand between commas or spaces."""

    name = "name"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split at commas and white space."""
        return [name for name in re.split(r"[,\s]+", rv) if name]


class Lines(click.ParamType[str]):
    """Texts that may hold anything; several in one environment variable stand on lines of their own."""

    name = "text"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split at line breaks."""
        return [line for line in rv.split("\n") if line]


class _Words(click.ParamType[str]):
    """Words without a space in them; several in one environment variable stand between white space."""

    name = "word"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split at white space."""
        return rv.split()


class _Globs(click.ParamType[str]):
    """Names and patterns of files; several in one environment variable stand between line breaks or semicolons."""

    name = "glob"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split where no file name is likely to: names may hold spaces and commas."""
        return [name for name in re.split(r"[;\n]+", rv) if name]


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option that `DEDUPAUDIT_<NAME>` gives as well; what it is a name of, a shell completes."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    attributes.setdefault("envvar", "DEDUPAUDIT_" + long.removeprefix("--").replace("-", "_").upper())
    attributes.setdefault("shell_complete", OF_METAVAR.get(attributes.get("metavar", "")))
    return click.option(*names, **attributes)


def _verbose(ctx: click.Context, _parameter: click.Parameter, value: bool | None) -> bool | None:
    if value and ctx.obj is not None:
        ctx.obj.verbose = True
    return value


_OUTPUT = (
    option("-o", "--output", metavar="FILE", help="Where the report goes; - is stdout."),
    option("--no-color", is_flag=True, default=None, help="No colour (NO_COLOR works too)."),
)
_HISTORY = option(
    "--history", metavar="FILE|none", help="Where runs are kept; none keeps nothing.  [default: in your state folder]"
)
_CONFIG = option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    shell_complete=config_files,
    help="Configuration; without it the nearest dedupaudit.toml.",
)
_STORE = (
    option("--objects", metavar="URL", help="oss://BUCKET/PREFIX/ or file:///DIR."),
    option("--oss-endpoint", metavar="URL", help="Where the bucket is: https://oss-cn-hangzhou.aliyuncs.com."),
    option("--oss-region", metavar="REGION", help="For the signature: cn-hangzhou."),
)
_SIGNING = (
    option("--credentials", metavar="FROM", help="auto, environment, file:PATH or ecs:ROLE.  [default: auto]"),
    option("--signature", type=click.Choice(("v4", "v1")), help="How requests are signed.  [default: v4]"),
)
_GROUPS: dict[str, tuple[Callable[[Command], Command], ...]] = {
    "database": (
        option("--db", multiple=True, type=_Urls(), metavar="URL",
               help="postgresql://user@host/db, mysql://…, mariadb://…, sqlite:///app.db. Repeatable;"
                    " NAME=URL names a shard."),
        _CONFIG,
        option("--timeout", metavar="DURATION", help="Limit for each statement: 30s, 10min. None by default."),
    ),
    "output": (
        option("-f", "--format", type=click.Choice(tuple(FORMATS)), help="Form of the report.  [default: terminal]"),
        *_OUTPUT,
    ),
    "answer": (
        option("-f", "--format", type=click.Choice(("terminal", "json")), help="Form of the answer."
               "  [default: terminal]"),
        *_OUTPUT,
    ),
    "proof": (
        option("-f", "--format", type=click.Choice(("terminal", "json", "html", "markdown")), help="Form of the answer."
               "  [default: terminal]"),
        *_OUTPUT,
    ),
    "mask": (
        option("--mask", multiple=True, type=Names(), metavar="COLUMN",
               help="Replace its values by a keyed hash: equal ones stay equal. Repeatable."),
        option("--mask-key-file", metavar="FILE", help="Holds the hash's key; so does DEDUPAUDIT_MASK_KEY."),
    ),
    "keep": (
        option("--baseline", metavar="last|RUN|FILE",
               help="Fail only on what is new since then: the history, one of its runs, or a report."),
        _HISTORY,
        option("--notify", multiple=True, type=_Words(), metavar="URL",
               help="Tell of new problems once, and once when they are gone: mailto://…, slack://…, dingtalk://…"),
        option("--lock", is_flag=True, default=None, help="Exit 75 where another run looks at the same database."),
    ),
    "kept": (_HISTORY, _CONFIG),
    "verdict": (
        option("--fail-on", type=click.Choice(("low", "medium", "high", "none")),
               help="Exit 1 for findings of at least this severity.  [default: low]"),
        option("--exit-zero", is_flag=True, default=None, help="Findings do not fail; errors still do."),
    ),
    "checks": (
        option("--distrust-indexes", is_flag=True, default=None,
               help="Read every row, even where a unique index says that there is no duplicate."),
        option("--stuck-after", metavar="DURATION", help="An upload is stuck after this long.  [default: 1h]"),
        option("--engine", type=click.Choice(("auto", "pushdown", "snapshot", "spark")),
               help="Where duplicates are looked for: in the database, or in keys streamed from it.  [default: auto]"),
    ),
    "findings": (
        option("--check", multiple=True, type=Names(), metavar="NAME", shell_complete=check_names,
               help="Only this check. Repeatable."),
        option("--skip-check", multiple=True, type=Names(), metavar="NAME", shell_complete=check_names,
               help="Not this check. Repeatable."),
        option("--findings", metavar="FILE", help="Every finding, streamed: .jsonl, .csv or .parquet."),
        option("--max-findings", type=click.IntRange(min=0), metavar="N",
               help="Findings in the report.  [default: 1000]"),
        option("--memory-limit", metavar="SIZE", help="For the embedded engine.  [default: 256MB]"),
    ),
    "objects": (
        *_STORE,
        option("--inventory", metavar="FILE",
               help="manifest.json of an OSS inventory, here or oss://…: no listing is paid for."),
        option("--template", metavar="KEY", help="An object's key: screenshots/{device_id}/{id}.jpg."),
        option("--grace", metavar="DURATION", help="Younger rows and objects may be on their way.  [default: 1h]"),
        option("--max-missing", metavar="SHARE",
               help="More missing objects than this are taken for a wrong setting.  [default: 50%]"),
        *_SIGNING,
        option("--qps", type=float, metavar="N", help="At most so many requests a second."),
        option("--threads", type=click.IntRange(1, 64), metavar="N",
               help="Ranges of keys listed side by side; 1 lists in one.  [default: 8]"),
    ),
    "store": (*_STORE, *_SIGNING),
    "logs": (
        option("--logs", multiple=True, type=_Globs(), metavar="GLOB",
               help="Log files of client and backend: 'logs/*.log*'. Repeatable."),
        option("--timezone", metavar="ZONE", help="Of times without one: Asia/Shanghai.  [default: UTC]"),
    ),
    "talk": (
        option("-q", "--quiet", is_flag=True, default=None, help="No progress, no remarks; errors still."),
        option("-v", "--verbose", is_flag=True, default=None, callback=_verbose, is_eager=True,
               help="Tracebacks with errors."),
        option("--no-progress", is_flag=True, default=None, help="No progress on the terminal."),
        option("--log-json", is_flag=True, default=None, help="Progress and errors on stderr as JSON, a line each."),
    ),
}  # fmt: skip


# Flags of the object store, and what `[objects]` calls them.
_OBJECT_FIELDS = {
    "objects": "url",
    "oss_endpoint": "endpoint",
    "oss_region": "region",
    **{name: name for name in ("inventory", "template", "grace", "max_missing", "credentials", "signature")},
    **{name: name for name in ("qps", "threads")},
}


def shared(*groups: str) -> Callable[[Command], Command]:
    """Add groups of options to a command: those of _GROUPS, in the order in which `--help` shows them."""

    def decorate(command: Command) -> Command:
        for group in reversed(groups):
            for declare in reversed(_GROUPS[group]):
                command = declare(command)
        return command

    return decorate


def settings_of(given: dict[str, Any]) -> Settings:
    """Return the settings: what flags and environment give goes before what the files say.

    Where these say log_json, all that is said from now on is JSON.
    """
    from dedupaudit.config import load_settings
    from dedupaudit.saying import speak_json

    options = dict(given)
    db = options.pop("db", ())
    config = options.pop("config", None)
    objects = {field: options.pop(flag, None) for flag, field in _OBJECT_FIELDS.items()}
    logs = {"files": list(options.pop("logs", None) or ()) or None, "timezone": options.pop("timezone", None)}
    settings = load_settings(
        config,
        cwd=Path.cwd(),
        environ=os.environ,
        db=db,
        objects=objects,
        logs=logs,
        overrides={
            # A flag that is repeated with the same value says nothing new.
            name: list(dict.fromkeys(value)) if isinstance(value, tuple) else value
            for name, value in options.items()
            if value not in (None, ())
        },
    )
    if settings.options.log_json:
        speak_json()
    return settings


def refuse_bytes(tables: tuple[str, ...]) -> None:
    """Raise UsageError for a name that is not text: no database has it, and drivers crash on it."""
    from dedupaudit.display import visible
    from dedupaudit.errors import UsageError

    for name in tables:
        if any("\ud800" <= char <= "\udfff" for char in name):
            raise UsageError(f"the table's name {visible(name)} is not UTF-8", "type it in a UTF-8 terminal")
