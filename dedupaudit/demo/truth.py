"""What the demo planted, as `truth.json` says it: the figures that an audit must come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dedupaudit.demo.paths import shown
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.model import RowClass

TRUTH_SCHEMA: Final = "dedupaudit.truth/1"

SCAN_CHECKS = (
    "duplicate_ids",
    "null_ids",
    "blank_ids",
    "near_equal_ids",
    "missing_unique",
    "invalid_index",
    "redundant_index",
    "index_disagrees",
    "illegal_state",
    "stuck_upload",
    "incomplete_row",
)


OBJECT_CHECKS = (
    "missing_object",
    "orphan_object",
    "size_mismatch",
    "etag_mismatch",
    "shared_object",
    "unexpected_object",
    "misplaced_object",
    "multipart_leftover",
)

STORE = "objects"
"""The target of findings about objects that no row owns: the store's own name tells where the folder is."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Expected(_Part):
    """One finding that an audit must report."""

    check: str
    target: str = Field(description="a table, or `objects`: the store")
    key: dict[str, str] = Field(default_factory=dict)
    count: int | None = Field(default=None, description="null: any")
    row_class: RowClass | None = Field(default=None, alias="class")
    differs: tuple[str, ...] = Field(default=(), description="columns, sorted")


class Totals(_Part):
    """The exact totals of one table, by the report's names."""

    rows: int
    distinct_ids: int
    duplicate_ids: int
    duplicate_rows: int
    surplus_rows: int
    null_ids: int
    blank_ids: int


class Planted(_Part):
    """One piece of damage: what was done, where, and which of the incident's mechanisms (1 to 8) it shows."""

    mechanism: int | None = Field(default=None, description="its number in the incident's table; null: none of them")
    name: str
    cause: str | None = Field(default=None, description="cause.name in the report, where one applies")
    enabled_by: tuple[str, ...] = ()
    table: str
    ids: tuple[str | None, ...]
    devices: tuple[str, ...]
    planted: str


class Shared(_Part):
    """An object that rows of several IDs point at."""

    object_key: str
    ids: tuple[str, ...]


class Resized(_Part):
    """An object whose size one of its rows does not have: a later picture lies over the earlier one."""

    object_key: str
    id: str
    row_sizes: tuple[int, ...] = Field(description="bytes, as the rows say")
    object_size: int = Field(description="bytes")


class Objects(_Part):
    """What a crosscheck must find. Keys are whole, from the root of the store."""

    stored: int = Field(description="files under objects/")
    bytes: int
    orphans: tuple[str, ...] = Field(description="objects that no row names")
    orphan_bytes: int
    missing: tuple[str, ...] = Field(description="keys of completed rows without an object")
    missing_bytes: int = Field(description="as the rows say")
    unexpected: tuple[str, ...] = Field(description="objects of pending, uploading and failed rows")
    misplaced: tuple[str, ...] = Field(description="IDs whose row does not name the key that the template says")
    shared: tuple[Shared, ...]
    resized: tuple[Resized, ...]
    written_twice: tuple[str, ...] = Field(description="uploaded by two requests side by side")


class Logs(_Part):
    """What the log files hold. A line that says both timeout and re-queue counts as both events."""

    files: int
    lines: int
    bytes: int = Field(description="after unpacking")
    events: dict[str, int]
    requeued_ids: tuple[str, ...]
    repeatedly_received_ids: tuple[str, ...]
    overlapping_ids: tuple[str, ...] = Field(description="sent again while the first upload was still running")


class Truth(_Part):
    """The whole of `truth.json`, which is also the mark of a folder that `demo` made."""

    schema_: Literal["dedupaudit.truth/1"] = Field(default=TRUTH_SCHEMA, alias="schema")
    complete: Literal[True] = True
    seed: int
    rows: int = Field(description="good rows in the background, over all tables")
    checks: tuple[str, ...] = Field(
        default=(*SCAN_CHECKS, *OBJECT_CHECKS), description="the checks that `findings` speaks for"
    )
    tables: dict[str, Totals]
    findings: tuple[Expected, ...]
    cases: tuple[Planted, ...]
    objects: Objects
    logs: Logs
    files: tuple[str, ...] = Field(description="every file that the demo made, relative to its folder")

    def to_json(self) -> str:
        """Return the text of `truth.json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def load_truth(path: Path) -> Truth:
    """Read a `truth.json`, or the one in a demo's folder.

    Raises UsageError where it cannot be read, is no truth of ours, or belongs to a build that did not finish.
    """
    file = path / "truth.json" if path.is_dir() else path
    again = "build the demo again: dedupaudit demo DIR"
    name = shown(file)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read: {_reason(error)}", again) from error
    try:
        return Truth.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        if first["loc"][:1] == ("complete",):
            raise UsageError(f"{name} belongs to a demo whose build did not finish", again) from error
        what = f"{visible(where)}: {visible(first['msg'])}"
        raise UsageError(f"{name} is not a demo's truth: {what}", again) from error


def _reason(error: Exception) -> str:
    return visible((error.strerror if isinstance(error, OSError) else None) or str(error))
