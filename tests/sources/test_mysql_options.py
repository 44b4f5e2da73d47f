"""The login that a MySQL URL and an option file mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.errors import UsageError
from dedupaudit.redact import forget, scrub
from dedupaudit.sources.tables.mysql_options import Login, parse_option_file, read_login
from dedupaudit.urls import parse_database_url


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def login(url: str) -> Login:
    return read_login(parse_database_url(url))


def test_the_url_says_it_all() -> None:
    found = login("mysql://u:p%40ss@db.example.com:3307/app?connect_timeout=3&ssl_mode=verify_identity&ssl-ca=/ca.pem")
    assert (found.host, found.port, found.user, found.password, found.database) == (
        "db.example.com",
        3307,
        "u",
        "p@ss",
        "app",
    )
    assert (found.timeout, found.ssl_mode, dict(found.ssl_files)) == (3, "VERIFY_IDENTITY", {"ssl_ca": "/ca.pem"})


def test_the_option_file_fills_what_the_url_leaves_open_and_its_password_is_a_secret(home: Path) -> None:
    (home / ".my.cnf").write_text(
        '[client]\nuser = file-user\npassword = "s3cret # word"\nport=3310\n[mysqld]\nport=1\n'
    )
    found = login("mysql://host/app")
    assert (found.user, found.password, found.port) == ("file-user", "s3cret # word", 3310)
    assert "s3cret" not in scrub("it was s3cret # word")
    forget()
    assert login("mysql://me:mine@host/app").password == "mine"


def test_a_named_file_and_group_are_read(tmp_path: Path) -> None:
    file = tmp_path / "audit.cnf"
    file.write_text("[client]\nuser=one\n[auditor]\nuser=two\npassword=x\\sy\n")
    found = login(f"mysql://host/app?read_default_file={file}&default_group=auditor")
    assert (found.user, found.password) == ("two", "x y")


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the option file"):
        login(f"mysql://host/app?read_default_file={tmp_path / 'none.cnf'}")


def test_the_last_line_of_a_name_counts_and_comments_do_not() -> None:
    text = "# user=no\n[client]\nuser=a\nuser = b # a comment\n!include /etc/other\nssl-ca='/x y'\nskip-ssl\n"
    assert parse_option_file(text, ("client",)) == {"user": "b", "ssl_ca": "/x y", "skip_ssl": ""}


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ("", "PREFERRED"),
        ("?ssl_mode=DISABLED", "DISABLED"),
        ("?ssl_ca=/ca.pem", "VERIFY_CA"),
        ("?ssl_ca=/ca.pem&ssl_verify_cert=0", "REQUIRED"),
        ("?ssl_verify_cert=true", "VERIFY_CA"),
        ("?ssl-verify-identity=1", "VERIFY_IDENTITY"),
        ("?ssl_cert=/c.pem&ssl_key=/k.pem", "REQUIRED"),
    ],
)
def test_tls_is_as_strict_as_the_options_say(options: str, mode: str) -> None:
    assert login(f"mariadb://u@host/app{options}").ssl_mode == mode


@pytest.mark.parametrize(
    ("url", "said", "hint"),
    [
        ("mysql://u@host", "names no database", "DATABASE"),
        ("mysql://u@host/app?ssl_moed=REQUIRED", "do not know: ssl_moed", "did you mean ssl_mode?"),
        ("mysql://u@host/app?ssl_mode=REQUIERD", "none that MySQL has", "did you mean REQUIRED?"),
        ("mysql://u@host/app?charset=latin1", "charset, which is not configurable", "leave it out"),
        ("mysql://u@host/app?connect_timeout=soon", "no number", "connect_timeout=10"),
        ("mysql://u@host/app?ssl_verify_cert=maybe", "neither true nor false", "ssl_verify_cert=1"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(url: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        login(url)
    assert said in raised.value.message
    assert hint in raised.value.hint
