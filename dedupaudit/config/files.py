"""The configuration files: which ones count, reading them with an error for each way to be broken, and merging them."""

from __future__ import annotations

import glob
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dedupaudit.config.models import (
    ConfigFile,
    DatabaseSection,
    LogEventSettings,
    LogsSettings,
    ObjectsSettings,
    Options,
    TableSettings,
)
from dedupaudit.config.problems import invalid, shown_path
from dedupaudit.errors import UsageError
from dedupaudit.model import RUN_ID
from dedupaudit.redact import scrub
from dedupaudit.urls import parse_database_url

FILE_NAME = "dedupaudit.toml"
SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): ConfigFile,
    ("database",): DatabaseSection,
    ("databases", "*"): DatabaseSection,
    ("tables", "*"): TableSettings,
    ("objects",): ObjectsSettings,
    ("logs",): LogsSettings,
    ("logs", "events", "*"): LogEventSettings,
    ("options",): Options,
}
HINT = "`dedupaudit schema config` prints all that the file may say"
_LARGEST = 1_000_000
# Options that name a file, and what in them is none.
_OPTION_FILES = {
    "output": re.compile("-"),
    "findings": re.compile("-"),
    "history": re.compile("none"),
    "baseline": re.compile(f"last|{RUN_ID}"),
    "mask_key_file": re.compile("(?!)"),
}


@dataclass(frozen=True)
class Source:
    """One file that was read: valid by itself, its paths no longer relative."""

    path: Path
    content: dict[str, Any]


