"""A large PostgreSQL table is surveyed in a second session: it sees the same moment, and may fail alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.postgresql_strategy import SMALL
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.cli.launching import completed, default_signals, started
from tests.cli.reading import report_of, statuses
from tests.conformance.running import report_of as json_of
from tests.conformance.running import scanned
from tests.faults.targets import BURNING, LOGIN, Postgresql, configuration, fill_many, gone, until, url

ROWS = SMALL + 1_000


@pytest.fixture
def large(postgres: Postgresql) -> Postgresql:
    """Return the server with a table that is worth a second session: each ID twice, of two kinds, and one NULL."""
    fill_many(postgres, "screenshots", ROWS)
    postgres.execute("UPDATE screenshots SET type = 'y' WHERE pk % 4 = 0")
    postgres.execute("UPDATE screenshots SET id = NULL WHERE pk = 9")
    postgres.execute("VACUUM FULL screenshots")
    return postgres


@contextmanager
def opened(target: Postgresql) -> Iterator[tuple[TableSource, Table]]:
    settings = DatabaseSettings("db", parse_database_url(url(target)))
    with closing(open_source(settings, Interrupt(), SILENT)) as source:
        asked = {"screenshots": TableSettings(key=("id",), group="type")}
        yield source, resolve(source, "screenshots", Settings(databases=(settings,), tables=asked))


def test_the_second_session_sees_the_moment_of_the_first(large: Postgresql) -> None:
    with opened(large) as (source, table):
        large.execute("INSERT INTO screenshots (id, type) SELECT 'later', 'y' FROM generate_series(1, 5000)")
        source.survey_soon(table, ("null_ids", "blank_ids"))
        until(lambda: len(large.sessions()) == 1, "the end of the second session")
        found = source.survey(table, ("null_ids", "blank_ids"), ("x", "y"))
    ((rows, first, second),) = large.execute(
        "SELECT count(*), count(*) FILTER (WHERE type = 'x'), count(*) FILTER (WHERE type = 'y') FROM screenshots"
    )
    assert found.rows == rows - 5000
    assert found.suspects == {"null_ids": 1, "blank_ids": 0}
    assert found.kinds == {"x": first, "y": second - 5000}


def ended(target: Postgresql, main: int) -> None:
    """End the second session."""
    for pid, _statement in target.sessions():
        if pid != main:
            target.execute(f"SELECT pg_terminate_backend({pid})")


def test_what_the_second_session_could_not_count_is_counted_in_the_first(large: Postgresql) -> None:
    with opened(large) as (source, table):
        ((main, _statement),) = large.sessions()
        with large.connection() as other:
            other.cursor().execute("LOCK TABLE screenshots IN ACCESS EXCLUSIVE MODE")
            source.survey_soon(table, ("null_ids",))
            until(lambda: any(pid != main and text for pid, text in large.sessions()), "the second session")
            ended(large, main)
            until(lambda: len(large.sessions()) == 1, "its end")
        found = source.survey(table, ("null_ids",), ("y",))
    assert found.suspects == {"null_ids": 1}
    assert found.kinds["y"] > ROWS / 5


def one_connection(target: Postgresql) -> None:
    target.execute(f"ALTER ROLE {LOGIN} CONNECTION LIMIT 1")


def no_export(target: Postgresql) -> None:
    target.execute("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC")


def nothing(target: Postgresql) -> None:
    """Leave the server as it is."""


def test_a_server_that_has_no_second_session_gives_the_same_answer(large: Postgresql) -> None:
    said = []
    for prepare in (nothing, one_connection, no_export):
        prepare(large)
        report = json_of(
            scanned(url(large), {"screenshots": TableSettings(key=("id",), group="type")}, tables=("screenshots",))
        )
        assert report["complete"], report["coverage"]
        said.append((report["summary"], [finding["fingerprint"] for finding in report["findings"]]))
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_a_signal_ends_the_statements_of_both_sessions(
    env: dict[str, str], tmp_path: Path, large: Postgresql, engine: str
) -> None:
    (tmp_path / "dedupaudit.toml").write_text(configuration(url(large), {"screenshots": large.endless}))
    with started(
        ["scan", "screenshots", "-f", "json", "--engine", engine], env, tmp_path, preexec_fn=default_signals
    ) as process:

        def both() -> bool:
            assert process.poll() is None, completed(process)
            # The server cuts the text of a long statement: what never ends is not in that of the survey.
            texts = [text for _, text in large.sessions() if text]
            return len(texts) == 2 and any(BURNING in text for text in texts)

        until(both, "two statements that never end")
        process.send_signal(signal.SIGINT)
        done = completed(process)
    gone(large)
    assert done.code == 130, done.err
    assert statuses(report_of(done))["db.screenshots.duplicate_ids"] == "stopped"
    assert b"Traceback" not in done.err


def test_a_timeout_in_both_sessions_is_one_timeout(large: Postgresql) -> None:
    wanted = {"screenshots": TableSettings(key=("id",), where=large.endless)}
    report = json_of(scanned(url(large), wanted, timeout=2, tables=("screenshots",)))
    gone(large)
    assert report["complete"] is False
    assert {row["status"] for row in report["coverage"] if row["check"] in ("duplicate_ids", "null_ids")} == {"stopped"}
