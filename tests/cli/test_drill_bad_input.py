"""`drill`, asked for what cannot be: the contract's code, what is wrong and what to do, and nothing left anywhere."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.commands.drill import command
from dedupaudit.drill.run import FEWEST_WRITERS
from dedupaudit.drill.telling import BESIDES
from dedupaudit.interrupt import Runtime
from dedupaudit.main import run as program
from tests.cli.drilling import databases_of, schemas_of
from tests.cli.reading import dangerous, said
from tests.conftest import Completed, Run
from tests.crosscheck.scene import oss_arguments, oss_env
from tests.oss import errors, faults
from tests.oss.server import FakeOss
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

SECRET = "s3cret-of-the-cache"


@pytest.fixture
def refused(run: Run, tmp_path: Path, clean: Path) -> Callable[..., str]:
    """Return a function that drills, sees that it was refused with this code and left nothing, and returns stderr."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def drill(code: int, *words: str, db: str = f"sqlite:///{clean}", **env: str) -> str:
        done: Completed = run("drill", "--db", db, *words, env={"TMPDIR": str(temporary), **env})
        message = said(done)
        assert (done.code, done.out) == (code, b""), message
        assert os.listdir(temporary) == []
        assert SECRET not in message
        assert "\n  hint: " in message
        return message

    return drill


