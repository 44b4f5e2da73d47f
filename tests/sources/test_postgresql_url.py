"""What a postgresql:// URL becomes for libpq, what its failures are called, and which servers are refused."""

from __future__ import annotations

import pytest

from dedupaudit.errors import UsageError
from dedupaudit.redact import forget
from dedupaudit.sources.tables.postgresql_errors import explain_connecting, too_old
from dedupaudit.sources.tables.postgresql_session import shown_place
from dedupaudit.sources.tables.postgresql_url import connection_parameters
from dedupaudit.urls import parse_database_url


def parameters(url: str) -> dict[str, str]:
    return connection_parameters(parse_database_url(url))


def test_the_parts_of_a_url_and_its_options_go_to_libpq() -> None:
    found = parameters("postgresql://ann@db.example:5433/app?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3")
    assert (
        found.items()
        >= {
            "host": "db.example",
            "port": "5433",
            "user": "ann",
            "dbname": "app",
            "sslmode": "verify-full",
            "sslrootcert": "/ca.pem",
            "connect_timeout": "3",
            "application_name": "dedupaudit",
            "keepalives": "1",
        }.items()
    )


def test_without_a_password_libpq_is_left_to_find_one() -> None:
    assert "password" not in parameters("postgresql://ann@db.example/app")


def test_a_connection_attempt_ends_after_ten_seconds_unless_the_url_says_otherwise() -> None:
    assert parameters("postgresql://db.example/app")["connect_timeout"] == "10"


def test_several_hosts_and_a_socket_are_left_to_libpq() -> None:
    assert parameters("postgresql:///app?host=a,b&port=1,2&target_session_attrs=standby")["host"] == "a,b"
    assert parameters("postgresql:///app?host=/run/postgresql")["host"] == "/run/postgresql"


def test_a_service_goes_before_the_defaults() -> None:
    assert "connect_timeout" not in parameters("postgresql:///?service=app")


def test_the_encoding_is_not_the_users_to_choose() -> None:
    # What is read depends on it: a URL that sets LATIN1 would make every other key a different one.
    assert "client_encoding" not in parameters("postgresql:///app?client_encoding=LATIN1")


def test_an_unknown_option_is_a_usage_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        parameters("postgresql://db.example/app?sslmod=require")
    assert "sslmod" in caught.value.message
    assert "did you mean sslmode?" in caught.value.hint


def test_the_place_that_errors_name_has_no_password() -> None:
    url = parse_database_url("postgresql://ann:hush-hush@db.example:5433/app?password=hush-too")
    try:
        assert shown_place(url) == "db.example:5433/app"
    finally:
        forget()


@pytest.mark.parametrize(
    ("version", "shown"),
    [(120_017, "12.17"), (110_022, "11.22"), (90_624, "9.6.24"), (100_003, "10.3")],
)
def test_an_old_server_is_refused_by_one_sentence(version: int, shown: str) -> None:
    assert too_old(version) == f"PostgreSQL {shown} is too old: dedupaudit supports PostgreSQL 13+"


@pytest.mark.parametrize("version", [130_000, 150_018, 180_001])
def test_a_supported_server_is_not_refused(version: int) -> None:
    assert too_old(version) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('could not translate host name "nowhere.invalid" to address: Name or service not known', "no such host"),
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', "nothing listens there"),
        ('connection to server at "db.example", port 5432 failed: timeout expired', "no answer in time"),
        ("received invalid response to SSL negotiation: H", "not PostgreSQL"),
        ("server does not support SSL, but SSL was required", "demands TLS"),
        ('root certificate file "/x.pem" does not exist', "certificate cannot be verified"),
        ("SSL error: certificate verify failed", "certificate cannot be verified"),
        ("fe_sendauth: no password supplied", "asks for a password"),
        ('FATAL:  password authentication failed for user "ann"', "wrong user or password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "ann", database "app", no encryption', "pg_hba.conf"),
        ('FATAL:  role "ann" does not exist', "no such role"),
        ('FATAL:  database "app" does not exist', "no such database"),
        ("FATAL:  sorry, too many clients already", "no connection left"),
        ("FATAL:  the database system is starting up", "starting, stopping or recovering"),
        ('FATAL:  permission denied for database "app"', "may not connect"),
        ('invalid connection option "require_auth"', "refuses an option"),
    ],
)
def test_each_failure_to_connect_has_its_own_words_and_a_hint(text: str, words: str) -> None:
    error = explain_connecting(text, "db.example/app")
    assert error.message.startswith("cannot connect to PostgreSQL at db.example/app: ")
    assert words in error.message
    assert error.hint
    assert error.exit_code == 3


def test_what_nobody_foresaw_is_said_in_the_drivers_words_without_escapes() -> None:
    error = explain_connecting("something \x1b[31mnew\npassword=hush", "db.example/app")
    assert "something" in error.message
    assert "\x1b" not in error.message
    assert "hush" not in error.message
