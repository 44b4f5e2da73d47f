"""What a role lacks for a migration, out of what SHOW GRANTS says of it: pure functions over recorded lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dedupaudit.display import visible
from dedupaudit.migrate.databases.mysql_names import Names
from dedupaudit.repair.databases.mysql_tables import Place
from dedupaudit.sources.tables.mysql_facts import has_global, writing_privileges
from dedupaudit.sources.tables.mysql_sql import literal

_TABLE = ("ALTER", "TRIGGER")
_SIDE = ("CREATE", "DROP", "INSERT", "UPDATE")
_ALL = {"ALL", "ALL PRIVILEGES"}


def has_super(grants: Sequence[str]) -> bool:
    """Say whether a role has SUPER, which CREATE TRIGGER may want while the binary log is on."""
    return has_global(grants, "SUPER")


def missing(grants: Sequence[str], names: Names, user: str, *, without_case: bool) -> tuple[str, ...]:
    """Return what a role (`name@host`) lacks, each as the GRANT that gives it; nothing where no grant is known."""
    if not grants:
        return ()
    account, _at, host = user.rpartition("@")
    to = f"TO {literal(account)}@{literal(host)}"
    found = []
    for place, wanted in ((names.place, _TABLE), (names.side, _SIDE)):
        present = set(held(grants, place, without_case=without_case))
        lacking = [one for one in wanted if one not in present and not present & _ALL]
        if lacking:
            # The definer of the guard's triggers also reads the side table.
            listed = ["SELECT", *lacking] if place == names.side else lacking
            found.append(visible(f"GRANT {', '.join(listed)} ON {place.quoted} {to}", 500))
    if not has_global(grants, "PROCESS"):
        found.append(visible(f"GRANT PROCESS ON *.* {to}", 500))
    return tuple(found)


def held(grants: Sequence[str], place: Place, *, without_case: bool) -> Iterator[str]:
    """Yield the privileges that SHOW GRANTS says a role has on a table, of those that change something."""
    as_name = str.lower if without_case else str
    # SHOW GRANTS quotes as the session does.
    ansi = ".".join('"' + name.replace('"', '""') + '"' for name in place)
    own = {as_name(place.quoted), as_name(ansi)}
    for line in writing_privileges(grants, place.schema):
        rights, _on, scope = line.rpartition(" on ")
        if scope.endswith(".*") or as_name(scope) in own:
            yield from rights.split(", ")
