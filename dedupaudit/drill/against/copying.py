"""What the databases' files have in common: what was copied of a table, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

from dedupaudit.display import visible
from dedupaudit.drill.against.rows import Field
from dedupaudit.drill.scratch.owner import MARKER
from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.table import Table

UNDER_WAY = "the migration is under way: this is dedupaudit's own guard, which keeps duplicates out until it is done"
ONLY_INSERTS = "it does not fire on INSERT, and a drill only inserts"


@dataclass
class Copied:
    """Filled by those who copy. Mutable on purpose: each step adds what it did."""

    name: str
    """The table's own, without its schema."""
    fields: list[Field] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    uncertain: bool = False
    doubts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.name.lower() == MARKER:
            raise UsageError(
                f"--against: {MARKER} is the drill's own table", "name the table that the application writes"
            )

    def leave(self, what: str, why: str, *, uncertain: bool = False, diverts: bool = False) -> None:
        """Write down what was left out. `uncertain`: it may keep duplicates out; `diverts`: it may let them in."""
        self.left_out.append((what, why))
        self.uncertain = self.uncertain or uncertain
        if diverts:
            self.doubts.append(f"{what} was left out, and may give a row another key or another place")


def refuse_kind(table: Table, kind: str) -> UsageError:
    """Return the refusal of what is no plain table."""
    return UsageError(
        f"--against: {visible(table.name)} is a {kind}, and only tables can be drilled", "name the table below it"
    )
