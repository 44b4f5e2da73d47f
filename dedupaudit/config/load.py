"""Settings from everywhere: flags go before the environment, then the nearest file, then the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dedupaudit.config.files import anchored, find_files, merge, read_file
from dedupaudit.config.models import (
    ConfigFile,
    DatabaseSection,
    DatabaseSettings,
    LogsSettings,
    ObjectsSettings,
    Options,
    Settings,
)
from dedupaudit.config.problems import dotted, invalid, shown_path
from dedupaudit.errors import UsageError
from dedupaudit.nearest import did_you_mean
from dedupaudit.redact import remember
from dedupaudit.urls import parse_named

Section = TypeVar("Section", ObjectsSettings, LogsSettings)

DEFAULT_NAME = "db"
PASSWORD_VARIABLE = "DEDUPAUDIT_PASSWORD"  # noqa: S105 - the variable's name


def load_settings(
    config: Path | None,
    *,
    cwd: Path,
    environ: Mapping[str, str],
    db: Sequence[str] = (),
    overrides: Mapping[str, object] | None = None,
    objects: Mapping[str, object] | None = None,
    logs: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of a run.

    `config` replaces the search for the nearest file; `db` (`URL` or `NAME=URL`) replaces the databases of the files;
    `overrides` are options from flags or environment, by their names in `Options`, where None is "not given": text
    (`30s`, `256MB`), or the seconds and bytes themselves; `objects` and `logs` are likewise fields of `ObjectsSettings`
    and `LogsSettings`. Raises UsageError.
    """
    sources = [read_file(path) for path in find_files(config, cwd, environ)]
    content, origins = merge(sources)
    merged = ConfigFile.model_validate(content)
    options = _overridden(merged.options, overrides or {})
    files = tuple(source.path for source in sources)
    databases = _from_flags(db, cwd) if db else _from_files(merged, origins)
    given = (overrides or {}).get("timeout") is not None
    return Settings(
        databases=tuple(
            _with_environment(_with_timeout(database, options, given), environ.get(PASSWORD_VARIABLE))
            for database in databases
        ),
        tables=merged.tables,
        objects=_laid_over(merged.objects, ObjectsSettings, objects or {}, cwd),
        logs=_laid_over(merged.logs, LogsSettings, logs or {}, cwd),
        options=options,
        config_files=files,
        origins=origins,
    )


def _overridden(options: Options, overrides: Mapping[str, object]) -> Options:
    given = {name: value for name, value in overrides.items() if value is not None}
    unknown = next((name for name in given if name not in Options.model_fields), None)
    if unknown:
        raise UsageError(f"`{unknown}` is no option", did_you_mean(unknown, Options.model_fields))
    try:
        checked = Options.model_validate(given, context={"converted": True})
    except ValidationError as error:
        hint = "correct it where you gave it: each is a flag (--fail-on) and a variable (DEDUPAUDIT_FAIL_ON)"
        raise invalid("options from flags or environment", error, {(): Options}, hint) from None
    return options.model_copy(update={name: getattr(checked, name) for name in given})


def _laid_over(
    configured: Section | None, section: type[Section], given: Mapping[str, object], cwd: Path
) -> Section | None:
    """Return a section with what flags and environment give laid over it; their paths are meant from `cwd`."""
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return configured
    try:
        checked = section.model_validate(given, context={"converted": True})
    except ValidationError as error:
        what, flag = ("the object store", "objects") if section is ObjectsSettings else ("the logs", "logs")
        place = f"{what} from flags or environment"
        hint = f"correct it where you gave it: each is a flag (--{flag}) and a variable (DEDUPAUDIT_{flag.upper()})"
        raise invalid(place, error, {(): section}, hint, lambda path: _flag(str(path[0]))) from None
    values = anchored({name: getattr(checked, name) for name in given}, cwd)
    return (configured or section()).model_copy(update=values)


def _flag(field: str) -> str:
    """Return the flag that gives a field of the object store, or of the logs."""
    name = {"url": "objects", "endpoint": "oss-endpoint", "region": "oss-region", "files": "logs"}.get(field, field)
    return f"--{name.replace('_', '-')}"


def _from_flags(db: Sequence[str], cwd: Path) -> list[DatabaseSettings]:
    named = [parse_named(text) for text in db]
    if len(named) > 1 and not all(name for name, _ in named):
        raise UsageError("several databases, and not all of them have a name", "write --db NAME=URL for each")
    names = [name or DEFAULT_NAME for name, _ in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two databases have the name `{twice}`", "write --db NAME=URL with a name for each")
    return [DatabaseSettings(name, url.below(cwd)) for name, (_, url) in zip(names, named, strict=True)]


def _from_files(merged: ConfigFile, origins: Mapping[tuple[str, ...], Path]) -> list[DatabaseSettings]:
    if merged.databases is not None:
        return [_database(name, section, ("databases", name), origins) for name, section in merged.databases.items()]
    return [_database(DEFAULT_NAME, merged.database, ("database",), origins)] if merged.database else []


def _database(
    name: str, section: DatabaseSection, path: tuple[str, ...], origins: Mapping[tuple[str, ...], Path]
) -> DatabaseSettings:
    if section.url is None:
        # Left out, it would be a shard that nobody audits and nobody misses.
        place = f"{shown_path(origins[path])}: {dotted((*path, 'url'))}"
        raise UsageError(f"{place}: is missing", 'for example url = "sqlite:///app.db", or --db URL')
    # The URL's own password is the most specific, as it is to libpq.
    file = Path(section.password_file) if section.password_file and not section.url.has_password else None
    return DatabaseSettings(name, section.url, section.timeout, file)


def _with_timeout(database: DatabaseSettings, options: Options, given: bool) -> DatabaseSettings:
    """Return the database with the timeout that counts: of flag or environment, its own, or that of all."""
    return replace(database, timeout=options.timeout if given or database.timeout is None else database.timeout)


def _with_environment(database: DatabaseSettings, password: str | None) -> DatabaseSettings:
    """Return the database with the environment's password, where its URL has none: before any password file."""
    if not password:
        return database
    remember(password)
    if database.url.has_password or database.url.scheme == "sqlite":
        return database
    return replace(database, url=database.url.with_password(password), password_file=None)


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (Draft 2020-12) of `dedupaudit.toml`."""
    schema: dict[str, Any] = _without_null(ConfigFile.model_json_schema())
    schema["title"] = "dedupaudit.toml"
    schema["not"] = {"required": ["database", "databases"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_null(schema: Any) -> Any:
    """Return a schema without its nulls: TOML has none, there a key is left out."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _without_null(value) for name, value in schema.items() if not (name == "default" and value is None)}
    if len(kept.get("anyOf", ())) != 1:
        return kept
    (only,) = kept.pop("anyOf")
    return {**only, **kept}
