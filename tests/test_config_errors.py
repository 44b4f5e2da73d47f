"""A broken configuration: every error names file, key and what was expected, and repeats no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupaudit.config import Settings, load_settings
from dedupaudit.config.files import FILE_NAME
from dedupaudit.errors import UsageError
from dedupaudit.redact import forget


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


def load(folder: Path, text: str | bytes | None = None, config: Path | None = None) -> Settings:
    """Load with a file in `folder` and no user's folder."""
    if text is not None:
        (folder / FILE_NAME).write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings(config, cwd=folder, environ={})


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, text)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tabels.x]\nkey='id'", "tabels: unknown key; did you mean `tables`?"),
        ("[tables.x]\ndevcie='d'", "tables.x.devcie: unknown key; did you mean `device`?"),
        ("[tables.'a.b c']\nkye='d'", 'tables."a.b c".kye: unknown key; did you mean `key`?'),
        ("[database]\nulr='x'", "database.ulr: unknown key; did you mean `url`?"),
        ("[databases.eu]\nulr='x'", "databases.eu.ulr: unknown key; did you mean `url`?"),
        ("[objects]\nendpiont='x'", "objects.endpiont: unknown key; did you mean `endpoint`?"),
        ("[logs]\nfile='x'", "logs.file: unknown key; did you mean `files`?"),
        ("[[logs.events]]\nname='send'\npatern='x'", "logs.events[0].patern: unknown key; did you mean `pattern`?"),
        ("fail_on='low'", "fail_on: unknown key here; it belongs in [options]"),
        ("[options]\ndevice='low'", "options.device: unknown key here; it belongs in [tables.NAME]"),
        ("[objects]\nzzzz=1", "objects.zzzz: unknown key; expected one of also_referenced, credentials"),
        ("[tables.x]\nkey=[]", "tables.x.key: expected at least one of the column names; found none"),
        ("[tables.x]\nkey=['a','a']", "tables.x.key: one of the column names is in it twice"),
        ("[tables.x]\nkey=['a',7]", "tables.x.key: expected a list of column names; found an integer in it"),
        ("[tables.x]\nkey=['']", "tables.x.key: expected a list of column names; found an empty text in it"),
        ("[tables.x]\nkey=7", "tables.x.key: expected a list of column names; found an integer"),
        ("[tables.x]\ngroup=true", "tables.x.group: expected text, or false for none; found true or false"),
        ("[tables.x]\nwhere=2025-12-01", "tables.x.where: expected text, or false for none; found a date or time"),
        ("[tables.x]\ntimezone='Asia/Shangai'", "tables.x.timezone: no such time zone; did you mean `Asia/Shanghai`?"),
        ("[logs]\ntimezone='../../etc/passwd'", "logs.timezone: no such time zone; expected"),
        ("tables=[]", "tables: expected a table"),
        ("tables.x=7", "tables.x: expected a table ([name]); found an integer"),
        ("[[database]]\nurl='x'", "database: expected a table ([name]); found a list"),
        ("[tables.'']\nkey='id'", 'tables."": must not be empty'),
        ("[databases.'a b']\nurl='sqlite:///a'", 'databases."a b": this cannot name a database'),
        ("[databases.objects]\nurl='sqlite:///a'", "databases.objects: reports call another source so"),
        ("[database]\ntimeout=30", "database.timeout: expected text with a number and its unit: 500ms, 30s"),
        ("[database]\ntimeout='30'", "database.timeout: not understood: write a number and its unit"),
        ("[database]\npassword_file=''", "database.password_file: must not be empty"),
        ("[database]\nurl='app.db'", "database.url: the database URL has no scheme; write sqlite:///file.db"),
        ("[database]\nurl=7", "database.url: expected text; found an integer"),
        ("[database]\ntimeout='1s'", "database.url: is missing"),
        ("[databases.a]\nurl='mysql://h/a'\n[databases.b]", "databases.b.url: is missing"),
        ("[database]\nurl='mysql://h/a'\n[databases.b]\nurl='mysql://h/b'", "both [database] and [databases]"),
        ("[options]\nfail_on='hihg'", "options.fail_on: expected one of low, medium, high, none; did you mean `high`?"),
        ("[options]\nengine=1", "options.engine: expected one of auto, pushdown, snapshot, spark"),
        ("[options]\nmax_findings='10'", "options.max_findings: expected an integer; found text"),
        ("[options]\nmax_findings=-1", "options.max_findings: must not be less than 0"),
        ("[options]\nmemory_limit='lots'", "options.memory_limit: not understood: write a number and its unit: 400MB"),
        ("[options]\nquiet=1", "options.quiet: expected true or false; found an integer"),
        ("[objects]\nurl='bucket/x'", "objects.url: expected oss://bucket/prefix/, file:///absolute/folder"),
        ("[objects]\ninventory='oss://bucket'", "objects.inventory: expected a manifest.json: a file, or oss://"),
        ("[objects]\ninventory=''", "objects.inventory: expected a manifest.json"),
        ("[objects]\ninventory=7", "objects.inventory: expected text; found an integer"),
        ("[objects]\ninventory='oss://AK:x@b/m.json'", "objects.inventory: a bucket's name has letters, digits"),
        ("[objects]\nmax_missing=50", "objects.max_missing: expected a share between 0% and 100%"),
        ("[objects]\nmax_missing='half'", "objects.max_missing: expected a share between 0% and 100%"),
        ("[objects]\nmax_missing=true", "objects.max_missing: expected a share between 0% and 100%"),
        ("[objects]\nmax_missing=nan", "objects.max_missing: expected a share between 0% and 100%"),
        ("[objects]\ncredentials='AKID'", "objects.credentials: expected auto, environment, file:PATH or ecs:ROLE"),
        ("[objects]\nsignature='v3'", "objects.signature: expected one of v4, v1"),
        ("[objects]\nqps=0", "objects.qps: expected a number of requests a second, above 0: 10, or 0.5"),
        ("[objects]\nqps=inf", "objects.qps: expected a number of requests a second, above 0: 10, or 0.5"),
        ("[objects]\nqps='5'", "objects.qps: expected a number; found text"),
        ("[objects]\nqps=true", "objects.qps: expected a number; found true or false"),
        ("[objects]\nthreads=0", "objects.threads: must not be less than 1"),
        ("[objects]\nthreads=65", "objects.threads: must not be more than 64"),
        ("[objects]\nthreads='8'", "objects.threads: expected an integer; found text"),
        ("[objects]\nprotect=['/a/']", "objects.protect: a prefix begins as the keys do, without a slash or a bucket"),
        ("[objects]\nprotect='oss://bucket/a/'", "objects.protect: a prefix begins as the keys do"),
        ("[objects]\nprotect=['']", "objects.protect: expected a list of prefixes; found an empty text in it"),
        ("[objects]\nalso_referenced=[7]", "objects.also_referenced: expected a list of texts; found an integer in it"),
        ("[objects]\ntemplate='x.jpg'", "objects.template: expected columns in braces"),
        ("[objects]\ntemplate='{id'", "objects.template: expected columns in braces"),
        ("[objects]\ntemplate='{id!r}'", "objects.template: expected columns in braces"),
        ("[[logs.events]]\nname='requeue'", "logs.events[0].pattern: is missing"),
        ("[[logs.events]]\nname='requeu'\npattern='(?P<id>x)'", "did you mean `requeue`?"),
        ("[[logs.events]]\nname='send'\npattern='('", "logs.events[0].pattern: not a regular expression"),
        ("[[logs.events]]\nname='send'\npattern='x'", "logs.events[0].pattern: expected a group named id"),
    ],
)
def test_an_error_names_file_key_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"{tmp_path / FILE_NAME}: ")
    assert said in message


