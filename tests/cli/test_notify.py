"""`--notify`: somebody learns of a problem once, and once that it is gone; real receivers on 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.cli.conftest import CLEAN, DUPLICATES
from tests.cli.launching import completed, started, with_checkout
from tests.cli.reading import report_of, said
from tests.conftest import Completed, Run, SqliteDb
from tests.servers.http_receiver import Mail, Web, mail_receiver, web_receiver

INSERT = "INSERT INTO activities (id, device_id, type, created_at) VALUES ('activity_2', 'd1', 'key', NULL)"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_receiver() as web:
        yield web


@pytest.fixture
def mail() -> Iterator[Mail]:
    with mail_receiver() as mail:
        yield mail


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(DUPLICATES)


class Nightly:
    """Runs `scan` as cron does: the same command every night, with a history of its own."""

    def __init__(self, run: Run, db: Path, *urls: str) -> None:
        self._run, self._db, self._urls = run, db, urls

    def __call__(self, *more: str | os.PathLike[str]) -> Completed:
        notify = [word for url in self._urls for word in ("--notify", url)]
        history = self._db.parent / "history.db"
        return self._run(
            "scan", "activities", "--db", f"sqlite:///{self._db}", "--history", history, *notify, "--no-color", *more
        )

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self._db)) as connection:
            connection.execute(statement)
            connection.commit()


def messages(web: Web) -> list[dict[str, Any]]:
    return [json.loads(post.body) for post in web.posts]


def test_once_when_it_is_new_once_when_it_is_gone_and_nothing_on_a_quiet_night(run: Run, db: Path, web: Web) -> None:
    night = Nightly(run, db, web.url())
    first = night("-f", "json")
    assert (first.code, first.err) == (1, b"")
    (message,) = messages(web)
    assert message["title"] == "dedupaudit: 2 new problems (1 high, 1 medium)"
    assert message["type"] == "warning"
    assert "- high: duplicate_ids on db.activities: activity_1 (since " in message["message"]
    assert f"dedupaudit history show {report_of(first)['run']['id']}" in message["message"]
    assert "dedupaudit explain activity_1" in message["message"]

    assert night().code == 1
    assert len(web.posts) == 1, "the same problem, the second night"

    night.sql(INSERT)
    night()
    *_, message = messages(web)
    assert len(web.posts) == 2
    assert message["title"] == "dedupaudit: 1 new problem (1 high)"
    assert "activity_2" in message["message"]
    assert "activity_1" not in message["message"]

    night.sql("DELETE FROM activities WHERE seq IN (2, 3)")
    night()
    *_, message = messages(web)
    assert message["title"] == "dedupaudit: 1 gone"
    assert message["type"] == "success"
    night()
    assert len(web.posts) == 3


def test_a_clean_night_tells_nobody(run: Run, sqlite_db: SqliteDb, web: Web) -> None:
    done = Nightly(run, sqlite_db(CLEAN), web.url())()
    assert (done.code, done.err) == (0, b"")
    assert not web.posts


def test_problems_from_before_are_told_once_too(run: Run, db: Path, web: Web) -> None:
    Nightly(run, db)()
    night = Nightly(run, db, web.url())
    night()
    night()
    assert [message["title"] for message in messages(web)] == ["dedupaudit: 2 new problems (1 high, 1 medium)"]


def test_what_could_not_be_looked_at_is_told_once_and_when_it_can_again(run: Run, db: Path, web: Web) -> None:
    night = Nightly(run, db, web.url())
    night()
    away = db.with_suffix(".away")
    db.rename(away)
    assert night().code == 3
    assert night().code == 3
    away.rename(db)
    night()
    titles = [message["title"] for message in messages(web)]
    assert titles[1:] == ["dedupaudit: 1 place not checked", "dedupaudit: 1 place checked again"]
    assert "no such database file" in messages(web)[1]["message"]


def test_fail_on_decides_what_is_told(run: Run, db: Path, web: Web) -> None:
    Nightly(run, db, web.url())("--fail-on", "high")
    assert [message["title"] for message in messages(web)] == ["dedupaudit: 1 new problem (1 high)"]


def test_what_a_threshold_tolerates_is_told_to_nobody(run: Run, db: Path, web: Web, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        '[tables.activities]\nkey = "id"\n[tables.activities.thresholds]\nduplicate_ids = 2\nmissing_unique = 1\n'
    )
    night = Nightly(run, db, web.url())
    assert night().code == 0
    assert not web.posts
    night.sql(INSERT)
    assert night().code == 1
    assert [message["title"] for message in messages(web)] == ["dedupaudit: 2 new problems (2 high)"]


@pytest.mark.parametrize("fault", ["500", "unreachable"])
def test_a_receiver_that_fails_is_said_hides_nothing_and_is_tried_again(
    run: Run, db: Path, web: Web, fault: str
) -> None:
    night = Nightly(run, db, web.url(path="hook-f00dcafe"))
    web.status = 500
    if fault == "unreachable":
        night = Nightly(run, db, "json://127.0.0.1:1/hook-f00dcafe")
    done = night("-f", "json")
    assert done.code == 1
    assert report_of(done)["summary"]["by_severity"]["high"] == 1
    assert "--notify was not told: " in said(done)
    assert "the next run tries again" in said(done)
    assert "f00dcafe" not in said(done)
    if fault == "500":
        assert night("--exit-zero").code == 3, "nobody was told, and 0 would say that all is well"
        web.status = 200
        assert night().err == b""
        night()
        assert len(web.posts) == 1


def test_of_several_receivers_each_is_told_once(run: Run, db: Path, web: Web) -> None:
    web.statuses["/two"] = 503
    night = Nightly(run, db, web.url(path="one"), web.url(path="two"))
    assert "--notify (number 2) was not told" in said(night())
    web.statuses.clear()
    night()
    night()
    assert [post.path for post in web.posts] == ["/one", "/two"]


def test_xml_form_and_mail_say_the_same(run: Run, db: Path, web: Web, mail: Mail) -> None:
    address = f"mailto://127.0.0.1:{mail.port}?from=cron@example.com&to=dba@example.com"
    Nightly(run, db, web.url("xml"), web.url("form"), address)()
    xml, form = web.posts
    text = ElementTree.fromstring(xml.body).findtext(".//{*}Message") or ""  # noqa: S314 (our own)
    assert parse_qs(form.body.decode())["message"] == [text]
    ((to, raw),) = mail.mails
    message = message_from_bytes(raw, policy=policy.default)
    assert to == ["dba@example.com"]
    assert message["Subject"] == "dedupaudit: 2 new problems (1 high, 1 medium)"
    body = message.get_body(("plain", "html"))
    assert body is not None
    assert "activity_1" in body.get_content()
    assert "apprise" not in raw.decode().lower()


def test_the_urls_may_stand_in_a_file(run: Run, db: Path, web: Web, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "notify").write_text(f"# who is on call\n{web.url(path='one')}\n\n{web.url(path='two')}\n")
    (tmp_path / "dedupaudit.toml").write_text('[options]\nnotify = "file:secrets/notify"\n')
    below = tmp_path / "below"
    below.mkdir()
    done = run("scan", "--db", f"sqlite:///{db}", cwd=below)
    assert (done.code, done.err) == (1, b"")
    assert [post.path for post in web.posts] == ["/one", "/two"]


def test_the_environment_names_several(run: Run, db: Path, web: Web) -> None:
    env = {"DEDUPAUDIT_NOTIFY": f"{web.url(path='one')} {web.url(path='two')}"}
    assert run("scan", "--db", f"sqlite:///{db}", env=env).code == 1
    assert len(web.posts) == 2


@pytest.mark.parametrize(
    "url",
    ["nope://f00dcafe/secret", "f00dcafe-secret", "slack://f00dcafe", "dingtalk://", "http://h/f00dcafe", "mailto://:"],
)
def test_a_url_that_is_none_is_found_before_the_run_and_not_shown(run: Run, db: Path, tmp_path: Path, url: str) -> None:
    command = ["scan", "--db", f"sqlite:///{db}", "--notify", url, "-o", "report.txt"]
    done = run(*command)
    assert done.code == 2
    if url.startswith("nope"):
        assert b"f00dcafe" not in run(*command, "-v").err
    assert "--notify: this is no URL that apprise knows" in said(done)
    assert "f00dcafe" not in said(done)
    assert not done.out
    assert not (tmp_path / "report.txt").exists()


@pytest.mark.parametrize("content", [None, b"", b"# nobody\n", b"\xff"])
def test_a_file_without_urls_is_wrong_usage(run: Run, db: Path, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "urls").write_bytes(content)
    done = run("scan", "--db", f"sqlite:///{db}", "--notify", "file:urls")
    assert done.code == 2
    assert "--notify: urls: " in said(done)


def test_without_a_history_nobody_knows_what_is_new(run: Run, db: Path, web: Web) -> None:
    done = run("scan", "--db", f"sqlite:///{db}", "--notify", web.url(), "--history", "none")
    assert done.code == 2
    assert "--history none" in said(done)


def test_without_apprise_it_says_what_to_install(clean_env: dict[str, str], tmp_path: Path, db: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise ImportError\n")
    command = ["scan", "--db", f"sqlite:///{db}", "--notify", "json://127.0.0.1/x"]
    with started(command, with_checkout(clean_env, tmp_path), tmp_path) as process:
        done = completed(process)
    assert done.code == 2
    assert "pip install 'dedupaudit[notify]'" in said(done)


def test_ctrl_c_while_sending_ends_it_and_the_next_run_tells(
    run: Run, clean_env: dict[str, str], tmp_path: Path, db: Path, web: Web
) -> None:
    web.holds.clear()
    history = ["--history", str(tmp_path / "history.db")]
    command = ["scan", "activities", "--db", f"sqlite:///{db}", "--notify", web.url(), *history, "--no-color"]
    with started(command, with_checkout(clean_env), tmp_path) as process:
        assert web.asked.wait(30)
        process.send_signal(signal.SIGINT)
        done = completed(process)
    assert done.code == 130
    assert b"FOUND" in done.out, "the report came first"
    web.holds.set()
    assert Nightly(run, db, web.url())().code == 1
    assert messages(web)[-1]["title"].startswith("dedupaudit: 2 new problems")


def test_the_urls_are_nowhere(run: Run, db: Path, web: Web, tmp_path: Path) -> None:
    web.status = 500
    token = "f00dcafe0123456789"
    url = f"json://user:{token}pw@127.0.0.1:{web.port}/{token}?+X-Key={token}head"
    done = Nightly(run, db, url)("-f", "json", "-v", "--log-json")
    assert done.code == 1
    assert b"notify.failed" in done.err
    everything = done.out + done.err + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.encode() not in everything


def test_masked_runs_send_masked_values(run: Run, db: Path, web: Web, tmp_path: Path) -> None:
    (tmp_path / "mask.key").write_text("0123456789abcdef0123456789abcdef")
    done = Nightly(run, db, web.url())("--mask", "id", "--mask-key-file", "mask.key")
    assert done.code == 1
    (post,) = web.posts
    assert b"masked:" in post.body
    assert b"activity_1" not in post.body
    assert b"explain" not in post.body


def test_hostile_values_arrive_as_plain_text(run: Run, sqlite_db: SqliteDb, web: Web) -> None:
    hostile = "<!channel> [x](http://evil) @all \x1b[2J"
    db = sqlite_db("CREATE TABLE activities (id TEXT, type TEXT)")
    with closing(sqlite3.connect(db)) as connection:
        connection.executemany("INSERT INTO activities VALUES (?, 'x')", [(hostile,), (hostile,)])
        connection.commit()
    Nightly(run, db, web.url())()
    (message,) = messages(web)
    assert r"\x3c!channel\x3e \x5bx\x5d(http:\x2f\x2fevil) \x40all" in message["message"]
    assert not set("<>@[]*\x1b") & set(message["message"])
