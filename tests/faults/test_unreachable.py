"""Databases that cannot be reached, or that are none: exit 3, what is wrong in words, and never a clean report."""

from __future__ import annotations

import pytest

from tests.cli.reading import report_of, said
from tests.conftest import Completed, Run
from tests.faults import pretenders
from tests.faults.pretenders import listening
from tests.faults.targets import PASSWORD, AnyTarget, url

SCHEMES = ("postgresql", "mysql", "mariadb")


def refused(done: Completed, *words: str) -> str:
    """Assert that the run ended in 3, with a report that says so, and return stderr."""
    message = said(done)
    assert done.code == 3, message
    report = report_of(done)
    assert report["complete"] is False
    assert [row["status"] for row in report["coverage"]] == ["failed"]
    assert report["summary"]["tables"] == {}
    assert [word for word in words if word not in message] == [], message
    assert PASSWORD not in message
    return message


def scan(run: Run, database_url: str) -> Completed:
    return run("scan", "--db", database_url, "-f", "json")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_host_that_does_not_exist(run: Run, scheme: str) -> None:
    done = scan(run, f"{scheme}://u:{PASSWORD}@no-such-host.invalid/app")
    refused(done, "no-such-host.invalid", "no such host", "check the host")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_port_that_nobody_listens_on(run: Run, scheme: str) -> None:
    port = pretenders.free_port()
    refused(scan(run, f"{scheme}://u:{PASSWORD}@127.0.0.1:{port}/app"), str(port), "nothing listens there")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_port_that_talks_nonsense(run: Run, scheme: str) -> None:
    with listening(pretenders.nonsense) as port:
        done = scan(run, f"{scheme}://u:{PASSWORD}@127.0.0.1:{port}/app")
    refused(done, str(port), "check the port" if scheme == "postgresql" else "check host and port")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_port_that_hangs_up(run: Run, scheme: str) -> None:
    with listening(pretenders.hanging_up) as port:
        done = scan(run, f"{scheme}://u:{PASSWORD}@127.0.0.1:{port}/app")
    refused(done, str(port))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_port_that_never_answers(run: Run, scheme: str) -> None:
    with listening(pretenders.silence) as port:
        done = scan(run, f"{scheme}://u:{PASSWORD}@127.0.0.1:{port}/app?connect_timeout=2")
    refused(done, str(port), "no answer", "connect_timeout")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_port_that_never_answers_is_not_waited_for_without_end(run: Run, scheme: str) -> None:
    with listening(pretenders.silence) as port:
        done = scan(run, f"{scheme}://u:{PASSWORD}@127.0.0.1:{port}/app")
    refused(done, "no answer")


@pytest.mark.parametrize("version", ["9.6.24", "12.22"])
def test_an_old_postgresql_is_refused_with_that_sentence(run: Run, version: str) -> None:
    with listening(pretenders.old_postgresql(version)) as port:
        done = scan(run, f"postgresql://u@127.0.0.1:{port}/app")
    refused(done, f"PostgreSQL {version} is too old", "PostgreSQL 13+")


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
@pytest.mark.parametrize(
    ("greeting", "version", "oldest"),
    [
        ("5.7.44-log", "5.7.44", "MySQL 8.0+"),
        ("5.5.5-10.3.39-MariaDB-0+deb10u1", "10.3.39", "MariaDB 10.6+"),
        ("5.5.5-10.5.29-MariaDB", "10.5.29", "MariaDB 10.6+"),
    ],
)
def test_an_old_mysql_or_mariadb_is_refused_with_that_sentence(
    run: Run, scheme: str, greeting: str, version: str, oldest: str
) -> None:
    with listening(pretenders.old_mysql(greeting)) as port:
        done = scan(run, f"{scheme}://u@127.0.0.1:{port}/app")
    refused(done, version, oldest)


def test_a_database_that_does_not_exist(run: Run, target: AnyTarget) -> None:
    # MariaDB tells only who may see all databases that this one does not exist; others are denied it.
    user = {"postgresql": "postgres", "mariadb": "root"}[target.scheme]
    done = scan(run, url(target, user=user, password=None, database="nowhere"))
    refused(done, "nowhere", "no such database")


def test_an_option_that_the_driver_does_not_have_is_2_and_names_the_nearest(run: Run, target: AnyTarget) -> None:
    done = scan(run, url(target, options={"connect_timout": "3"}))
    assert done.code == 2
    assert done.out == b""
    message = said(done)
    assert "connect_timout" in message
    assert "did you mean connect_timeout?" in message


def test_a_shard_that_cannot_be_reached_leaves_the_other_scanned(run: Run, target: AnyTarget) -> None:
    elsewhere = f"{target.scheme}://u@127.0.0.1:{pretenders.free_port()}/app"
    arguments = ("scan", "--db", f"a={elsewhere}", "--db", f"b={url(target)}", "-f", "json")
    done = run(*arguments)
    report = report_of(done)
    assert done.code == 1, "what was found goes before what could not be looked at"
    assert report["complete"] is False
    assert {(row["source"], row["target"]) for row in report["coverage"] if row["status"] == "failed"} == {("a", "*")}
    assert report["summary"]["tables"]["b.activities"]["surplus_rows"] == 2
    assert run(*arguments, "--fail-on", "none").code == 3
