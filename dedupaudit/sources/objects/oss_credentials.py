"""Who asks: access keys from the environment, a file, or the role of an ECS instance, for oss2 to sign with.

Every secret is remembered for `redact` as soon as it is read. Keys that expire are read again.
"""

from __future__ import annotations

import configparser
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.redact import remember

if TYPE_CHECKING:
    from oss2.credentials import Credentials

METADATA = "http://100.100.100.200/latest/meta-data/ram/security-credentials/"
"""Where an ECS instance learns the keys of its role."""

_LARGEST = 65_536
_FILE_VARIABLE = "OSS_CREDENTIALS_FILE"
_HINT = (
    "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN for STS) in the environment, "
    f"or name a file by {_FILE_VARIABLE}"
)
# As ossutil, the CLI, STS and the SDKs write them, without case, `-` and `_`.
_ID = ("accesskeyid",)
_SECRET = ("accesskeysecret",)
_TOKEN = ("securitytoken", "ststoken", "sessiontoken")


class Keys(Protocol):
    """What oss2 signs with: it calls `get_credentials` for every request."""

    described: str
    """Where the keys come from, for errors."""

    def get_credentials(self) -> Credentials:
        """Return the keys of now."""

    def renew(self) -> bool:
        """Read the keys again because the server called them expired; say whether there are others now."""


def choose(wanted: str) -> Keys:
    """Return the keys that `auto`, `environment`, `file:PATH` or `ecs:ROLE` mean; raises UsageError."""
    silence()
    kind, _, rest = wanted.partition(":")
    if kind == "auto":
        kind, rest = _automatic()
    if kind == "environment" and not rest:
        return EnvironmentKeys()
    if kind == "file" and rest:
        try:
            return FileKeys(Path(rest))
        except SourceError as error:  # at the beginning it is the setting that is wrong
            raise UsageError(error.message, error.hint) from None
    if kind == "ecs" and rest:
        return RoleKeys(rest)
    raise UsageError(
        f"no such source of OSS credentials: {visible(wanted)}",
        "--credentials is auto, environment, file:PATH or ecs:ROLE",
    )


def silence() -> None:
    """Keep oss2 from logging what it signs and what the metadata service answers: session tokens are in both."""
    logging.getLogger("oss2").setLevel(logging.CRITICAL)


def _automatic() -> tuple[str, str]:
    if os.environ.get("OSS_ACCESS_KEY_ID"):
        return "environment", ""
    file = os.environ.get(_FILE_VARIABLE)
    if file:
        return "file", file
    raise UsageError("there are no OSS credentials", _HINT)


def _credentials(key_id: str, secret: str, token: str | None) -> Credentials:
    from oss2.credentials import Credentials

    remember(secret)
    remember(token)
    return Credentials(key_id, secret, token or "")


class EnvironmentKeys:
    """OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and, for temporary keys of STS, OSS_SESSION_TOKEN."""

    described = "the environment (OSS_ACCESS_KEY_ID)"

    def __init__(self) -> None:
        key_id, secret = (os.environ.get(f"OSS_ACCESS_KEY_{part}", "").strip() for part in ("ID", "SECRET"))
        remember(secret)
        if not key_id or not secret:
            missing = "OSS_ACCESS_KEY_SECRET" if key_id else "OSS_ACCESS_KEY_ID"
            raise UsageError(f"the OSS credentials are incomplete: {missing} is not set", _HINT)
        self._credentials = _credentials(key_id, secret, os.environ.get("OSS_SESSION_TOKEN", "").strip())

    def get_credentials(self) -> Credentials:
        """Return what the environment said."""
        return self._credentials

    def renew(self) -> bool:
        """Return False: the environment of a process does not change."""
        return False


class FileKeys:
    """A file of ossutil, of the CLI or of STS (INI or JSON), read again when it changes: agents rotate keys there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self.described = f"the file {visible(str(path))}"
        self._credentials = self._read()

    def get_credentials(self) -> Credentials:
        """Return what the file said last."""
        return self._credentials

    def renew(self) -> bool:
        """Read the file again."""
        with self._lock:
            before, self._credentials = self._credentials, self._read()
            return bool(vars(before) != vars(self._credentials))

    def _read(self) -> Credentials:
        try:
            with self._path.open("rb") as file:
                text = file.read(_LARGEST).decode("utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SourceError(
                f"cannot read the OSS credentials in {self.described}: {reason}", "name a file that this user can read"
            ) from None
        found = _first_keys(text)
        if found is None:
            raise SourceError(
                f"{self.described} holds no OSS credentials",
                "it needs access_key_id and access_key_secret (and security_token for STS), as INI or JSON",
            )
        return _credentials(*found)


def _first_keys(text: str) -> tuple[str, str, str | None] | None:
    """Return ID, secret and token of the first section that has them. Nothing of the text reaches an error."""
    try:
        parsed = json.loads(text)
    except ValueError:
        sections = _ini_sections(text)
    else:
        inner = [value for value in parsed.values() if isinstance(value, dict)] if isinstance(parsed, dict) else []
        sections = [parsed, *inner] if isinstance(parsed, dict) else []
    for section in sections:
        plain = {
            name.lower().replace("-", "").replace("_", ""): value.strip()
            for name, value in section.items()
            if isinstance(value, str)
        }
        key_id, secret, token = (
            next((plain[n] for n in names if plain.get(n)), None) for names in (_ID, _SECRET, _TOKEN)
        )
        remember(secret)
        remember(token)
        if key_id and secret:
            return key_id, secret, token
    return None


def _ini_sections(text: str) -> list[Mapping[str, object]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    return [dict(parser[name]) for name in parser.sections()]


class RoleKeys:
    """The RAM role of the ECS instance that this runs on; oss2 fetches the keys, and again before they expire."""

    def __init__(self, role: str, metadata: str = METADATA) -> None:
        from urllib.parse import quote

        from oss2.credentials import EcsRamRoleCredentialsProvider

        silence()
        self._address = metadata + quote(role, safe="")
        self._provider = EcsRamRoleCredentialsProvider(self._address)
        self._lock = Lock()
        self.described = f"the ECS RAM role {visible(role)}"

    def get_credentials(self) -> Credentials:
        """Return keys that are valid for a while yet; raises SourceError."""
        try:
            credentials = self._provider.get_credentials()
        except Exception:  # noqa: BLE001 (oss2 raises what json, requests and itself raise, with the answer in the text)
            raise SourceError(
                f"no OSS credentials for {self.described}: the metadata service of ECS did not give any",
                "run on an ECS instance that has this role, or use other credentials",
            ) from None
        remember(credentials.get_access_key_secret())
        remember(credentials.get_security_token())
        return credentials

    def renew(self) -> bool:
        """Fetch the keys anew, whatever their date says."""
        from oss2.credentials import EcsRamRoleCredentialsProvider

        with self._lock:
            before = self._provider.credentials
            self._provider = EcsRamRoleCredentialsProvider(self._address)
            now = self.get_credentials()
            return before is None or vars(before) != vars(now)