def test_all_errors_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[tabels.x]\n[options]\nquiet=1\nfail_on='x'\n")
    assert "3 errors" in message
    assert {line.partition(":")[0].strip() for line in message.splitlines()[1:]} == {
        "tabels",
        "options.quiet",
        "options.fail_on",
    }


def test_a_thousand_errors_are_cut(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[options]\n" + "".join(f"x{number} = 1\n" for number in range(1000)))
    assert "1000 errors" in message
    assert len(message.splitlines()) == 22


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[database]\nurl = sqlite:///a.db\n", "not valid TOML, line 2, column 7"),
        (b"a = 1\na = 2\n", "not valid TOML, line 2"),
        (b"[a", "not valid TOML, at the end of the file"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"x = '\xe9'\n", "not UTF-8 (line 1)"),
        ("a = 'é'".encode("utf-16"), "UTF-16"),
        (b"#" * 10_000_000, "larger than 1,000,000 bytes"),
        (b"a\0b = 1", "not valid TOML, line 1"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_its_place(tmp_path: Path, text: bytes, said: str) -> None:
    assert f"{tmp_path / FILE_NAME}: " in refusal(tmp_path, text)
    assert said in refusal(tmp_path, text)


def test_a_byte_order_mark_and_windows_line_breaks_are_no_error(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf[options]\r\nquiet = true\r\n").options.quiet


def test_a_folder_of_the_files_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(UsageError, match="a folder, not a configuration file"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["missing.toml", "a\0b", "x" * 5000])
def test_a_named_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot read the configuration"):
        load(tmp_path, config=Path(name))


def test_a_nearest_file_that_points_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to("nowhere")
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path)


def test_hostile_keys_and_file_names_stay_on_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    message = refusal(folder, '"\\u001b[31m\\n[bold]" = 1\n')
    assert "\x1b" not in message
    assert "\n" not in message


MARK = "Zq7"


@settings(max_examples=25)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"\\'"), min_size=4, max_size=12))
def test_no_error_of_a_file_repeats_a_secret(tmp_path_factory: pytest.TempPathFactory, word: str) -> None:
    folder = tmp_path_factory.mktemp("leak")
    secret = MARK + word
    for url in (f"postgresql://u:{secret}@h:x/a", f"postgersql://u:{secret}@h/a", f"postgresql://u:{secret}@h/a b"):
        for text in (
            f"database.url = '{url}'",
            f"database = '{url}'",
            f"database.url = ['{url}']",
            f"'{url}' = 1",
            f"[databases.'{url}']\nurl = 'sqlite:///a'",
            f"[options]\nfail_on = '{url}'\ntimeout = '{url}'",
            f"[tables.x]\nname = ['{url}', 7]\ntimezone = '{url}'",
            f"objects.url = '{url}'",
            f"objects.url = 'oss://AK:{secret}@bucket/'",
            f"objects.inventory = 'oss://AK:{secret}@bucket/manifest.json'",
            f"objects.credentials = '{secret}'",
            f"objects.protect = ['oss://AK:{secret}@bucket/']",
            f"database.url = {url}",
        ):
            with pytest.raises(UsageError) as caught:
                load(folder, text)
            error = caught.value
            assert MARK not in f"{error.message} {error.hint} {error.__cause__} {error!r}", text
