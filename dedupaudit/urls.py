"""Database URLs: parsed without SQLAlchemy (which costs 230 ms at each start), and shown without their secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote

from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.redact import MASK, is_secret_name, remember

SCHEMES = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mariadb",
}
FORMS = "sqlite:///file.db, postgresql://user@host/name, mysql://user@host/name or mariadb://user@host/name"

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*"
_NAME = r"[\w-]+"
_NAMED = re.compile(rf"({_NAME})=(?={_SCHEME}:/)")
_NEXT_URL = re.compile(rf"\s+(?=(?:{_NAME}=)?{_SCHEME}://)")
_IPV6 = "an IPv6 address goes in brackets: [::1]"
_TAKEN = ("objects", "logs")
"""What reports call sources that are no database."""
_NAME_HINT = "a name has 1 to 64 letters, digits, _ and -, for example shard1=postgresql://user@host/name"
_HOST = re.compile(r"\[(?P<ipv6>[0-9A-Za-z:.%_-]+)\](?::(?P<port6>[^\]]*))?|(?P<host>[^:\[\]]*)(?::(?P<port>.*))?")


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """Where a database is and who asks. Its text never holds the password.

    `scheme` is `sqlite`, `postgresql`, `mysql` or `mariadb`, without a driver. Of an SQLite URL only `database` is set:
    the path as it was typed, since `%20` may be part of a file's name. All else is percent-decoded. `query` keeps its
    order.
    """

    scheme: str
    username: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        remember(self.password)
        for name, value in self.query.items():
            if is_secret_name(name):
                remember(value)
        object.__setattr__(self, "query", MappingProxyType(dict(self.query)))

    def __hash__(self) -> int:
        parts = (self.scheme, self.username, self.password, self.host, self.port, self.database)
        return hash((parts, frozenset(self.query.items())))

    def __str__(self) -> str:
        return self.shown()

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.shown()!r})"

    def __reduce__(self) -> tuple[type[DatabaseUrl], tuple[object, ...]]:
        parts = (self.scheme, self.username, self.password, self.host, self.port, self.database, dict(self.query))
        return DatabaseUrl, parts

    @property
    def has_password(self) -> bool:
        """Say whether the URL brings a password itself, before its @ or as `?password=`."""
        return self.password is not None or any(name in self.query for name in ("password", "passwd"))

    def with_password(self, password: str) -> DatabaseUrl:
        """Return the same URL with this password."""
        return replace(self, password=password)

    def below(self, folder: Path) -> DatabaseUrl:
        """Return an SQLite URL whose relative path is meant from `folder`; all other URLs as they are."""
        if self.scheme != "sqlite" or self.database is None:
            return self
        return replace(self, database=str(folder / self.database))

    def shown(self) -> str:
        """Return the URL for people: on one line, every secret as `***`."""
        query = "&".join(
            f"{_encoded(name)}={MASK if is_secret_name(name) else _encoded(value, '/:,')}"
            for name, value in self.query.items()
        )
        tail = f"?{query}" if query else ""
        if self.scheme == "sqlite":
            return f"sqlite:///{_printable(self.database or '')}{tail}"
        user = _encoded(self.username or "")
        if self.password is not None:
            user += f":{MASK}"
        host = (
            f"[{self.host}]"
            if self.host and ":" in self.host and "/" not in self.host
            else _encoded(self.host or "", ",")
        )
        port = f":{self.port}" if self.port is not None else ""
        path = "/" + _encoded(self.database) if self.database else "/" if not host else ""
        return f"{self.scheme}://{user}{'@' if user else ''}{host}{port}{path}{tail}"


def parse_database_url(text: str) -> DatabaseUrl:
    """Return the parts of a URL; its secrets are remembered for `redact.scrub`.

    Raises UsageError, whose text never repeats what was typed: in a URL that does not parse, any part may be secret.
    """
    text = text.lstrip()
    remember_what_may_be_secret(text)
    head, separator, rest = text.partition("://")
    if not separator or not re.fullmatch(_SCHEME, head):
        raise UsageError("the database URL has no scheme", _hint_without_scheme(text))
    scheme = SCHEMES.get(head.lower().partition("+")[0])
    if scheme is None:
        near = nearest(head.partition("+")[0], SCHEMES)
        hint = f"did you mean {near}://? It reads {FORMS}" if near else f"it reads {FORMS}"
        raise UsageError("the database URL's scheme is none that dedupaudit reads", hint)
    return _parse_sqlite(rest) if scheme == "sqlite" else _parse_server(scheme, rest.rstrip())


def parse_named(text: str) -> tuple[str | None, DatabaseUrl]:
    """Return the name and the URL of `NAME=URL`; the name of a bare URL is None. Raises UsageError."""
    text = text.lstrip()
    match = _NAMED.match(text)
    if match:
        check_name(match[1])
        return match[1], parse_database_url(text[match.end() :])
    before, equals, rest = text.partition("=")
    if equals and "://" in rest and "://" not in before:
        remember_what_may_be_secret(text)
        raise UsageError("the name before the database URL is not a name", _NAME_HINT)
    return None, parse_database_url(text)


def check_name(name: str) -> None:
    """Raise UsageError unless this can name a database: reports join it to a table's name with a dot."""
    if not re.fullmatch(_NAME, name) or len(name) > 64:
        raise UsageError("this cannot name a database", _NAME_HINT)
    if name in _TAKEN:
        raise UsageError("reports call another source so", f"choose another name than {' and '.join(_TAKEN)}")


