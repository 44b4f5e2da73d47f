"""Rows of JSON become Parquet through DuckDB, within its memory limit: the last step of `--findings FILE.parquet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

from dedupaudit.display import visible
from dedupaudit.errors import OutputError, UsageError
from dedupaudit.interrupt import import_whole, passed_on
from dedupaudit.reports.write import Replacing, explained


@contextmanager
def rows_for(file: Replacing, columns: Mapping[str, str], memory_limit: str | int) -> Iterator[BinaryIO]:
    """Take rows (JSON Lines of `columns`, named with their SQL types) and write them to `file` as Parquet at the end.

    `memory_limit` is in bytes, or text such as `256MB`. Raises UsageError and OutputError.
    """
    shown = visible(str(file.path))
    if not file.is_regular:
        raise UsageError(f"{shown} is no regular file, and Parquet cannot be written to a pipe", "use .jsonl or .csv")
    try:
        str(file.written).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{shown} is not UTF-8, and Parquet needs such a name", "name another file") from None
    rows = file.beside("rows")
    try:
        with explained(file.path):
            stream = open(rows, "xb")  # noqa: SIM115 (closed below)
        try:
            yield stream
        finally:
            # The sink has flushed: what cannot be closed here has failed before, and has been explained.
            with suppress(OSError):
                stream.close()
        if not file.discarded:
            _convert(rows, file, columns, memory_limit, shown)
    finally:
        with suppress(OSError):
            rows.unlink()


def _convert(rows: Path, file: Replacing, columns: Mapping[str, str], memory_limit: str | int, shown: str) -> None:
    import_whole("duckdb")
    import duckdb

    spill = file.beside("spill")
    # One thread and a fixed order: the same findings make the same file.
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit}B" if isinstance(memory_limit, int) else memory_limit,
        "threads": 1,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    types = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in columns.items())
    source = f"read_json({_text(_literal(rows))}, format = 'newline_delimited', columns = {{{types}}})"
    # Small groups of rows: what is gathered before it is written counts as memory.
    target = f"{_text(str(file.written))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480, USE_TMP_FILE false)"
    try:
        with passed_on(), duckdb.connect(":memory:", config=config) as engine:
            engine.execute(f"COPY (SELECT * FROM {source}) TO {target}")  # noqa: S608 (quoted by _text)
    except duckdb.OutOfMemoryException as error:
        raise OutputError(
            f"{shown} could not be written: Parquet needs more memory than --memory-limit allows",
            "raise --memory-limit, or use .jsonl, which needs none",
        ) from error
    except duckdb.Error as error:
        raise OutputError(
            f"{shown} could not be written in full: {visible(str(error))}",
            "see that the disk has room for it, or use .jsonl",
        ) from error
    finally:
        rmtree(spill, ignore_errors=True)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literal(path: Path) -> str:
    """Return a path in which DuckDB sees no pattern."""
    import glob

    return glob.escape(str(path))
