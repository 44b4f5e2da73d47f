"""What a MySQL or MariaDB server says of itself, and what follows: pure functions over recorded facts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

OLDEST_MARIADB = (10, 6)
OLDEST_MYSQL = (8, 0)

# What lets a role change something that an audit reads, or the server's files.
_WRITING = frozenset({
    "ALL PRIVILEGES", "ALL", "INSERT", "UPDATE", "DELETE", "DELETE HISTORY", "CREATE", "DROP", "ALTER", "INDEX",
    "TRIGGER", "SUPER", "FILE", "CREATE ROUTINE", "ALTER ROUTINE", "CREATE VIEW", "EVENT",
})  # fmt: skip
_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<scope>(?:`.*?`|\".*?\"|'.*?'|[^\s`\"'])+) TO ", re.IGNORECASE)
_COLUMNS = re.compile(r"\([^)]*\)")
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)")

Weights = Literal["plain", "padded", "trimmed"]


@dataclass(frozen=True)
class ServerFacts:
    """What the server said when the session began. `settings` are the session variables that it knows."""

    version: str
    comment: str
    settings: frozenset[str]
    max_allowed_packet: int
    database: str
    compared_without_case: bool
    grants: tuple[str, ...] = ()

    @property
    def product(self) -> str:
        """How messages call the server."""
        return product(self.version, self.comment)


@dataclass(frozen=True)
class CollationFacts:
    """What the server answered about one collation.

    `weights` is the way that writes equality as bytes, None where no way was seen to work: `plain` WEIGHT_STRING(k),
    `padded` WEIGHT_STRING(k AS CHAR(n)), `trimmed` WEIGHT_STRING(k) without the weights of trailing spaces.
    """

    name: str
    pads: bool
    weights: Weights | None

    @property
    def bytewise(self) -> bool:
        """Whether keys are equal only where their bytes are."""
        return not self.pads and (self.name == "binary" or self.name.endswith("_bin"))


def product(version: str, comment: str) -> str:
    """Return `MariaDB` or `MySQL`."""
    return "MariaDB" if "mariadb" in f"{version} {comment}".lower() else "MySQL"


def too_old(version: str, comment: str) -> str | None:
    """Return the sentence that refuses a server, or None where it is new enough."""
    name = product(version, comment)
    oldest = OLDEST_MARIADB if name == "MariaDB" else OLDEST_MYSQL
    found = _VERSION.match(version)
    if found and (int(found[1]), int(found[2])) >= oldest:
        return None
    return f"{name} {version} is too old: dedupaudit supports MySQL 8.0+ and MariaDB 10.6+"


def collation_facts(name: str, pads: bool, agreeing: Iterable[Weights]) -> CollationFacts:
    """Choose how equality is written as bytes, of the ways that agreed with the server's own = on probes."""
    agreed = set(agreeing)
    order: tuple[Weights, ...] = ("padded", "trimmed") if pads else ("plain",)
    return CollationFacts(name, pads, next((way for way in order if way in agreed), None))


def writing_privileges(grants: Iterable[str], database: str) -> tuple[str, ...]:
    """Return what SHOW GRANTS says that lets the role change something in a database, as `INSERT on app.*`."""
    found = []
    for grant in grants:
        match = _GRANT.match(grant)
        if match is None or not _covers(match["scope"], database):
            continue
        names = [_COLUMNS.sub("", name).strip().upper() for name in _COLUMNS.sub("", match["privileges"]).split(",")]
        writing = [name for name in names if name in _WRITING]
        if writing:
            found.append(f"{', '.join(writing)} on {match['scope']}")
    return tuple(found)


def has_global(grants: Iterable[str], privilege: str) -> bool:
    """Say whether SHOW GRANTS has a privilege on *.*."""
    for grant in grants:
        match = _GRANT.match(grant)
        if match and match["scope"] == "*.*":
            names = {name.strip().upper() for name in match["privileges"].split(",")}
            if names & {privilege, "ALL PRIVILEGES", "SUPER"} - ({"SUPER"} if privilege != "SUPER" else set()):
                return True
    return False


def _covers(scope: str, database: str) -> bool:
    r"""Say whether the scope of a grant (`*.*`, `app`.*, `app\_%`.*) reaches into a database."""
    if scope == "*.*":
        return True
    quoted = re.match(r"([`\"'])(?P<name>(?:(?!\1).|\1\1)*)\1\.", scope)
    name = quoted["name"] if quoted else scope.partition(".")[0]
    pattern, at = "", 0
    while at < len(name):
        if name[at] == "\\" and at + 1 < len(name):
            pattern += re.escape(name[at + 1])
            at += 2
            continue
        pattern += {"%": ".*", "_": "."}.get(name[at], re.escape(name[at]))
        at += 1
    return bool(re.fullmatch(pattern, database, re.IGNORECASE | re.DOTALL))