def find_files(config: Path | None, cwd: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the files that count, the nearest first: `config` or else the nearest above `cwd`, and the user's own."""
    nearest_file = cwd / config if config else _search_upwards(cwd)
    own = _users_file(environ)
    found = [nearest_file] if nearest_file else []
    if own and _exists(own) and not (nearest_file and _same(own, nearest_file)):
        found.append(own)
    return found


def read_file(path: Path) -> Source:
    """Return a file's content. Raises UsageError, which names every error in it, and no secret."""
    place = shown_path(path)
    try:
        content = tomllib.loads(_text(path, place))
    except RecursionError:
        raise UsageError(f"{place}: nested too deeply", HINT) from None
    except ValueError as error:
        raise _syntax_error(place, error) from None
    try:
        ConfigFile.model_validate(content)
    except ValidationError as error:
        raise invalid(place, error, SECTIONS, HINT) from None
    if "database" in content and "databases" in content:
        raise UsageError(f"{place}: both [database] and [databases]", "name one database, or each shard, and not both")
    _anchor(content, path.parent)
    return Source(path, content)


def merge(sources: list[Source]) -> tuple[dict[str, Any], dict[tuple[str, ...], Path]]:
    """Return one content of several files (the nearest first), and for each key the file that says it.

    Tables, objects, logs and options are merged key by key. The databases are those of the nearest file that names
    any: a shard of the user's own file must not slip into another project's audit. A farther file's password
    never goes to a nearer file's URL: a file that came with somebody's repository could name any server. Nor does a
    farther file's access key sign requests to a nearer file's endpoint.
    """
    merged: dict[str, Any] = {}
    origins: dict[tuple[str, ...], Path] = {}
    for source in sources:
        content = {name: value for name, value in source.content.items() if not name.startswith("database")}
        content |= _databases_beside(merged, source.content)
        if "endpoint" in merged.get("objects", {}):
            content["objects"] = {k: v for k, v in content.get("objects", {}).items() if k != "credentials"}
        _lay_under(merged, content, (), source.path, origins)
    return merged, origins


def _databases_beside(merged: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    form = "databases" if "databases" in content else "database"
    if form not in content or not merged.keys() & {"database", "databases"}:
        return {form: content[form]} if form in content else {}
    if form not in merged:
        return {}
    if form == "database":
        return {form: _without_password(merged[form], content[form])}
    shared = merged[form].keys() & content[form].keys()
    return {form: {name: _without_password(merged[form][name], content[form][name]) for name in shared}}


def _without_password(nearer: dict[str, Any], farther: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in farther.items() if not (key == "password_file" and "url" in nearer)}


def _lay_under(
    merged: dict[str, Any],
    content: dict[str, Any],
    path: tuple[str, ...],
    file: Path,
    origins: dict[tuple[str, ...], Path],
) -> None:
    for name, value in content.items():
        here = (*path, name)
        if isinstance(value, dict):
            below = merged.setdefault(name, {})
            origins.setdefault(here, file)
            _lay_under(below, value, here, file, origins)
        elif name not in merged:
            merged[name] = value
            origins[here] = file


def _search_upwards(cwd: Path) -> Path | None:
    return next((folder / FILE_NAME for folder in (cwd, *cwd.parents) if _exists(folder / FILE_NAME)), None)


def _users_file(environ: Mapping[str, str]) -> Path | None:
    folder, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    # The XDG specification has relative paths ignored.
    if folder and Path(folder).is_absolute():
        return Path(folder) / "dedupaudit" / FILE_NAME
    return Path(home) / ".config" / "dedupaudit" / FILE_NAME if home else None


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return False  # a folder that may not be searched: nobody can say what is in it


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _text(path: Path, place: str) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except IsADirectoryError:
        raise UsageError(
            f"{place}: a folder, not a configuration file", f"name the file: --config …/{FILE_NAME}"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file's name"
        raise UsageError(f"{place}: cannot read the configuration: {reason}", "name another by --config FILE") from None
    if len(raw) > _LARGEST:
        raise UsageError(f"{place}: larger than {_LARGEST:,} bytes: not a configuration file", HINT)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    kind = "UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else f"not UTF-8 (line {line})"
    raise UsageError(f"{place}: the file is {kind}", "save it as UTF-8, the encoding of TOML")


def _syntax_error(place: str, error: ValueError) -> UsageError:
    text = str(error)
    at = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", text)
    reason = scrub(text[: at.start()] if at else text)
    where = f"line {at[1]}, column {at[2]}" if at and at[1] else "at the end of the file" if at else "in a value"
    return UsageError(f"{place}: not valid TOML, {where}: {reason}", 'text goes in quotes: url = "sqlite:///app.db"')


def _anchor(content: dict[str, Any], folder: Path) -> None:
    """Replace each relative path of a valid file's content by the one that it means from the file's folder."""
    for section in [content.get("database", {}), *content.get("databases", {}).values()]:
        if "url" in section:
            section["url"] = parse_database_url(section["url"]).below(folder)
        if "password_file" in section:
            section["password_file"] = str(folder / _at_home(section["password_file"]))
    objects, logs, options = (content.get(name, {}) for name in ("objects", "logs", "options"))
    objects.update(anchored(objects, folder))
    if "files" in logs:
        files = [logs["files"]] if isinstance(logs["files"], str) else logs["files"]
        # The folder's own name may hold a [ or a *: only what the user wrote is a pattern.
        logs["files"] = [str(Path(glob.escape(str(folder))) / file) for file in files]
    for name, words in _OPTION_FILES.items():
        if name in options and not words.fullmatch(options[name]):
            options[name] = str(folder / options[name])
    if "notify" in options:
        urls = [options["notify"]] if isinstance(options["notify"], str) else options["notify"]
        options["notify"] = [_file_below(folder, url) for url in urls]


def _file_below(folder: Path, url: str) -> str:
    """Return `file:PATH` as it is meant from a folder, and every other URL as it is."""
    kind, _, file = url.partition(":")
    return f"file:{folder / _at_home(file)}" if kind == "file" else url


def anchored(objects: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the fields of an object store with each relative path as it is meant from a folder."""
    meant = dict(objects)
    relative = re.match("file:([^/].*)", objects.get("url") or "", re.DOTALL)
    if relative:
        meant["url"] = f"file://{folder / relative[1]}"
    inventory = objects.get("inventory") or "oss://"
    if not inventory.startswith("oss://"):
        local = re.sub("^file:(?://(?=/))?", "", inventory)
        meant["inventory"] = str(folder / _at_home(local))
    kind, _, file = (objects.get("credentials") or "").partition(":")
    if kind == "file":
        meant["credentials"] = f"file:{folder / _at_home(file)}"
    return meant


def _at_home(path: str) -> Path:
    """Return a path whose ~ is the user's folder, where that is known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
