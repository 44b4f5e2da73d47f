"""A PostgreSQL in recovery, as replicas are: scanned like any other, and what it cancels is explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from tests.cli.launching import completed, started
from tests.cli.reading import report_of, said, statuses
from tests.conftest import Run
from tests.faults.standby import StandbyServer
from tests.faults.targets import BURNING, DATABASE, LOGIN, PASSWORD, Postgresql, configuration, fill, running, url
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import opened

pytestmark = pytest.mark.xdist_group("standby")


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgresql]:
    # What is committed must be written, or the place that a standby has to reach would lie before it.
    settings = {"max_wal_senders": "4", "wal_level": "replica", "synchronous_commit": "on"}
    with PostgresqlServer(settings=settings) as server:
        yield Postgresql(server)


@pytest.fixture(scope="module")
def standby(primary: Postgresql) -> Iterator[StandbyServer]:
    """Return a standby that cancels at once what stands in the way of its recovery."""
    settings = {"max_standby_streaming_delay": "0", "hot_standby_feedback": "off", "wal_retrieve_retry_interval": "100"}
    with StandbyServer(primary.server, settings) as server:
        yield server


@pytest.fixture
def replica(primary: Postgresql, standby: StandbyServer) -> Postgresql:
    primary.setup()
    fill(primary)
    standby.caught_up()
    return Postgresql(standby)


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_a_server_in_recovery_is_scanned_like_any_other(
    run: Run, primary: Postgresql, replica: Postgresql, engine: str
) -> None:
    arguments = ("scan", "-f", "json", "--engine", engine, "--db")
    here = run(*arguments, url(replica))
    there = report_of(run(*arguments, url(primary)))
    report = report_of(here)
    assert here.code == 1
    assert report["complete"]
    assert report["findings"] == there["findings"]
    assert report["summary"] == there["summary"]
    assert "could write" not in said(here)


def test_a_clean_server_in_recovery_is_0(
    run: Run, primary: Postgresql, replica: Postgresql, standby: StandbyServer
) -> None:
    primary.execute("DELETE FROM activities WHERE id = 'activities_1'")
    primary.execute("ALTER TABLE activities ALTER COLUMN id SET NOT NULL, ADD UNIQUE (id)")
    standby.caught_up()
    assert run("scan", "activities", "--distrust-indexes", "--db", url(replica)).code == 0


def test_a_query_that_recovery_always_cancels_is_incomplete_and_explained(
    env: dict[str, str], tmp_path: Path, primary: Postgresql, replica: Postgresql
) -> None:
    """Each time that the query runs again, the primary removes rows that its snapshot still sees."""
    text = configuration(url(replica), {"activities": replica.endless})
    (tmp_path / "dedupaudit.toml").write_text(text)
    with started(["scan", "-f", "json", "--check", "duplicate_ids"], env, tmp_path) as process:
        running(replica, BURNING, process)
        while process.poll() is None:
            primary.execute("INSERT INTO activities (id) VALUES ('passing')")
            primary.execute("DELETE FROM activities WHERE id = 'passing'")
            primary.execute("VACUUM activities")
        done = completed(process)
    report = report_of(done)
    assert done.code == 3, done.err
    assert report["complete"] is False
    assert statuses(report) == {"db.activities.duplicate_ids": "failed"}
    message = said(done)
    assert "the standby ended the query to go on with its recovery" in message
    assert "max_standby_streaming_delay" in message


def test_a_query_that_recovery_cancels_once_is_tried_again(
    env: dict[str, str], tmp_path: Path, primary: Postgresql, replica: Postgresql
) -> None:
    """A statement limit ends the second try, and says that there was one: recovery alone would have ended the first."""
    text = configuration(url(replica), {"activities": replica.endless, "screenshots": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    arguments = ["scan", "-f", "json", "--check", "duplicate_ids", "--timeout", "8s"]
    with started(arguments, env, tmp_path) as process:
        running(replica, BURNING, process)
        primary.execute("DELETE FROM activities WHERE id = 'activities_2'")
        primary.execute("VACUUM activities")
        done = completed(process)
    became = statuses(report_of(done))
    assert became == {"db.activities.duplicate_ids": "stopped", "db.screenshots.duplicate_ids": "checked"}
    assert b"longer than --timeout allows" in done.err
    assert done.code == 1


def test_a_server_in_recovery_says_how_far_it_is_behind(primary: Postgresql, replica: Postgresql) -> None:
    key = TableSettings(key=("id",))
    # Only the first may see the primary's last message.
    for user, password in (("postgres", None), (LOGIN, PASSWORD)):
        place = replica.server.url(user=user, password=password, database=DATABASE)
        with opened(place, key, name="activities") as (source, _table):
            behind = source.lag()
            assert behind is not None
            assert 0.0 <= behind < 600
            source.renew()
            assert not [remark for remark in source.remarks() if "different moments" in remark]
    with opened(primary.server.url(database=DATABASE), key, name="activities") as (source, _table):
        assert source.lag() == 0.0
