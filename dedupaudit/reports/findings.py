"""`--findings FILE`: every finding, streamed to JSONL, CSV or Parquet while the scan runs; memory stays flat.

The lines are those of `-f jsonl` and `-f csv` too.
JSONL has the report's own findings. CSV and Parquet have the flat COLUMNS: what is nested (key, differs, evidence) is
JSON text, and times are text as in the report. Parquet is made at the end, by DuckDB, from a temporary file beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import BinaryIO, cast

from pydantic_core import to_json

from dedupaudit.display import csv_cell, json_safe, to_ascii, visible
from dedupaudit.errors import UsageError
from dedupaudit.model import Finding
from dedupaudit.reports.streams import json_in_ascii
from dedupaudit.reports.write import Replacing, explanation

COLUMNS: dict[str, str] = {
    "fingerprint": "VARCHAR",
    "check": "VARCHAR",
    "severity": "VARCHAR",
    "verdict": "VARCHAR",
    "source": "VARCHAR",
    "target": "VARCHAR",
    "key": "VARCHAR",
    "count": "BIGINT",
    "class": "VARCHAR",
    "differs": "VARCHAR",
    "first_at": "VARCHAR",
    "last_at": "VARCHAR",
    "gap_seconds": "DOUBLE",
    "message": "VARCHAR",
    "cause": "VARCHAR",
    "confidence": "VARCHAR",
    "suggestion": "VARCHAR",
    "evidence": "VARCHAR",
    "news": "VARCHAR",
    "known_since": "VARCHAR",
}
"""The flat columns and their Parquet types. Like the report's fields, they are only ever added to."""

_ENDINGS = (".jsonl", ".csv", ".parquet")
_NESTED = tuple(name in {"key", "differs", "evidence"} for name in COLUMNS)
_TO_JSON = Finding.__pydantic_serializer__.to_json
_BUFFER = 1 << 20

Cell = str | int | float | None


@contextmanager
def open_findings(path: Path, memory_limit: str | int) -> Iterator[FindingsSink]:
    """Open the sink for a file's ending; `memory_limit` (bytes, or text like `256MB`) is the embedded engine's.

    The end of the block puts the file in its place; an exception in it leaves an earlier file as it was. Raises
    UsageError for another ending and for a place that cannot be written, OutputError where writing fails midway.
    """
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise UsageError(
            f"--findings {visible(str(path))}: the ending does not say in which form",
            f"name a file that ends in {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}",
        )
    with Replacing(path) as file:
        if ending == ".parquet":
            from dedupaudit.reports.parquet import rows_for

            with rows_for(file, COLUMNS, memory_limit) as rows:
                sink = FindingsSink(file, rows, _flat_line)
                yield sink
                sink.close()
        else:
            line, header = (json_line, "") if ending == ".jsonl" else (csv_line, csv_row(COLUMNS))
            sink = FindingsSink(file, file.stream, lambda finding: line(finding).encode(), header.encode())
            yield sink
            sink.close()


class FindingsSink:
    """Where findings go, one by one; made by `open_findings`."""

    def __init__(
        self, file: Replacing, stream: BinaryIO, encode: Callable[[Finding], bytes], header: bytes = b""
    ) -> None:
        self._file, self._stream, self._encode = file, stream, encode
        self._pending = [header]
        self._size = 0

    def write(self, finding: Finding) -> None:
        """Add one finding. Raises OutputError where the disk is full."""
        line = self._encode(finding)
        self._pending.append(line)
        self._size += len(line)
        if self._size > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Hand to the system what was gathered."""
        # The scan runs inside the block: only here is an OSError surely this file's.
        try:
            self._stream.write(b"".join(self._pending))
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise explanation(self._file.path, error) from error
        self._pending.clear()
        self._size = 0

    def discard(self) -> None:
        """Keep nothing of this run: an earlier file stays as it was."""
        self._file.discard()

    def close(self) -> None:
        """Write the rest."""
        self.flush()


def cells(finding: Finding) -> tuple[Cell, ...]:
    """Return a finding's flat row, in the order of COLUMNS."""
    cause, gap = finding.cause, finding.gap_seconds
    return (
        finding.fingerprint,
        finding.check,
        finding.severity,
        finding.verdict,
        finding.source,
        finding.target,
        _json(finding.key),
        finding.count,
        finding.row_class,
        _json(finding.differs) if finding.differs else "[]",
        finding.first_at,
        finding.last_at,
        gap if gap is not None and isfinite(gap) else None,
        finding.message,
        cause.name if cause else None,
        cause.confidence if cause else None,
        finding.suggestion,
        _json(finding.evidence) if finding.evidence else "[]",
        finding.news,
        finding.known_since,
    )


def _json(value: object) -> str:
    return json_safe(to_json(value, inf_nan_mode="null").decode())


def json_line(finding: Finding, *, ascii_only: bool = False) -> str:
    """Return a finding as a line of JSON, exactly as the report has it."""
    return json_safe(_TO_JSON(finding, by_alias=True, ensure_ascii=ascii_only).decode()) + "\n"


def _flat_line(finding: Finding) -> bytes:
    return to_json(dict(zip(COLUMNS, cells(finding), strict=True))) + b"\n"


def csv_line(finding: Finding, *, ascii_only: bool = False) -> str:
    """Return a finding's flat row as a line of CSV: no cell is a formula, and everything in it can be seen."""
    row: Iterable[Cell] = (
        # JSON cannot begin like a formula, and has its own escapes.
        csv_cell(cell) if isinstance(cell, str) and not nested else cell
        for cell, nested in zip(cells(finding), _NESTED, strict=True)
    )
    if ascii_only:
        row = (
            (json_in_ascii if nested else to_ascii)(cell) if isinstance(cell, str) else cell
            for cell, nested in zip(row, _NESTED, strict=True)
        )
    return csv_row(row)


class _Row:
    """What `csv.writer` writes to: it hands the line back."""

    @staticmethod
    def write(line: str) -> str:
        return line


_csv_writer = csv.writer(_Row, lineterminator="\n")


def csv_row(row: Iterable[Cell]) -> str:
    """Return cells as a line of CSV."""
    return cast("str", _csv_writer.writerow(row))
