"""Scrubbing: no remembered secret survives in any form, and what looks like a password in a URL goes too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.redact import MASK, forget, is_secret_name, remember, scrub


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


# The mark makes each secret a text that occurs nowhere else.
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(lambda text: f"Zq7{text}7qZ")


@given(SECRETS)
def test_a_remembered_secret_is_gone_in_each_form_that_libraries_print(secret: str) -> None:
    remember(secret)
    for form in (
        secret,
        quote(secret, safe=""),
        quote(secret, safe="").lower() if quote(secret, safe="") == secret.lower() else quote(secret),
        quote_plus(secret),
        repr(secret)[1:-1],
        repr(secret + "'\"")[1:-4],
        ascii(secret)[1:-1],
        json.dumps(secret)[1:-1],
    ):
        assert "7qZ" not in scrub(f"login {form} failed"), form


def test_of_two_secrets_that_begin_alike_both_are_gone_whole() -> None:
    remember("swordfish")
    remember("swordfish-2025")
    assert scrub("swordfish-2025 and swordfish") == f"{MASK} and {MASK}"


def test_a_short_secret_is_gone_as_a_word_and_leaves_other_words_whole() -> None:
    remember("pg")
    assert scrub("password pg for pgbouncer") == f"password {MASK} for pgbouncer"


@pytest.mark.parametrize("nothing", [None, "", "***"])
def test_no_secret_changes_nothing(nothing: str | None) -> None:
    remember(nothing)
    assert scrub("*** any text") == "*** any text"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (
            "cannot reach postgresql://auditor:s3cret@replica/app today",
            "cannot reach postgresql://auditor:***@replica/app today",
        ),
        ("redis://:s3cret@cache", "redis://:***@cache"),
        ("mysql+pymysql://a:x/y@z@host:1/db", "mysql+pymysql://a:***@host:1/db"),
        ("mysql://host/db?password=s3cret&ssl_ca=/ca.pem", "mysql://host/db?password=***&ssl_ca=/ca.pem"),
        ("host=replica password='it is s3cret' user=a", "host=replica password=*** user=a"),
        (
            "https://bucket/key?OSSAccessKeyId=AK&Signature=abc%3D",
            "https://bucket/key?OSSAccessKeyId=***&Signature=***",
        ),
        ("postgresql://auditor@replica:5432/app", "postgresql://auditor@replica:5432/app"),
        ("password_file=/run/secrets/db", "password_file=/run/secrets/db"),
        ("file:///a/b: no such file", "file:///a/b: no such file"),
    ],
)
def test_what_looks_like_a_password_goes_and_nothing_else(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed
    assert scrub(scrubbed) == scrubbed


@pytest.mark.parametrize(
    "name", ["password", "passwd", "PWD", "sslpassword", "token", "client_secret", "access_key_id", "accessKeySecret"]
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["host", "user", "sslkey", "passfile", "password_file", "options"])
def test_other_names_hold_no_secret(name: str) -> None:
    assert not is_secret_name(name)
