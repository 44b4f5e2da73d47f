"""What a run found, and what became of each check: Finding, Evidence, Coverage."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["high", "medium", "low"]
Verdict = Literal["confirmed", "in_grace", "unknown"]
RowClass = Literal["identical", "mergeable", "conflicting"]
Status = Literal["checked", "skipped", "failed", "stopped"]
Strategy = Literal["catalog", "pushdown", "snapshot", "spark", "listing", "inventory", "file"]
Confidence = Literal["proved", "likely", "none"]
EvidenceKind = Literal["row", "log", "object", "index"]
News = Literal["new", "known"]

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")


class Base64(BaseModel):
    """Bytes, where JSON has none."""

    model_config = ConfigDict(frozen=True)
    base64: str

    @classmethod
    def of(cls, value: bytes) -> Base64:
        """Return bytes in base64."""
        return cls(base64=base64.b64encode(value).decode("ascii"))


KeyValue = str | int | Base64 | None


class Part(BaseModel):
    """A frozen part of the report. Fields that a newer minor version added survive a load and a save."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class Evidence(Part):
    """One fact that a sceptic can look up: a row, a log line, an object, an index."""

    kind: EvidenceKind
    at: str | None = Field(default=None, description="UTC, ISO 8601 with a Z; null where no time is known")
    where: str = Field(description="where to look: `db.activities pk=7`, `app-console.log:88`")
    text: str


class Cause(Part):
    """Why a duplicate exists, and how sure that is."""

    name: str
    confidence: Confidence
    why: str
    enabled_by: tuple[str, ...] = ()


class Finding(Part):
    """One piece of damage, or one condition that lets damage happen."""

    fingerprint: str = Field(description="SHA-256 over check, source, target and key: stable across runs")
    check: str
    severity: Severity
    verdict: Verdict = "confirmed"
    source: str
    target: str
    key: dict[str, KeyValue] = Field(
        default_factory=dict,
        description="real column names to values; {'index': name} for an index, {} for a whole table",
    )
    key_raw: dict[str, Base64] | None = Field(
        default=None, description="the bytes of each part of the key that did not decode"
    )
    count: int = Field(
        description="rows (duplicates, NULL and blank keys, states, objects), keys (near_equal_ids), "
        "IDs (shared_object), or parts (multipart_leftover)"
    )
    row_class: RowClass | None = Field(default=None, alias="class")
    differs: tuple[str, ...] = ()
    first_at: str | None = None
    last_at: str | None = None
    gap_seconds: float | None = Field(default=None, description="last_at - first_at")
    message: str
    evidence: tuple[Evidence, ...] = ()
    cause: Cause | None = None
    suggestion: str = ""
    news: News | None = Field(
        default=None, description="whether the baseline had it; null without a baseline, and where it is not confirmed"
    )
    known_since: str | None = Field(
        default=None, description="when the first run that the baseline knows of found it; null where it is new"
    )


class Coverage(Part):
    """What became of one check on one target. What is not here was not looked at."""

    source: str
    target: str = Field(description="the table's name; `*` where the whole source could not be read")
    check: str
    status: Status
    reason: str | None = Field(default=None, description="why it was skipped, failed or stopped")
    rows: int | None = Field(default=None, description="rows looked at; null where none were counted")
    strategy: Strategy | None = None
    why: str | None = Field(default=None, description="why this strategy, and what was guessed")
    seconds: float = 0.0


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def fingerprint(check: str, source: str, target: str, key: Mapping[str, KeyValue | bytes | float]) -> str:
    """SHA-256 over check, source, target and key, as hexadecimal text.

    The key is written as canonical JSON, so that 1 and "1", or ("a", "bc") and ("ab", "c"), stay apart. Python's bytes
    are text that did not decode, and stay apart from a database's bytes, which are Base64 here.
    """
    parts = {name: _canonical(value) for name, value in key.items()}
    text = _CANONICAL.encode([check, source, target, parts])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: KeyValue | bytes | float) -> object:
    if isinstance(value, bytes):
        return {"text": Base64.of(value).base64}
    return value.model_dump() if isinstance(value, Base64) else value
