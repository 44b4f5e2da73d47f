"""Versions that the migration does not run on, and known bugs of those it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts, Product
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, has_guard, note, refusal

OLDEST: dict[Product, tuple[int, ...]] = {
    "postgresql": (13,),
    "mysql": (8, 0),
    "mariadb": (10, 6),
    "sqlite": (3, 35),
}
"""The first version of each that the migration runs on."""

_CALLED: dict[Product, str] = {
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
}


@dataclass(frozen=True)
class Bug:
    """A known bug from version `since` to just before `fixed` (None: not known to be fixed)."""

    product: Product
    since: tuple[int, ...]
    fixed: tuple[int, ...] | None
    what: str
    where: str
    """Its number, or the release notes that tell it."""
    corrupts: bool = False
    with_prepared: bool = False
    """Whether only prepared transactions bring it about."""


_FALSE_DUPLICATE = (
    "an online ADD UNIQUE INDEX can fail with a duplicate (1062) that is not in the table: what another session has"
    " rolled back already, or been refused"
)

BUGS: tuple[Bug, ...] = (
    Bug(
        "postgresql",
        (14,),
        (14, 4),
        "CREATE INDEX CONCURRENTLY can miss rows that are updated while it builds: the index is corrupt, and lets"
        " duplicates in",
        "release notes of 14.4",
        corrupts=True,
    ),
    Bug(
        "postgresql",
        (13,),
        (13, 5),
        "CREATE INDEX CONCURRENTLY may not wait for the latest prepared transactions, and miss their rows",
        "release notes of 13.5",
        corrupts=True,
        with_prepared=True,
    ),
    Bug(
        "mysql",
        (8, 0),
        None,
        _FALSE_DUPLICATE,
        "bugs 76895, 104626 and 117237",
    ),
    *(
        Bug("mariadb", (10, minor), (10, minor, fixed), _FALSE_DUPLICATE, "MDEV-15250")
        for minor, fixed in ((6, 8), (7, 4), (8, 3))
    ),
)
"""Bugs of online unique index builds; every one has a number, or release notes that tell it."""


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse what is too old, or would build a corrupt index; tell of what may fail and is tried again."""
    name = _name(facts)
    oldest = OLDEST[facts.product]
    if facts.version < oldest:
        yield refusal(
            f"{name} is too old for a migration: it runs on {_dotted(oldest)} and later",
            "update the server first; without a migration, `dedupaudit repair` removes the duplicates, and a window"
            " without writers takes the constraint",
        )
        return
    if not has_guard(asked):
        return  # one transaction holds the table: nothing is built beside writers
    for bug in BUGS:
        if bug.product != facts.product or not _has(facts.version, bug):
            continue
        if bug.with_prepared and not facts.prepared_transactions:
            continue
        if bug.corrupts:
            yield refusal(
                f"{name} has a known bug: {bug.what} ({bug.where})",
                f"update the server to {_dotted(bug.fixed or ())} or later first",
            )
        else:
            yield note(
                f"{name} has a known bug: {bug.what} ({bug.where})",
                "nothing is changed then: the clean step looks again, and the build is tried again",
            )


def _name(facts: Facts) -> str:
    """Return the product and its version; MariaDB says its name itself."""
    called, text = _CALLED[facts.product], visible(facts.version_text)
    return text if called.lower() in text.lower() else f"{called} {text}"


def _has(version: tuple[int, ...], bug: Bug) -> bool:
    return version >= bug.since and (bug.fixed is None or version < bug.fixed)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
