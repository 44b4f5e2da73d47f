"""What is asked for little imports little: counted, not timed (bench/import_time.py measures)."""

from __future__ import annotations

import pytest

from tests.conftest import Run

HEAVY = {"sqlalchemy", "duckdb", "pydantic", "rich", "psycopg2", "pymysql", "oss2", "requests", "sqlite3", "tomllib"}

# Python's own switch: each module that is imported, one line each, on stderr.
IMPORT_LINES = {"PYTHONPROFILEIMPORTTIME": "1"}


def imported(stderr: bytes) -> set[str]:
    """Return the top-level modules named in Python's lines."""
    lines = [line for line in stderr.decode().splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["scan", "--help"]])
def test_help_and_version_import_nothing_heavy(run: Run, arguments: list[str]) -> None:
    done = run(*arguments, env=IMPORT_LINES)
    modules = imported(done.err)
    assert done.code == 0
    assert "click" in modules
    assert not modules & HEAVY
