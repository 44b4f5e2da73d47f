"""The embedded engine: DuckDB in a private temporary folder, under a memory limit, with its failures explained."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import held, import_whole, passed_on

if TYPE_CHECKING:
    import duckdb

# What the engine needs at the least, and what it is given at the most: with more it holds pages that it needs no more,
# and is no faster (bench/RESULTS.md).
_LEAST = 48_000_000
_MOST = 64_000_000
_THREADS = 2


class Engine:
    """One DuckDB database of its own, gone when it is closed. A context manager."""

    def __init__(self, memory_limit: int, most: int = _MOST, *, kept: bool = True) -> None:
        """Open it; what is not `kept` is written to disk only where the memory does not hold it, and never synced."""
        import_whole("duckdb")
        import duckdb

        with explained():
            self.folder = Path(tempfile.mkdtemp(prefix="dedupaudit-"))
        # At the latest when the process ends: a signal may come before anybody has this engine to close it.
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        try:
            with explained(self.folder):
                self.connection: duckdb.DuckDBPyConnection = duckdb.connect(
                    str(self.folder / "snapshot.duckdb") if kept else ":memory:",
                    config={
                        "memory_limit": f"{min(max(memory_limit, _LEAST), most) // 1000}KB",
                        "threads": _THREADS,
                        "temp_directory": str(self.folder),
                        "preserve_insertion_order": False,
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                    },
                )
                # The file is deleted in the next moment: nothing needs to be made tidy in it.
                self.connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        except BaseException:
            self._remove()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop everything."""
        with held():
            try:
                self.connection.interrupt()
                self.connection.close()
            finally:
                self._remove()


@contextmanager
def explained(folder: Path | None = None) -> Iterator[None]:
    """Turn failures of the engine and of its files into SourceError; a signal stays Cancelled."""
    import_whole("duckdb")
    import duckdb

    place = visible(str(folder.parent if folder else tempfile.gettempdir()))
    hint = "free some space there, or set TMPDIR to a folder with room: a scan needs about 10 bytes for each row"
    try:
        with passed_on():
            yield
    except OSError as error:
        raise SourceError(f"cannot write temporary files in {place}: {error.strerror}", hint) from error
    except duckdb.OutOfMemoryException as error:
        raise SourceError(
            "the embedded engine ran out of the memory that it may use",
            f"raise --memory-limit, or see that there is room in {place}; a scan with --engine pushdown needs neither",
        ) from error
    except duckdb.Error as error:
        if "No space left" in str(error) or "Could not write" in str(error):
            raise SourceError(f"the disk for temporary files is full: {place}", hint) from error
        raise SourceError(
            f"the embedded engine failed: {visible(str(error), 300)}", "scan with --engine pushdown does without it"
        ) from error
