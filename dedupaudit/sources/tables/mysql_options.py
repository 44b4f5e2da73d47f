"""What PyMySQL needs to connect: the URL, then the user's MySQL option file for what the URL leaves open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.redact import remember
from dedupaudit.urls import DatabaseUrl

SSL_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
CONNECT_TIMEOUT = 10
_OPTIONS = (
    "unix_socket",
    "socket",
    "password",
    "passwd",
    "connect_timeout",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "ssl_key_password",
    "ssl_mode",
    "ssl_verify_cert",
    "ssl_verify_identity",
    "ssl_disabled",
    "read_default_file",
    "read_default_group",
    "default_group",
    "charset",
)
_USUAL_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "\\": "\\", "s": " "}
_LARGEST = 1_000_000


@dataclass(frozen=True, repr=False)
class Login:
    """Where to connect, as whom, and how; it has no repr, because it holds the password."""

    host: str
    port: int
    user: str | None
    password: str
    database: str
    socket: str | None
    timeout: int
    ssl_mode: str
    ssl_files: Mapping[str, str]

    @property
    def place(self) -> str:
        """How messages name the server."""
        return visible(f"{self.socket or f'{self.host}:{self.port}'}/{self.database}")


def read_login(url: DatabaseUrl) -> Login:
    """Return the login that a URL means; raises UsageError for an option that does not exist or has a wrong value."""
    query = _known(url.query)
    file = option_file(query, asked="read_default_file" in query)
    password = url.password or query.get("password") or query.get("passwd") or file.get("password") or ""
    remember(password)
    socket = query.get("unix_socket") or query.get("socket")
    if not socket and not url.host and not file.get("host"):
        socket = file.get("socket") or next((path for path in _USUAL_SOCKETS if Path(path).exists()), None)
    database = url.database or file.get("database")
    if not database:
        raise UsageError(
            "the database URL names no database",
            f"say which: {url.scheme}://user@host/DATABASE (SHOW DATABASES lists them)",
        )
    return Login(
        host=url.host or file.get("host") or "localhost",
        port=url.port or _number(file.get("port") or "3306", "port", 65535),
        user=url.username or file.get("user"),
        password=password,
        database=database,
        socket=socket,
        timeout=_number(query.get("connect_timeout", str(CONNECT_TIMEOUT)), "connect_timeout", 31_536_000),
        ssl_mode=_ssl_mode({**{name: file[name] for name in file if name.startswith("ssl_")}, **query}),
        ssl_files={
            name: value
            for name in ("ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password")
            if (value := query.get(name) or file.get(name))
        },
    )


def option_file(query: Mapping[str, str], *, asked: bool) -> dict[str, str]:
    """Return the options of the user's option file; one that was asked for has to be there."""
    path = Path(query.get("read_default_file", "~/.my.cnf")).expanduser()
    named = query.get("default_group") or query.get("read_default_group")
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST).decode("utf-8", "surrogateescape")
    except (OSError, ValueError) as error:
        if not asked:
            return {}
        reason = error.strerror if isinstance(error, OSError) else "not a file's name"
        raise UsageError(
            f"cannot read the option file {visible(str(path))}: {reason}", "check read_default_file in the database URL"
        ) from None
    found = parse_option_file(text, (named,) if named else ("client", "client-mariadb"))
    remember(found.get("password"))
    return found


def parse_option_file(text: str, groups: tuple[str, ...]) -> dict[str, str]:
    """Return the options of some groups, with _ for - in their names; the last one of a name counts, as in MySQL."""
    found: dict[str, str] = {}
    group = ""
    for line in map(str.strip, text.splitlines()):
        if not line or line[0] in "#;!":
            continue
        if heading := re.fullmatch(r"\[([^\]]*)\].*", line):
            group = heading[1].strip()
        elif group in groups:
            name, _, value = line.partition("=")
            found[name.strip().lower().replace("-", "_")] = _option_value(value.strip())
    return found


def _option_value(text: str) -> str:
    quoted = re.match(r"(?P<mark>['\"])(?P<inner>.*)(?P=mark)", text)
    inner = quoted["inner"] if quoted else re.sub(r"\s#.*$", "", text)
    return re.sub(r"\\([btnrs\\])", lambda match: _ESCAPES[match[1]], inner)


def _known(query: Mapping[str, str]) -> dict[str, str]:
    known = {}
    for name, value in query.items():
        plain = name.lower().replace("-", "_")
        if plain not in _OPTIONS:
            guess = nearest(plain, _OPTIONS)
            raise UsageError(
                f"the database URL has an option that MySQL sources do not know: {visible(name)}",
                f"did you mean {guess}?" if guess else f"it may have {', '.join(_OPTIONS[:-1])}",
            )
        if plain == "charset":
            raise UsageError(
                "the database URL sets a charset, which is not configurable",
                "leave it out: values are read as the bytes they are and decoded by each column's own character set",
            )
        known[plain] = value
    return known


def _ssl_mode(query: Mapping[str, str]) -> str:
    if mode := query.get("ssl_mode"):
        plain = mode.upper().replace("-", "_")
        if plain not in SSL_MODES:
            guess = nearest(plain, SSL_MODES)
            raise UsageError(
                "the database URL's ssl_mode is none that MySQL has",
                f"did you mean {guess}?" if guess else f"it may be {', '.join(SSL_MODES)}",
            )
        return plain
    if _switch(query, "ssl_disabled"):
        return "DISABLED"
    if _switch(query, "ssl_verify_identity"):
        return "VERIFY_IDENTITY"
    if _switch(query, "ssl_verify_cert"):
        return "VERIFY_CA"
    if query.get("ssl_ca") and "ssl_verify_cert" not in query:
        return "VERIFY_CA"
    return "REQUIRED" if query.get("ssl_cert") or query.get("ssl_key") or query.get("ssl_ca") else "PREFERRED"


def _switch(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "0").lower()
    if value not in ("", "0", "1", "true", "false", "yes", "no", "on", "off"):
        raise UsageError(f"the database URL's {name} is neither true nor false", f"write {name}=1 or {name}=0")
    return value in ("", "1", "true", "yes", "on")


def _number(text: str, name: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= largest):
        raise UsageError(f"{name} of the database URL is no number from 1 to {largest}", f"write {name}=10")
    return int(text)
