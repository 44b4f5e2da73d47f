"""Tables for hypothesis to repair: keys that look alike, are blank or NULL; uploads; devices; any primary key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from dedupaudit.causes.explainer import Explained, Explainer
from dedupaudit.config import TableSettings
from dedupaudit.model import Cause
from tests.repair.databases import Database
from tests.repair.oracle import IGNORED, STEPS, Row, Rules

COLUMNS = ("rid", "k1", "k2", "device", "created_at", "shown", "payload", "score")
UPLOAD_COLUMNS = ("status", "oss_key", "file_size", "retry_count")
TEXTS = (
    "a",
    "A",
    "a ",
    "b",
    "B",
    "\u00e9",
    "\u00c9",
    "e\u0301",
    "",
    " ",
    "\t",
    "\u3000",
    None,
    "\U0001f600",
    "it's",
    "x\\",
    "1",
    "01",
)
PRIMARY_KEYS = ("rid", "rid, device", "k2, rid", "")
POLICIES = (None, "oldest", "newest", "most-complete", "score:max")


@dataclass(frozen=True)
class Case:
    """A table with its rows, and how it is to be repaired."""

    rows: tuple[tuple[Any, ...], ...]
    columns: tuple[str, ...]
    primary_key: str
    insensitive: bool
    rules: Rules
    chunk: int

    @property
    def settings(self) -> TableSettings:
        """Return the configuration."""
        return TableSettings(
            key=self.rules.key,
            volatile=IGNORED,
            group=False,
            where="shown = 1" if self.rules.where else False,
        )

    @property
    def named_rows(self) -> list[Row]:
        """Return the rows by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def make(self, database: Database) -> None:
        """Create and fill the table; a table beside it says which rows have equal keys."""
        text = database.text("insensitive" if self.insensitive else "")
        types = dict.fromkeys(COLUMNS + UPLOAD_COLUMNS, "BIGINT") | {"k1": text, "k2": text}
        types |= dict.fromkeys(("device", "payload", "status", "oss_key"), database.text())
        primary = [f"PRIMARY KEY ({self.primary_key})"] if self.primary_key else []
        never_null = {name.strip() for name in self.primary_key.split(",")}
        columns = [f"{name} {types[name]}{' NOT NULL' if name in never_null else ''}" for name in self.columns]
        database.run(database.table("t", [*columns, *primary]))
        database.insert("t", self.rows)
        keys = [f"{name} {text}" for name in self.rules.key]
        database.run(database.table("places", ["place INTEGER", *keys]))
        rows = [(place, *(row[name] for name in self.rules.key)) for place, row in enumerate(self.named_rows)]
        database.insert("places", rows)

    def equal(self, database: Database) -> list[tuple[int, int]]:
        """Ask the server which rows have equal keys."""
        joined = " AND ".join(f"x.{name} = y.{name}" for name in self.rules.key)
        found = database.ask(f"SELECT x.place, y.place FROM places x JOIN places y ON {joined}")
        return [(int(first), int(second)) for first, second in found]

    def explainer(self) -> Explainer | None:
        """Return what stands for the logs, where a cause is given."""
        return _Certain(self.rules.cause) if self.rules.cause else None


class _Certain(Explainer):
    """An explainer that knows the cause of everything."""

    def __init__(self, cause: str) -> None:
        super().__init__()
        self._cause = cause

    def groups(self, scan: Any, groups: Any) -> Iterator[Any]:
        """Yield each group with the one cause."""
        cause = Cause.model_construct(name=self._cause, confidence="proved", why="it is known")
        for group in groups:
            yield group, lambda: Explained(cause, ())


@st.composite
def cases(draw: st.DrawFn, database: Database) -> Case:
    """Draw a table of a few rows, most of which repeat an earlier key."""
    uploads = draw(st.booleans())
    primary = draw(st.sampled_from(PRIMARY_KEYS if database.finds_rows_without_key else PRIMARY_KEYS[:-1]))
    columns = COLUMNS + (UPLOAD_COLUMNS if uploads else ())
    key = draw(st.sampled_from([("k1",), ("k1", "k2"), ("k2", "k1"), ("k2",)]))
    cause = draw(st.sampled_from(["timeout_retry"] * 3 + ["id_collision"] + ([] if uploads else [None, None])))
    rules = Rules(key, uploads, draw(st.sampled_from(POLICIES)), cause, draw(st.booleans()))
    few: dict[str, Sequence[Any]] = {
        "k1": draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)),
        "k2": draw(st.lists(st.sampled_from([text for text in TEXTS if text is not None]), min_size=1, max_size=2)),
        "device": draw(st.sampled_from([["d1"], ["d1", "d2"]])),
        "created_at": [None, 1_766_577_600_000, 1_766_577_600_001, 1_766_577_630_000, 1_766_664_000_000],
        "shown": [1, 1, 1, 0] if rules.where else [1],
        "payload": draw(st.sampled_from([["x"], ["x", "y", "", None]])),
        "score": draw(st.sampled_from([[5], [None, 0, 7, 2**53 + 1]])),
        "status": draw(st.sampled_from([["completed"], STEPS, ["completed", "?"]])),
        "oss_key": draw(st.sampled_from([["o1"], ["o1", None], ["o1", "o2"]])),
        "file_size": draw(st.sampled_from([[9], [9, None], [9, 10]])),
        "retry_count": draw(st.sampled_from([[0], [0, 1, 3, None]])),
    }  # fmt: skip
    values = st.tuples(*(st.sampled_from(few[name]) for name in columns[1:]))
    # Half of the rows are like another one but for the time: most keys repeat.
    drawn = draw(st.lists(values, min_size=1, max_size=6))
    moments = st.sampled_from(few["created_at"])
    copies = [(*row[:3], draw(moments), *row[4:]) for row in draw(st.lists(st.sampled_from(drawn), max_size=7))]
    number = len(drawn) + len(copies)
    rids = draw(st.permutations(range(number))) if primary else [draw(st.integers(0, 2)) for _ in range(number)]
    rows = tuple((rid, *row) for rid, row in zip(rids, [*drawn, *copies], strict=True))
    return Case(rows, columns, primary, draw(st.booleans()), rules, draw(st.sampled_from([2, 3, 200])))
