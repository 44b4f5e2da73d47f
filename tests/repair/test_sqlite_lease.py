"""SQLite's run lock is a lease: who still has it, and who does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from dedupaudit.config import DatabaseSettings
from dedupaudit.repair.databases.sqlite import SqliteRepair
from dedupaudit.urls import parse_database_url
from tests.conftest import ROOT, SqliteDb

HOLDER = """
import sys, time
from dedupaudit.config import DatabaseSettings
from dedupaudit.repair.databases.sqlite import SqliteRepair
from dedupaudit.urls import parse_database_url
database = SqliteRepair(DatabaseSettings("db", parse_database_url(sys.argv[1]), None))
database.prepare([])
print(database.acquire("t"), flush=True)
time.sleep(600)
"""


def opened(path: Path) -> SqliteRepair:
    return SqliteRepair(DatabaseSettings("db", parse_database_url(f"sqlite:///{path}"), None))


def test_a_holder_that_lives_keeps_others_out_and_one_that_was_killed_does_not(sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE t (x)")
    command = [sys.executable, "-c", HOLDER, f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"True\n"
        with closing(opened(path)) as database:
            assert database.is_held("t")
            assert not database.acquire("t")
            holder.send_signal(signal.SIGKILL)
            # It is gone, and nobody has asked for its end: a zombie.
            os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
            assert not database.is_held("t")
            assert database.acquire("t")


def test_a_lease_that_is_over_is_anybodys(sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE t (x)")
    with closing(opened(path)) as old, closing(opened(path)) as new:
        old.prepare([])
        assert old.acquire("t")
        assert not new.acquire("t")
        new.execute("UPDATE dedupaudit_locks SET expires = 0, host = 'elsewhere'")
        assert new.acquire("t")


def test_a_lease_of_another_host_lasts_its_time(sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE t (x)")
    with closing(opened(path)) as old, closing(opened(path)) as new:
        old.prepare([])
        assert old.acquire("t")
        new.execute("UPDATE dedupaudit_locks SET host = 'elsewhere', process = 1, begun = ''")
        assert new.is_held("t")
        assert not new.acquire("t")
