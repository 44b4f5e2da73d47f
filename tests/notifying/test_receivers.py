"""Who is told: the URLs that the documents show are URLs, and a receiver that never answers is given up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dedupaudit.config import Options
from dedupaudit.errors import UsageError
from dedupaudit.notifying import receivers, receivers_of
from dedupaudit.notifying.message import Message
from dedupaudit.redact import forget, scrub
from tests.conftest import ROOT
from tests.servers.http_receiver import web_receiver

# Of apprise's own imports.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MESSAGE = Message("a title", "a text", "warning")
DOCUMENTS = [ROOT / "README.md", *(file for file in (ROOT / "docs").rglob("*") if file.is_file())]
SHOWN = [
    url
    for document in DOCUMENTS
    for _, text in re.findall(r"(--notify[ =]|DEDUPAUDIT_NOTIFY=)'?([^'`\n#]+)", document.read_text("utf-8"))
    for url in re.findall(r"\w+://\S+", text)
    if "…" not in url
]
FORMS = re.findall(r"\w+://[^\s,]+", receivers._HINT)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget()


@pytest.mark.parametrize("url", sorted({*FORMS, *SHOWN}))
def test_what_is_shown_as_an_example_is_a_url(url: str) -> None:
    assert len(receivers_of(Options(notify=(url,)))) == 1


def test_every_receiver_of_the_contract_is_among_the_examples() -> None:
    schemes = {url.partition("://")[0] for url in FORMS}
    assert {"mailtos", "slack", "dingtalk", "feishu", "wecombot", "jsons"} <= schemes


def test_a_receiver_is_known_by_a_name_that_gives_nothing_away() -> None:
    first, second = receivers_of(Options(notify=("json://h/token-one", "json://h/token-two")))
    (again,) = receivers_of(Options(notify=("json://h/token-one",)))
    assert first.ident == again.ident != second.ident
    assert re.fullmatch("[0-9a-f]{32}", first.ident)


def test_one_url_named_twice_is_one_receiver(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("json://h/token-one\n" * 2)
    assert len(receivers_of(Options(notify=("json://h/token-one", f"file:{file}")))) == 1


def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "_PATIENCE", 0.2)
    with web_receiver() as web:
        web.holds.clear()
        (receiver,) = receivers_of(Options(notify=(web.url(),)))
        assert receiver.send(MESSAGE) == "no answer within 0 seconds"
        web.holds.set()


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("json://user:pw1@host/x", "pw1"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", "TIiajkdnlazkcOXrIdevi7FQ"),
        ("json://host/x?+X-Key=s%C3%A9cretkey", "sécretkey"),
        ("dingtalk://secret0001@token00001", "token00001"),
        ("nope://token00001", "token00001"),
    ],
)
def test_every_part_that_may_be_a_token_is_masked(url: str, secret: str) -> None:
    try:
        receivers_of(Options(notify=(url,)))
    except UsageError as error:
        assert secret not in error.message
    assert secret not in scrub(f"said {secret} of {url}")


def test_words_of_a_language_are_not_taken_for_tokens() -> None:
    receivers_of(Options(notify=("json://db/hook?format=text&cto=9",)))
    assert scrub("db.activities: the text of a hook") == "db.activities: the text of a hook"
