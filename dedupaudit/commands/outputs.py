"""Refuses a report or findings file in the place of what is read: an audit that overwrites the database has written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.errors import Refused, UsageError
from dedupaudit.history.store import history_path

if TYPE_CHECKING:
    from dedupaudit.config import ObjectsSettings, Settings

# What lies beside a database in one file and is part of it.
_BESIDE = ("", "-journal", "-wal", "-shm")


def refuse_inputs(settings: Settings) -> None:
    """Raise Refused where an output is a file that the run reads, UsageError where both outputs are one file.

    Nor may TMPDIR name nothing: Python would write elsewhere without a word, maybe where there is no room.
    """
    folder = os.environ.get("TMPDIR")
    if folder and not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        raise UsageError(
            f"TMPDIR names {visible(folder)}, which is no folder that this user can write",
            "make that folder, name another, or unset TMPDIR",
        )
    options = settings.options
    named = {"--output": options.output if options.output != "-" else None, "--findings": options.findings}
    outputs = {option: Path(file) for option, file in named.items() if file}
    for option, output in outputs.items():
        for kind, path in _inputs(settings):
            if is_same_file(output, path):
                raise Refused(
                    f"{option} {visible(str(output))} is {kind} that is read here: it would be overwritten",
                    "name another file",
                )
        if _is_object(output, settings):
            raise Refused(
                f"{option} {visible(str(output))} is one of the objects that are read here: it would be overwritten",
                "name a file elsewhere",
            )
    if len(outputs) == 2 and is_same_file(*outputs.values()):
        raise UsageError(
            f"--output and --findings name one file: {visible(str(outputs['--output']))}", "name a file for each"
        )


def _inputs(settings: Settings) -> Iterator[tuple[str, Path]]:
    for database in settings.databases:
        if database.url.scheme == "sqlite" and database.url.database:
            yield from (("the database", Path(database.url.database + suffix)) for suffix in _BESIDE)
        if database.password_file:
            yield "the password file", database.password_file
    if settings.objects:
        yield from _inputs_of(settings.objects)
    if settings.options.mask_key_file:
        yield "the mask's key", Path(settings.options.mask_key_file).expanduser()
    yield from (("the configuration", path) for path in settings.config_files)
    if history := history_path(settings.options, os.environ):
        yield from (("the history", Path(f"{history}{suffix}")) for suffix in _BESIDE)


def _inputs_of(objects: ObjectsSettings) -> Iterator[tuple[str, Path]]:
    if objects.inventory and not objects.inventory.startswith("oss://"):
        manifest = Path(objects.inventory)
        yield from (("the inventory", path) for path in (manifest, manifest.with_name("manifest.checksum")))
    named = objects.credentials.removeprefix("file:") if objects.credentials.startswith("file:") else None
    if file := named or os.environ.get("OSS_CREDENTIALS_FILE"):
        yield "the credentials file", Path(file)


def _is_object(output: Path, settings: Settings) -> bool:
    """Say whether a file is an object of the folder that is held against the rows; a new one is only an orphan."""
    url = settings.objects.url if settings.objects else None
    if not url or not url.startswith("file://"):
        return False
    with suppress(OSError, ValueError):
        return output.exists() and output.resolve().is_relative_to(Path(url.removeprefix("file://")).resolve())
    return False


def is_same_file(first: Path, second: Path) -> bool:
    """Say whether both are one regular file, by whatever names; files that are not there yet go by their paths."""
    with suppress(OSError, ValueError):
        if first.exists() or second.exists():
            return first.is_file() and first.samefile(second)
        return first.resolve() == second.resolve()
    return False
