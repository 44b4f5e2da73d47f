"""Database URLs: every part comes back, and no text about a URL holds one of its secrets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.errors import UsageError
from dedupaudit.redact import forget, scrub
from dedupaudit.urls import DatabaseUrl, parse_database_url, parse_named, split_env_urls

MARK = "Zq7"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
SECRETS = TEXTS.map(lambda text: f"{MARK}{text}")
HOSTS = st.sampled_from([None, "replica", "db.example.com", "10.0.0.1", "::1", "fe80::1%eth0", "/var/run/pg"])


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


@st.composite
def server_urls(draw: st.DrawFn) -> tuple[str, DatabaseUrl]:
    user, password = draw(st.none() | TEXTS), draw(st.none() | SECRETS)
    host, port, name = draw(HOSTS), draw(st.none() | st.integers(1, 65535)), draw(st.none() | TEXTS)
    query = draw(st.dictionaries(TEXTS.map(lambda text: "x" + text), TEXTS, max_size=3))
    if draw(st.booleans()):
        query["password"] = draw(SECRETS)
    scheme = draw(st.sampled_from(["postgresql", "mysql", "mariadb"]))
    place = f"[{quote(host, safe=':')}]" if host and ":" in host else quote(host or "", safe="")
    login = quote(user or "", safe="") + (f":{quote(password, safe='')}" if password is not None else "")
    text = f"{scheme}://{login}{'@' if login else ''}{place}{f':{port}' if port else ''}/{quote(name or '', safe='')}"
    text += "?" * bool(query) + "&".join(
        f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in query.items()
    )
    return text, DatabaseUrl(scheme, user, password, host, port, name, query)


@given(server_urls())
def test_each_part_of_a_server_url_comes_back(pair: tuple[str, DatabaseUrl]) -> None:
    text, parts = pair
    parsed = parse_database_url(text)
    assert parsed == parts
    assert hash(parsed) == hash(parts)
    assert list(parsed.query) == list(parts.query)
    assert pickle.loads(pickle.dumps(parsed)) == parts  # noqa: S301 - our own bytes


@given(server_urls())
def test_no_text_of_a_url_holds_its_secrets(pair: tuple[str, DatabaseUrl]) -> None:
    parsed = parse_database_url(pair[0])
    for text in (str(parsed), repr(parsed), parsed.shown(), f"{parsed}", repr([parsed])):
        assert MARK not in text


@given(server_urls())
def test_a_url_without_secrets_is_shown_so_that_it_can_be_typed_again(pair: tuple[str, DatabaseUrl]) -> None:
    parts = pair[1]
    public = replace(
        parts, password=None, query={name: text for name, text in parts.query.items() if name != "password"}
    )
    if not any(MARK in text or "***" in text for text in (public.shown(),)):
        assert parse_database_url(public.shown()) == public


@given(TEXTS, st.sampled_from(["", "/", "?", "#", "@", " ", ":", "\n", "%ff", "//", "[", "=", "&"]), st.integers(0, 60))
def test_no_error_repeats_a_secret_however_broken_the_url(word: str, junk: str, place: int) -> None:
    secret = f"{MARK}{word}"
    for scheme in ("postgresql", "postgersql", "mysql", "sqlite", "oracle", "x y", ""):
        for text in (f"{scheme}://user:{secret}@host:5432/name?sslpassword={secret}", f"{scheme}:user:{secret}@host"):
            broken = text[:place] + junk + text[place:]
            for parse in (parse_database_url, parse_named):
                try:
                    shown = str(parse(broken))
                except UsageError as error:
                    shown = f"{error} {error.hint} {error.__cause__} {error.__context__}"
                    assert error.hint
                # `sqlite:///…:secret@…` is a file's name, and a user's name is no secret.
                if "sqlite" not in broken and f":{secret}" in broken:
                    assert secret not in shown


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///app.db", "app.db"),
        ("sqlite:////var/lib/app.db", "/var/lib/app.db"),
        ("sqlite:///a%20b#c@d:e.db", "a%20b#c@d:e.db"),
        ("sqlite:///with space/é\n.db", "with space/é\n.db"),
        ("sqlite+pysqlite:///app.db", "app.db"),
        ("SQLite:///C:/app.db", "C:/app.db"),
    ],
)
def test_an_sqlite_path_stays_as_it_was_typed(text: str, path: str) -> None:
    assert parse_database_url(text) == DatabaseUrl("sqlite", database=path)


def test_a_relative_sqlite_path_is_meant_from_a_folder_and_an_absolute_one_is_not() -> None:
    assert parse_database_url("sqlite:///a.db").below(Path("/etc/x")).database == "/etc/x/a.db"
    assert parse_database_url("sqlite:////a.db").below(Path("/etc/x")).database == "/a.db"
    server = parse_database_url("mysql://h/a")
    assert server.below(Path("/etc/x")) == server


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///", "sqlite://:memory:", "sqlite:///:memory:"])
def test_an_sqlite_database_in_memory_has_nothing_to_audit(text: str) -> None:
    with pytest.raises(UsageError, match="nothing to audit"):
        parse_database_url(text)


@pytest.mark.parametrize(
    "text", ["sqlite://app.db", "sqlite:app.db", "sqlite:/var/app.db", "sqlite://user:pw@host/app.db"]
)
def test_an_sqlite_url_with_too_few_slashes_is_refused_with_both_forms(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_database_url(text)
    assert "sqlite:///file.db (relative) or sqlite:////folder/file.db (absolute)" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("postgres://h/a", "postgresql"),
        ("postgresql+psycopg2://h/a", "postgresql"),
        ("mysql+pymysql://h/a", "mysql"),
        ("mariadb+mysqldb://h/a", "mariadb"),
        ("MySQL://h/a", "mysql"),
    ],
)
def test_a_driver_is_accepted_and_dropped(text: str, scheme: str) -> None:
    assert parse_database_url(text) == DatabaseUrl(scheme, host="h", database="a")


def test_a_unix_socket_is_an_option_or_a_percent_encoded_host() -> None:
    assert parse_database_url("mysql://a@/app?unix_socket=/run/my.sock").query == {"unix_socket": "/run/my.sock"}
    assert parse_database_url("postgresql://%2Frun%2Fpg/app").host == "/run/pg"


def test_a_plus_in_an_option_is_a_plus_as_libpq_has_it() -> None:
    assert parse_database_url("postgresql://h/a?options=x%2By+z").query == {"options": "x+y+z"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app.db", "no scheme"),
        ("", "no scheme"),
        ("postgresql:/h/a", "no scheme"),
        ("postgersql://h/a", "did you mean postgresql://?"),
        ("maraidb://h/a", "did you mean mariadb://?"),
        ("oracle://h/a", "mysql://user@host/name"),
        ("postgresql://h/a b", "%20"),
        ("postgresql://h/a\x1b[31m", "control character"),
        ("postgresql://h:0/a", "1 to 65535"),
        ("postgresql://h:65536/a", "1 to 65535"),
        ("postgresql://h:५/a", "1 to 65535"),
        ("postgresql://::1/a", "[::1]"),
        ("postgresql://[::1/a", "[::1]"),
        ("postgresql://u:12/w@h/a", "%2F"),
        ("postgresql://u:12?w@h/a", "%3F"),
        ("postgresql://u:12#w@h/a", "%23"),
        ("postgresql://h/a#b", "%23"),
        ("postgresql://u:%ff@h/a", "not UTF-8"),
        ("postgresql://h/a?b", "NAME=VALUE"),
        ("postgresql://h/a?b=1&b=2", "twice"),
        ("sqlite:///a\0b", "NUL"),
    ],
)
def test_a_broken_url_is_refused_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_database_url(text)
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_an_unencoded_at_in_a_password_belongs_to_the_password() -> None:
    parsed = parse_database_url("postgresql://u:p@ss@h/a")
    assert (parsed.password, parsed.host) == ("p@ss", "h")


def test_a_parsed_password_is_scrubbed_from_then_on() -> None:
    parse_database_url("postgresql://u:hunter%402@h/a?sslpassword=opensesame")
    assert scrub("login hunter@2 or hunter%402 or opensesame") == "login *** or *** or ***"


def test_the_password_of_a_url_that_does_not_parse_is_scrubbed_too() -> None:
    with pytest.raises(UsageError):
        parse_database_url("postgersql://u:hunter2 x@h/a")
    assert scrub("connecting with hunter2 x") == "connecting with ***"


def test_shown_marks_a_password_as_there() -> None:
    shown = parse_database_url("postgresql://u:pw@[::1]:5433/a?host=/tmp&password=pw").shown()
    assert shown == "postgresql://u:***@[::1]:5433/a?host=/tmp&password=***"


def test_a_hostile_file_name_is_shown_on_one_line() -> None:
    shown = parse_database_url("sqlite:///a\n\x1b[31m\udcff.db").shown()
    assert shown == "sqlite:///a%0A%1B[31m%FF.db"


def test_a_password_given_later_is_there_and_not_shown() -> None:
    url = parse_database_url("mysql://u@h/a")
    assert not url.has_password
    given = url.with_password("hunter2")
    assert (given.password, given.has_password) == ("hunter2", True)
    assert "hunter2" not in repr(given)


@pytest.mark.parametrize(
    ("text", "name", "database"),
    [
        ("sqlite:///a.db", None, "a.db"),
        ("eu=sqlite:///a.db", "eu", "a.db"),
        ("eu-1_b=sqlite:///a=b.db", "eu-1_b", "a=b.db"),
        ("sqlite:///a=sqlite:///b", None, "a=sqlite:///b"),
        ("东京=sqlite:///a.db", "东京", "a.db"),
    ],
)
def test_a_name_before_the_url_names_the_database(text: str, name: str | None, database: str) -> None:
    found, url = parse_named(text)
    assert (found, url.database) == (name, database)


@pytest.mark.parametrize("name", ["a b", "a.b", "", "x" * 65, "\x1b[31m"])
def test_a_name_that_reports_could_not_use_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_named(f"{name}=sqlite:///a.db")
    assert "1 to 64 letters" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", []),
        (" sqlite:///a.db\n", ["sqlite:///a.db"]),
        (
            "sqlite:////my dir/a.db b=mysql://h/b\n\tc-1=postgresql://h/c",
            ["sqlite:////my dir/a.db", "b=mysql://h/b", "c-1=postgresql://h/c"],
        ),
        ("sqlite:///a b=c.db", ["sqlite:///a b=c.db"]),
    ],
)
def test_one_variable_holds_several_urls(text: str, urls: list[str]) -> None:
    assert split_env_urls(text) == urls
