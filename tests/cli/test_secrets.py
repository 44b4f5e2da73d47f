"""A password reaches neither stream nor report, wherever it came from and however wrong the URL is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run

SECRET = "Zq7-hunter2"

URLS = [
    "postgresql://u:{0}@localhost/app",
    "postgres://u:{0}@localhost/app",
    "mysql://u:{0}@localhost/app",
    "mariadb+pymysql://u:{0}@localhost/app",
    "postgresql://localhost/app?password={0}",
    "postgresql://localhost/app?user=u&sslpassword={0}&connect_timeout=1",
    "postgresql://u:{0}@[::1]:5432/app",
    "postgersql://u:{0}@localhost/app",
    "oracle://u:{0}@localhost/app",
    "://u:{0}@localhost/app",
    "u:{0}@localhost/app",
    "postgresql:u:{0}@localhost/app",
    "postgresql://u:{0}@localhost:port/app",
    "postgresql://u:{0}@localhost:99999/app",
    "postgresql://u:{0}@local host/app",
    "postgresql://u:{0}/x@localhost/app",
    "postgresql://u:{0}?x@localhost/app",
    "postgresql://u:{0}#x@localhost/app",
    "postgresql://u:{0}%ff@localhost/app",
    "postgresql://u:{0}@localhost/app?password={0}&password={0}",
    "sqlite://u:{0}@localhost/app.db",
    "sqlite:///nowhere.db?password={0}",
    "no name=postgresql://u:{0}@localhost/app",
    "shard=postgersql://u:{0}@localhost/app",
]


def assert_silent(run: Run, *arguments: str, env: dict[str, str] | None = None) -> None:
    done = run(*arguments, env=env)
    assert SECRET.encode() not in done.out + done.err
    assert b"hunter2" not in done.out + done.err
    assert b"a defect in dedupaudit" not in done.err
    assert done.code in (2, 3)


@pytest.mark.parametrize("url", URLS)
def test_no_url_that_fails_shows_its_password(run: Run, url: str) -> None:
    assert_silent(run, "scan", "-v", "-f", "json", "--db", url.format(SECRET))


def test_nor_does_one_from_the_environment_or_from_a_file(run: Run, tmp_path: Path) -> None:
    for url in (URLS[0], URLS[12]):
        assert_silent(run, "scan", "-v", env={"DEDUPAUDIT_DB": url.format(SECRET)})
        (tmp_path / "dedupaudit.toml").write_text(f'[database]\nurl = "{url.format(SECRET)}"\n')
        assert_silent(run, "scan", "-v")
        (tmp_path / "dedupaudit.toml").unlink()


def test_a_password_file_and_the_variable_are_not_shown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    (tmp_path / "dedupaudit.toml").write_text(
        '[database]\nurl = "postgresql://u@localhost/app"\npassword_file = "password"\n'
    )
    assert_silent(run, "scan", "-v")
    assert_silent(run, "scan", "-v", env={"DEDUPAUDIT_PASSWORD": SECRET})
    # In a word of the user's own, too: who types the secret in the wrong place must not find it in a cron mail.
    assert_silent(run, "scan", "-v", "--check", SECRET, env={"DEDUPAUDIT_PASSWORD": SECRET})


def test_a_password_in_a_wrong_place_of_the_configuration_is_not_shown(run: Run, tmp_path: Path) -> None:
    for text in (
        f"[database]\nurl = ['postgresql://u:{SECRET}@h/a']",
        f"database = 'postgresql://u:{SECRET}@h/a'",
        f"[database]\nurl = 'postgresql://u:{SECRET}@h/a",
        f"[database]\nurl = 'sqlite:///x'\npassword = '{SECRET}'",
    ):
        (tmp_path / "dedupaudit.toml").write_text(text)
        assert_silent(run, "scan", "-v")


def test_a_missing_password_file_is_named_and_is_no_secret(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        '[database]\nurl = "postgresql://u@localhost/app"\npassword_file = "passwords/db.txt"\n'
    )
    done = run("scan")
    assert done.code == 2
    assert b"passwords/db.txt" in done.err
    assert b"No such file" in done.err
