"""`dedupaudit init`: the file that it writes, what it refuses, and that the file is one which scan runs with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dedupaudit.commands.configuration_text import url_text
from dedupaudit.config import load_settings
from dedupaudit.urls import parse_database_url
from tests.conftest import Run, SqliteDb

INCIDENT = """
CREATE TABLE activities(id INTEGER PRIMARY KEY AUTOINCREMENT, activity_id TEXT, device_id TEXT, type TEXT,
  timestamp INTEGER, data JSON, created_at TEXT);
CREATE TABLE screenshots(id VARCHAR(255) PRIMARY KEY, device_id TEXT NOT NULL, oss_key TEXT, oss_url TEXT,
  status TEXT NOT NULL, timestamp INTEGER, file_size INT, created_at TEXT, updated_at TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
  INSERT INTO activities(activity_id, device_id, type, timestamp)
  SELECT 'activity_' || (i - (i % 10 = 0)), 'd' || (i % 3), 'click', i FROM n;
"""

HOSTILE = [
    "qu\"o'te",
    "line\nbreak",
    "a.b",
    "\x1b[31mred",
    "emoji 😀",
    "[x] # = y",
    "back\\slash",
    "\u202eturned",
    "键",
]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def written(run: Run, *arguments: str, db: str = "sqlite:///app.db") -> str:
    done = run("init", "--db", db, "-o", "-", *arguments)
    assert done.code == 0, done.err
    return done.out.decode()


# ---- the file and its place


def test_the_file_stands_here_and_scan_runs_with_it(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(INCIDENT)
    done = run("init", "--db", "sqlite:///app.db")
    assert (done.code, done.out) == (0, b"")
    assert b"wrote dedupaudit.toml: 2 tables with a key" in done.err
    assert b"dedupaudit scan\n" in done.err
    assert tomllib.loads((tmp_path / "dedupaudit.toml").read_text("utf-8")) == {
        "database": {"url": "sqlite:///app.db"},
        "tables": {
            "activities": {
                "key": ["activity_id"],
                "device": "device_id",
                "time": "created_at",
                "group": "type",
            },
            "screenshots": {
                "key": ["id"],
                "device": "device_id",
                "time": "created_at",
                "status": "status",
                "object_key": "oss_key",
                "object_url": "oss_url",
                "size": "file_size",
            },
        },
    }
    report = run("scan", "-f", "json")
    assert report.code == 1
    assert report.json()["summary"]["tables"]["db.activities"]["duplicate_ids"] == 30
    assert report.json()["complete"]


def test_it_says_the_same_twice_and_to_stdout(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(INCIDENT)
    run("init", "--db", "sqlite:///app.db")
    first = (tmp_path / "dedupaudit.toml").read_bytes()
    assert run("init", "--db", "sqlite:///app.db", "--force").code == 0
    assert (tmp_path / "dedupaudit.toml").read_bytes() == first
    assert run("init", "--db", "sqlite:///app.db", "-o", "-").out == first


def test_what_is_switched_off_is_valid_when_switched_on(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(INCIDENT + "CREATE VIEW recent AS SELECT * FROM activities; CREATE TABLE notes(body TEXT, status TEXT);")
    text = re.sub(r"(?m)^#(?=\S)", "", written(run))
    (tmp_path / "on.toml").write_text(text, "utf-8")
    settings = load_settings(tmp_path / "on.toml", cwd=tmp_path, environ={})
    assert set(settings.tables) == {"activities", "screenshots", "notes", "recent"}
    assert settings.tables["activities"].volatile == ("id", "created_at")
    assert str(settings.databases[0].password_file) == "/run/secrets/db"


def test_the_database_is_named_from_the_files_folder(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    sqlite_db(INCIDENT, "data/app.db")
    urls = {}
    for output in ("here.toml", "data/beside.toml", "elsewhere/away.toml"):
        assert run("init", "--db", "sqlite:///data/app.db", "-o", output).code == 0
        urls[output] = tomllib.loads((tmp_path / output).read_text("utf-8"))["database"]["url"]
        assert run("scan", "--config", output, cwd=tmp_path).code == 1
    assert urls == {
        "here.toml": "sqlite:///data/app.db",
        "data/beside.toml": "sqlite:///app.db",
        "elsewhere/away.toml": f"sqlite:///{tmp_path}/data/app.db",
    }


def test_another_place_is_named_in_what_to_type_next(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    assert (
        b"dedupaudit scan --config 'my audit.toml'"
        in run("init", "--db", "sqlite:///app.db", "-o", "my audit.toml").err
    )


def test_a_path_that_no_url_can_say_is_an_error(run: Run, tmp_path: Path, sqlite_db: SqliteDb) -> None:
    (tmp_path / "what?").mkdir()
    sqlite_db(INCIDENT, "what?/app.db")
    done = run("init", "--db", "sqlite:///app.db", "-o", "../away.toml", cwd=tmp_path / "what?")
    assert done.code == 2
    assert b"cannot name this path" in done.err
    assert not (tmp_path / "away.toml").exists()
    assert run("init", "--db", "sqlite:///app.db", cwd=tmp_path / "what?").code == 0


def test_options_of_the_url_stay(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    text = written(run, db="sqlite:///app.db?immutable=1")
    assert tomllib.loads(text)["database"]["url"] == "sqlite:///app.db?immutable=1"


# ---- what it refuses


def test_an_existing_file_is_kept_unless_forced(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(INCIDENT)
    mine = tmp_path / "mine.toml"
    mine.write_text("# mine", "utf-8")
    done = run("init", "--db", "sqlite:///app.db", "-o", "mine.toml")
    assert done.code == 5
    assert b"--force" in done.err
    assert mine.read_text("utf-8") == "# mine"
    assert run("init", "--db", "sqlite:///app.db", "-o", "mine.toml", env={"DEDUPAUDIT_FORCE": "1"}).code == 0
    assert "activity_id" in mine.read_text("utf-8")


def test_a_link_to_a_file_that_is_gone_is_kept(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(INCIDENT)
    (tmp_path / "link.toml").symlink_to("gone.toml")
    assert run("init", "--db", "sqlite:///app.db", "-o", "link.toml").code == 5
    assert not (tmp_path / "gone.toml").exists()


def test_the_database_itself_is_never_overwritten(run: Run, sqlite_db: SqliteDb) -> None:
    path = sqlite_db(INCIDENT)
    before = path.read_bytes()
    done = run("init", "--db", "sqlite:///app.db", "-o", "app.db", "--force")
    assert done.code == 5
    assert b"is the database itself" in done.err
    assert path.read_bytes() == before


def test_no_database_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    done = run("init")
    assert done.code == 2
    assert b"--db" in done.err
    assert not (tmp_path / "dedupaudit.toml").exists()


def test_a_database_of_the_environment_will_do(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    assert run("init", env={"DEDUPAUDIT_DB": "sqlite:///app.db"}).code == 0


@pytest.mark.parametrize(
    ("output", "said"), [("no/such/x.toml", b"make the folder first"), (".", b"name a file in it")]
)
def test_a_place_that_cannot_be_written_is_an_error(run: Run, sqlite_db: SqliteDb, output: str, said: bytes) -> None:
    sqlite_db(INCIDENT)
    done = run("init", "--db", "sqlite:///app.db", "-o", output)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("script", ["", "CREATE TABLE dedupaudit_runs(id TEXT); CREATE TABLE t(id); DROP TABLE t;"])
def test_a_database_without_tables_is_nothing_to_check(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path, script: str
) -> None:
    sqlite_db(script)
    done = run("init", "--db", "sqlite:///app.db")
    assert done.code == 4
    assert b"has no tables" in done.err
    assert b"hint: check that --db" in done.err
    assert not (tmp_path / "dedupaudit.toml").exists()


def test_a_file_that_is_no_database_or_missing_is_a_failed_source(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says\n" * 100)
    for name, said in (("text.db", b"not an SQLite database"), ("gone.db", b"no such database file")):
        done = run("init", "--db", f"sqlite:///{name}")
        assert done.code == 3
        assert said in done.err
    assert not (tmp_path / "dedupaudit.toml").exists()
    assert not (tmp_path / "gone.db").exists()


def test_the_database_is_not_changed(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    path = sqlite_db(INCIDENT)
    before = path.read_bytes()
    assert run("init", "--db", "sqlite:///app.db").code == 0
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["app.db", "dedupaudit.toml", "home"]


def test_quiet_says_nothing(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    assert run("init", "--db", "sqlite:///app.db", "-q").err == b""


# ---- several databases, and secrets


def test_several_databases_are_named_with_the_tables_of_the_first(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    sqlite_db(INCIDENT, "a.db")
    sqlite_db("CREATE TABLE other(id TEXT PRIMARY KEY);", "b.db")
    done = run("init", "--db", "s1=sqlite:///a.db", "--db", "s2=sqlite:///b.db")
    assert done.code == 0
    assert b"the tables are those of database s1, the first of 2" in done.err
    content = tomllib.loads((tmp_path / "dedupaudit.toml").read_text("utf-8"))
    assert content["databases"] == {"s1": {"url": "sqlite:///a.db"}, "s2": {"url": "sqlite:///b.db"}}
    assert set(content["tables"]) == {"activities", "screenshots"}


def test_a_name_that_was_given_stays(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    assert tomllib.loads(written(run, db="s1=sqlite:///app.db"))["databases"] == {"s1": {"url": "sqlite:///app.db"}}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("postgresql://auditor:hunter22@replica:5433/app", "postgresql://auditor@replica:5433/app"),
        (
            "mysql://auditor@host/app?password=hunter22&ssl_ca=/etc/ca.pem",
            "mysql://auditor@host/app?ssl_ca=/etc/ca.pem",
        ),
        ("postgresql://u%40x:hunter22@[::1]/my%20app", "postgresql://u%40x@[::1]/my%20app"),
    ],
)
def test_a_url_is_written_without_its_password(tmp_path: Path, typed: str, kept: str) -> None:
    assert url_text(parse_database_url(typed), tmp_path) == kept


def test_a_password_of_the_environment_is_not_written(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    done = run("init", "--db", "sqlite:///app.db", "-o", "-", env={"DEDUPAUDIT_PASSWORD": "hunter22"})
    assert b"hunter22" not in done.out + done.err
    assert b"DEDUPAUDIT_PASSWORD" in done.out


# ---- hostile names


def test_hostile_names_are_written_so_that_they_load_and_scan(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(
        statement
        for name in HOSTILE
        for statement in (
            f"CREATE TABLE {quoted(name)}(n INTEGER PRIMARY KEY, {quoted(name + '_id')} TEXT, {quoted(name)} TEXT)",
            f"INSERT INTO {quoted(name)} VALUES (1, 'a', 'x'), (2, 'a', 'x'), (3, 'b', 'y')",
        )
    )
    done = run("init", "--db", "sqlite:///app.db")
    assert done.code == 0, done.err
    raw = (tmp_path / "dedupaudit.toml").read_bytes()
    content = tomllib.loads(raw.decode())
    assert {name: found["key"] for name, found in content["tables"].items()} == {n: [n + "_id"] for n in HOSTILE}
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    assert b"\xe2\x80\xae" not in raw + done.err
    assert b"\x1b" not in done.err
    report = run("scan", "-f", "json").json()
    assert {name: found["duplicate_ids"] for name, found in report["summary"]["tables"].items()} == {
        f"db.{name}": 1 for name in HOSTILE
    }


def test_hostile_names_of_what_is_switched_off_stay_comments(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(f"CREATE TABLE {quoted(name)}({quoted(name)} TEXT)" for name in HOSTILE)
    text = written(run)
    assert set(tomllib.loads(text)) == {"database"}
    assert set(tomllib.loads(re.sub(r"(?m)^#(?=\S)", "", text))["tables"]) == set(HOSTILE)


def test_empty_names_are_left_out(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(['CREATE TABLE ""(id TEXT)', 'CREATE TABLE t("" TEXT PRIMARY KEY)', "CREATE TABLE u(id TEXT)"])
    done = run("init", "--db", "sqlite:///app.db")
    assert done.code == 0, done.err
    assert run("scan", "-f", "json").json()["summary"]["tables"].keys() == {"db.u"}


def test_a_hostile_path_is_written_so_that_it_loads(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT, 'a "b\n%20#\x1b[1m.db')
    assert run("init", "--db", 'sqlite:///a "b\n%20#\x1b[1m.db').code == 0
    assert run("scan").code == 1


def test_stdout_is_utf_8_whatever_the_terminal_takes(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(["CREATE TABLE café(id TEXT)"])
    done = run("init", "--db", "sqlite:///app.db", "-o", "-", env={"PYTHONIOENCODING": "ascii"})
    assert set(tomllib.loads(done.out.decode("utf-8"))["tables"]) == {"café"}


def test_the_help_begins_with_examples(run: Run) -> None:
    done = run("init", "--help")
    assert done.code == 0
    assert done.out.split(b"\n", 3)[2].strip() == b"Examples:"
