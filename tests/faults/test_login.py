"""Logins: refused ones end in 3 and say why; each place that a password may come from works, and none is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.reading import report_of
from tests.conftest import Completed, Run
from tests.faults.targets import DATABASE, LOGIN, PASSWORD, AnyTarget, Mariadb, Postgresql, url
from tests.faults.test_unreachable import refused

WRONG = "Wq8-wrong-one"


def silent(done: Completed) -> Completed:
    """Return the run, having seen that no password is in what it wrote."""
    for secret in (PASSWORD, WRONG):
        assert secret.encode() not in done.out + done.err
    return done


def logged_in(done: Completed) -> None:
    report = report_of(silent(done))
    assert report["complete"], done.err
    assert done.code == 1
    assert report["summary"]["tables"]["db.activities"]["surplus_rows"] == 2


def test_a_wrong_password(run: Run, strict: AnyTarget) -> None:
    done = silent(run("scan", "-v", "--db", url(strict, password=WRONG), "-f", "json"))
    assert done.code == 3
    assert b"wrong user or password" in done.err
    refused(
        run("scan", "--db", url(strict, password=WRONG), "-f", "json"),
        str(strict.port),
        "wrong user or password",
        "check",
    )


def test_no_password_where_one_is_needed(run: Run, strict: AnyTarget) -> None:
    refused(
        run("scan", "--db", url(strict, password=None), "-f", "json"),
        "password",
        "check" if isinstance(strict, Mariadb) else "DEDUPAUDIT_PASSWORD",
    )


def test_a_login_that_does_not_exist(run: Run, target: AnyTarget) -> None:
    done = run("scan", "--db", url(target, user="nobody_here"), "-f", "json")
    refused(done, "no such role" if target.scheme == "postgresql" else "wrong user or password")


def test_a_login_that_may_not_enter_the_database(run: Run, target: AnyTarget) -> None:
    if isinstance(target, Postgresql):
        target.execute(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC")
        words = ("may not connect", "GRANT CONNECT")
    else:
        target.server.create_database("private")
        words = ("private", "GRANT SELECT")
    name = DATABASE if isinstance(target, Postgresql) else "private"
    refused(run("scan", "--db", url(target, database=name), "-f", "json"), *words)


def test_the_password_in_the_url(run: Run, strict: AnyTarget) -> None:
    logged_in(run("scan", "-v", "--db", url(strict), "-f", "json"))


def test_the_password_as_an_option_of_the_url(run: Run, strict: AnyTarget) -> None:
    logged_in(run("scan", "-v", "--db", url(strict, password=None) + f"?password={PASSWORD}", "-f", "json"))


def test_the_password_in_the_environment(run: Run, strict: AnyTarget) -> None:
    arguments = ("scan", "-v", "--db", url(strict, password=None), "-f", "json")
    logged_in(run(*arguments, env={"DEDUPAUDIT_PASSWORD": PASSWORD}))


def test_the_password_in_a_file(run: Run, tmp_path: Path, strict: AnyTarget) -> None:
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    (tmp_path / "dedupaudit.toml").write_text(
        f'[database]\nurl = "{url(strict, password=None)}"\npassword_file = "secret"\n'
    )
    logged_in(run("scan", "-v", "-f", "json"))


def test_pgpassword(run: Run, strict_postgresql: Postgresql) -> None:
    strict_postgresql.setup()
    strict_postgresql.execute("INSERT INTO activities (id) VALUES ('a'), ('a'), ('a')")
    logged_in(
        run(
            "scan",
            "-v",
            "--db",
            url(strict_postgresql, password=None),
            "-f",
            "json",
            env={"PGPASSWORD": PASSWORD},
        )
    )


@pytest.mark.parametrize("place", ["home", "PGPASSFILE", "passfile"])
def test_pgpass(run: Run, tmp_path: Path, strict_postgresql: Postgresql, place: str) -> None:
    strict_postgresql.setup()
    strict_postgresql.execute("INSERT INTO activities (id) VALUES ('a'), ('a'), ('a')")
    file = tmp_path / "home" / ".pgpass" if place == "home" else tmp_path / "passwords"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"127.0.0.1:{strict_postgresql.port}:{DATABASE}:{LOGIN}:{PASSWORD}\n")
    file.chmod(0o600)
    options = {"passfile": str(file)} if place == "passfile" else {}
    env = {"PGPASSFILE": str(file)} if place == "PGPASSFILE" else {}
    address = url(strict_postgresql, password=None, options=options)
    logged_in(run("scan", "-v", "--db", address, "-f", "json", env=env))


@pytest.mark.parametrize("place", ["home", "read_default_file"])
def test_a_mysql_option_file(run: Run, tmp_path: Path, strict_mariadb: Mariadb, place: str) -> None:
    strict_mariadb.setup()
    strict_mariadb.execute("INSERT INTO activities (id) VALUES ('a'), ('a'), ('a')")
    file = tmp_path / "home" / ".my.cnf" if place == "home" else tmp_path / "options.cnf"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[client]\nuser = somebody\npassword = {PASSWORD}\n")
    file.chmod(0o600)
    options = {"read_default_file": str(file)} if place == "read_default_file" else {}
    logged_in(run("scan", "-v", "--db", url(strict_mariadb, password=None, options=options), "-f", "json"))


@pytest.mark.parametrize("place", ["environment", "option file", "pgpass"])
def test_a_wrong_password_is_not_shown_wherever_it_came_from(
    run: Run, tmp_path: Path, strict: AnyTarget, place: str
) -> None:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    env = {}
    if place == "environment":
        env = {"DEDUPAUDIT_PASSWORD": WRONG, "PGPASSWORD": WRONG}
    (home / ".my.cnf").write_text(f"[client]\npassword = {WRONG}\n")
    (home / ".pgpass").write_text(f"*:*:*:*:{WRONG}\n")
    (home / ".pgpass").chmod(0o600)
    done = silent(run("scan", "-v", "--db", url(strict, password=None), "-f", "json", env=env))
    assert done.code == 3
    assert b"wrong user or password" in done.err
