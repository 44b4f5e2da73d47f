"""A build meets a duplicate, and a look finds none: it is said, and built again, but not for ever.

MariaDB's online build does this by itself now and then. Here, on PostgreSQL, somebody switches the guard off for an
instant, stores a duplicate when the build begins, and takes it away when the rows are cleaned.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import RunFailed
from tests.migrate.migrating import Migrating
from tests.repair.databases import POSTGRESQL

_STORE = """
ALTER TABLE t DISABLE TRIGGER USER;
INSERT INTO t VALUES (99, 'key-1');
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal LOOP
    EXECUTE format('ALTER TABLE t ENABLE ALWAYS TRIGGER %I', name);
  END LOOP;
END $$
"""


class _Said(list[str]):
    """What is announced; a duplicate comes with each of the first `times` builds, and goes with each cleaning."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def append(self, text: str) -> None:
        """Take a line."""
        super().append(text)
        if " build: " in text and self.times:
            self.times -= 1
            POSTGRESQL.run(_STORE)
        elif " clean: " in text:
            POSTGRESQL.run("DELETE FROM t WHERE seq = 99")


def migrating(folder: Path, times: int) -> tuple[Migrating, Path]:
    work = Migrating(POSTGRESQL, folder, {"t": TableSettings(key=("id",))})
    POSTGRESQL.run(
        "CREATE TABLE t (seq bigint PRIMARY KEY, id text NOT NULL)",
        "INSERT INTO t SELECT n, 'key-' || n FROM generate_series(1, 10) n",
    )
    plan = work.plan(strategy="guarded")
    work.said = _Said(times)
    return work, plan


def test_a_build_that_met_a_duplicate_which_is_gone_is_tried_again(tmp_path: Path) -> None:
    work, plan = migrating(tmp_path, times=2)
    done = work.apply(plan)
    assert done.run is not None
    assert (done.run.state, done.exit_code) == ("done", 0)
    assert work.said.count("no key is stored twice: building again") == 2
    assert POSTGRESQL.ask("SELECT count(*) FROM t") == [(10,)]


def test_after_five_such_builds_it_ends_and_says_why(tmp_path: Path) -> None:
    work, plan = migrating(tmp_path, times=100)
    with pytest.raises(RunFailed, match="each time no key was stored twice"):
        work.apply(plan)
    assert work.said.count("no key is stored twice: building again") == 5