# ---- what was typed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--strategy", "uniqe"), "did you mean unique?"),
        (("--strategy", "unique,chekc-then-act"), "did you mean check-then-act?"),
        (("--strategy", "nothing\x1b[31m"), r"there is no strategy nothing\x1b[31m"),
        (("--strategy", "redis-lock"), "redis-lock needs a Redis"),
        (("--strategy", "all,redis-textbook"), "redis-textbook needs a Redis"),
        (("--strategy", "redis-lock,redis-textbook"), "redis-lock and redis-textbook need a Redis"),
        (("--writers", "0"), "--writers: 0 is out of range"),
        (("--writers", "257"), "write a whole number from 2 to 256"),
        (("--ids", "x"), "--ids: 'x' is not a whole number"),
        (("--ids", "0"), "write a whole number of at least 1"),
        (("--seed", "-1"), "--seed"),
        (("--value", "a=b"), "there is no --against"),
        (("--against", "activities", "--value", "=x"), "--value =x is not COLUMN=TEXT"),
        (("--against", "activities", "--value", "x"), "--value x is not COLUMN=TEXT"),
        (("--against", "activities", "--value", "a=1", "--value", "a=2"), "names a column twice"),
        (("--against", "activities", "--strategy", "unique"), "leave out one of them"),
        (("--db", "b=sqlite:///b.db"), "several databases, and not all of them have a name"),
        (("--objects", "s3://bucket"), "objects"),
        (("-o", "no/such/folder/report"), "no/such/folder"),
        (("--clean", "-o", "no/such/folder/report"), "no/such/folder"),
        (("--redis", "localhost:6379"), "write redis://host:6379/0"),
        (("--redis", f"http://:{SECRET}@cache"), "write redis://host:6379/0"),
        (("--redis", f"redis://:{SECRET}/x@cache"), "/ as %2F"),
        (("--redis", f"redis://:x#{SECRET}@cache"), "# as %23"),
        (("--redis", "redis:///0"), "does not say where it is"),
        (("--redis", "redis://cache:99999"), "does not say where it is"),
        (("--redis", "redis://ca\nche"), "does not say where it is"),
        (("--redis", "unix://"), "does not say where it is"),
    ],
    ids=lambda value: " ".join(map(ascii, value)) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_is_2_and_nothing_begins(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    clean: Path,
    words: tuple[str, ...],
    told: str,
) -> None:
    """In this process: each of these ends before anything is opened."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dedupaudit.drill.run.drill", lambda *_args, **_more: pytest.fail("it began"))
    code = program(["drill", "--db", f"sqlite:///{clean}", *words], Runtime())
    out, message = capsys.readouterr()
    assert (code, out) == (2, ""), message
    assert told in message
    assert "\n  hint: " in message
    assert "scratch" not in message
    assert SECRET not in message
    assert not dangerous(message)


def test_the_least_that_can_be_asked_for_is_what_the_drill_can_do() -> None:
    least = {parameter.name: getattr(parameter.type, "min", None) for parameter in command.params}
    assert (least["writers"], least["ids"]) == (FEWEST_WRITERS, 1)


def test_several_databases_are_2_wherever_they_were_named_and_none_is_2_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, clean: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert program(["drill"], Runtime()) == 2
    assert "no database is configured" in capsys.readouterr().err
    url = f"sqlite:///{clean}"
    (tmp_path / "dedupaudit.toml").write_text(f'[databases.eu]\nurl = "{url}"\n[databases.us]\nurl = "{url}"\n')
    for words in ([], ["--db", f"a={url}", "--db", f"b={url}"], ["--clean"]):
        assert program(["drill", *words], Runtime()) == 2
        out, message = capsys.readouterr()
        assert out == ""
        assert "a drill is of one database, and there are several" in message


# ---- what is not there


def test_an_sqlite_file_that_is_missing_is_3_and_is_not_made(refused: Callable[..., str], tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    assert "missing.db" in refused(3, db=f"sqlite:///{missing}")
    assert not missing.exists()


def test_a_table_that_does_not_exist_is_2(refused: Callable[..., str]) -> None:
    message = refused(2, "--against", "activitees")
    assert "activitees" in message


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_is_down_is_3(refused: Callable[..., str]) -> None:
    for scheme in ("postgresql", "mysql"):
        assert str(port := free_port()) in refused(3, db=f"{scheme}://u:{SECRET}@127.0.0.1:{port}/app")


def test_a_redis_that_is_down_is_3_and_its_password_is_not_told(
    refused: Callable[..., str], run: Run, clean: Path
) -> None:
    port = free_port()
    message = refused(3, "--redis", f"redis://:{SECRET}@127.0.0.1:{port}/0")
    assert f"127.0.0.1:{port}" in message
    done = run(
        "drill", "-v", "--db", f"sqlite:///{clean}", env={"DEDUPAUDIT_REDIS": f"redis://u:{SECRET}@127.0.0.1:{port}/0"}
    )
    assert done.code == 3
    assert b"Traceback" in done.err
    assert SECRET.encode() not in done.err


def test_a_server_without_room_for_its_sessions_is_3_before_it_takes_the_last_one(
    refused: Callable[..., str], postgresql: PostgresqlServer, mariadb: MariadbServer
) -> None:
    message = refused(3, "--writers", "250", db=postgresql.create_database("app"))
    assert f"the drill opens {250 + BESIDES} sessions, and there is room for " in message
    assert "--writers" in message
    postgresql.execute("DROP ROLE IF EXISTS narrow")
    postgresql.execute("CREATE ROLE narrow LOGIN PASSWORD 'change-me' CONNECTION LIMIT 4")
    message = refused(3, "--writers", "4", db=postgresql.url(user="narrow", password="change-me", database="app"))
    assert f"the drill opens {4 + BESIDES} sessions, and there is room for 3" in message
    assert schemas_of(postgresql, "app") == []
    url = mariadb.create_database("app")
    mariadb.execute("SET GLOBAL max_connections = 20")
    try:
        assert f"the drill opens {32 + BESIDES} sessions, and there is room for " in refused(3, db=url)
    finally:
        mariadb.execute("SET GLOBAL max_connections = DEFAULT")
    assert databases_of(mariadb) == []


def test_a_login_that_may_not_make_a_schema_is_3_and_told_what_to_grant(
    refused: Callable[..., str], postgresql: PostgresqlServer, mariadb: MariadbServer
) -> None:
    postgresql.create_database("app")
    postgresql.execute("DROP ROLE IF EXISTS no_drill")
    postgresql.execute("CREATE ROLE no_drill LOGIN PASSWORD 'change-me'")
    postgresql.execute("REVOKE CREATE ON DATABASE app FROM PUBLIC")
    message = refused(3, "--writers", "8", db=postgresql.url(user="no_drill", password="change-me", database="app"))
    assert "GRANT CREATE ON DATABASE" in message
    assert schemas_of(postgresql, "app") == []
    mariadb.create_database("app")
    mariadb.execute("DROP USER IF EXISTS 'no_drill'@'%'")
    mariadb.execute("CREATE USER 'no_drill'@'%' IDENTIFIED BY 'change-me'")
    mariadb.execute("GRANT SELECT ON app.* TO 'no_drill'@'%'")
    message = refused(3, db=mariadb.url(user="no_drill", password="change-me", database="app"))
    assert "GRANT CREATE" in message
    assert databases_of(mariadb) == []


@pytest.mark.parametrize("missing", ["bucket", "right"])
def test_an_object_store_that_refuses_is_3(
    refused: Callable[..., str], oss: FakeOss, missing: str, clean: Path
) -> None:
    if missing == "right":
        oss.misbehave(faults.Rule(faults.fail(errors.access_denied), method="PUT", times=None))
    bucket = "pictures" if missing == "right" else "nonesuch"
    message = refused(3, *oss_arguments(oss, f"oss://{bucket}/drills/"), **oss_env())
    assert bucket in message
    assert oss.bucket.keys == []
    with closing(sqlite3.connect(clean)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM activities").fetchone() == (2,)


def test_a_folder_of_objects_that_is_missing_is_3_and_is_not_made(refused: Callable[..., str], tmp_path: Path) -> None:
    missing = tmp_path / "no-such-folder"
    assert "no-such-folder" in refused(3, "--objects", f"file://{missing}")
    assert not missing.exists()
