"""The password of a database URL that brings none: from the environment, or from a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dedupaudit.config.problems import shown_path
from dedupaudit.errors import UsageError
from dedupaudit.redact import remember

if TYPE_CHECKING:
    from pathlib import Path

    from dedupaudit.config.models import DatabaseSettings

_LARGEST = 65_536


def with_password(database: DatabaseSettings, said_at: str) -> DatabaseSettings:
    """Return the database with the password of its file, if it has one. Raises UsageError where that cannot be read."""
    if database.password_file is None:
        return database
    password = _read(database.password_file, said_at)
    if database.url.scheme == "sqlite":
        return database  # a file has no login; that the configuration is broken had to be said all the same
    return replace(database, url=database.url.with_password(password), password_file=None)


def _read(file: Path, said_at: str) -> str:
    place = f"{said_at}: {shown_path(file)}"
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file's name"
        raise UsageError(
            f"{place}: cannot read the password: {reason}", "name a file that this user can read"
        ) from None
    hint = "the file holds the password in UTF-8 and nothing else"
    if len(raw) > _LARGEST:
        raise UsageError(f"{place}: too large for a password ({_LARGEST} bytes at most)", hint)
    try:
        password = raw.decode("utf-8")
    except UnicodeDecodeError:
        password = None
    if password is None:
        raise UsageError(f"{place}: the password is not UTF-8", hint)
    password = password.removesuffix("\n").removesuffix("\r")
    if not password or "\0" in password:
        raise UsageError(f"{place}: the password is {'empty' if not password else 'not text'}", hint)
    remember(password)
    return password