def split_env_urls(text: str) -> list[str]:
    """Return the URLs of one environment variable: white space before `[NAME=]scheme://` separates them.

    White space anywhere else belongs to the URL: an SQLite file may have it in its name.
    """
    return [part for part in _NEXT_URL.split(text.strip()) if part]


def _parse_sqlite(rest: str) -> DatabaseUrl:
    forms = "write sqlite:///file.db (relative) or sqlite:////folder/file.db (absolute)"
    path, _, query = rest.partition("?")
    if path in ("", "/", ":memory:", "/:memory:"):
        raise UsageError("an SQLite database in memory is always empty: there is nothing to audit", forms)
    if not path.startswith("/"):
        raise UsageError("an SQLite URL names a file and no host", forms)
    if "\0" in path:
        raise UsageError("the SQLite URL's path has a NUL character, which no file's name can have", forms)
    return DatabaseUrl("sqlite", database=path[1:], query=_parse_query(query))


def _parse_server(scheme: str, rest: str) -> DatabaseUrl:
    form = f"write {scheme}://user@host:port/name"
    if any(character.isspace() or not character.isprintable() for character in rest):
        raise UsageError(
            "the database URL has a space or a control character", "write a space as %20 in a database URL"
        )
    cut = re.search(r"[/?#]", rest)
    authority, tail = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    if "@" in tail or "#" in tail:
        # `u:12/w@host`: the port would be 12, and the rest of the password would be shown as the database's name.
        raise UsageError(
            "the database URL has an @ or # that is not percent-encoded",
            f"{form}, and in user, password and name / as %2F, ? as %3F, # as %23, @ as %40",
        )
    userinfo, at, place = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    host, port = _parse_host(place, form)
    path, _, query = tail.partition("?")
    return DatabaseUrl(
        scheme,
        username=_decoded(user) if at and user else None,
        password=_decoded(password) if colon else None,
        host=host,
        port=port,
        database=_decoded(path[1:]) or None,
        query=_parse_query(query),
    )


def _parse_host(place: str, form: str) -> tuple[str | None, int | None]:
    match = _HOST.fullmatch(place)
    if match is None:
        raise UsageError("the database URL's host is not valid", f"{form}; {_IPV6}")
    port = match["port6"] if match["ipv6"] else match["port"]
    if port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        hint = f"{form}, and in user and password : as %3A, / as %2F, ? as %3F, # as %23, @ as %40; {_IPV6}"
        raise UsageError("the database URL's port is not a number from 1 to 65535", hint)
    return _decoded(match["ipv6"] or match["host"] or "") or None, int(port) if port else None


def _parse_query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for piece in filter(None, text.split("&")):
        name, equals, value = piece.partition("=")
        if not equals or not name:
            raise UsageError(
                "the database URL's options are not NAME=VALUE pairs",
                "write ?name=value&name=value, with & in a value as %26",
            )
        if _decoded(name) in query:
            raise UsageError("the database URL has an option twice", "say each of its options once")
        # A + stays a +, as libpq has it: `parse_qsl` would make a space of it, also in a password.
        query[_decoded(name)] = _decoded(value)
    return query


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        pass
    # Raised here and not in the handler: the original error carries the text, and -v would print it.
    raise UsageError("the database URL's percent sequences are not UTF-8", "write each byte of the UTF-8 text as %XX")


def _encoded(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors="surrogateescape")


def _printable(text: str) -> str:
    # A file's name may hold a line break, an escape sequence, or bytes that are not UTF-8.
    return "".join(char if char.isprintable() else quote(char, safe="", errors="surrogateescape") for char in text)


def _hint_without_scheme(text: str) -> str:
    head = re.match(rf"({_SCHEME}):", text)
    if head and head[1].lower().partition("+")[0] == "sqlite":
        return "write sqlite:///file.db (relative) or sqlite:////folder/file.db (absolute)"
    return f"write {FORMS}"


def remember_what_may_be_secret(text: str) -> None:
    """Remember the likely secrets of a URL before it is known to parse: a traceback may show the text itself."""
    scheme, _, rest = text.partition("://")
    rest = rest or text
    userinfo, at, _ = rest.rpartition("@")
    # Nobody logs in to a file, and `:` and `@` in its path are no password.
    password = userinfo.partition(":")[2] if at and not scheme.lower().startswith("sqlite") else ""
    remember(password)
    remember(unquote(password))
    for piece in re.split("[?&]", rest):
        name, _, value = piece.partition("=")
        if is_secret_name(name):
            remember(value)
            remember(unquote(value))
