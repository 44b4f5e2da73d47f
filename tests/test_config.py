"""Settings: what each source may say, who wins, where paths are meant from, and an error for each way to be wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dedupaudit.config import Settings, config_schema, load_settings, parse_table_name
from dedupaudit.config.files import FILE_NAME
from dedupaudit.errors import UsageError
from dedupaudit.redact import forget, scrub

CONTRACT = """
[database]
url = "postgresql://auditor@replica/app"      # or [databases.NAME] for each shard
password_file = "/run/secrets/db"
timeout = "30min"

[tables.activities]                 # the name in reports and on the command line
name = "app.activity_log"           # the real table, where it differs
key = ["activity_id"]               # what must be unique
volatile = ["id", "created_at"]     # ignored when rows are compared
device = "device_id"
time = "created_at"                 # epoch milliseconds, a zoned or a naive time
group = "type"
where = "created_at >= '2025-12-01'"

[tables.screenshots]
key = ["id"]
status = "status"
object_key = "oss_key"
object_url = "oss_url"
size = "file_size"
etag = "etag"

[objects]
url = "oss://bucket/screenshots/"   # or file:///dir
endpoint = "https://oss.example.com"
region = "cn-hangzhou"
template = "screenshots/{device_id}/{id}.jpg"     # fields are columns of the row
grace = "1h"
protect = ["screenshots/_thumbnails/"]
also_referenced = ["SELECT thumb_key FROM thumbnails"]

[logs]
files = ["logs/*.log*"]
timezone = "Asia/Shanghai"
[[logs.events]]
name = "requeue"
pattern = 'back into the queue: (?P<id>\\w+)'
"""


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


def load(folder: Path, text: str | bytes | None = None, **more: Any) -> Settings:
    """Load with a file in `folder` and no user's folder."""
    if text is not None:
        (folder / FILE_NAME).write_bytes(text.encode() if isinstance(text, str) else text)
    environ: Mapping[str, str] = more.pop("environ", {})
    return load_settings(more.pop("config", None), cwd=folder, environ=environ, **more)


def refusal(folder: Path, text: str | bytes, **more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, text, **more)
    assert caught.value.hint
    return caught.value.message


def test_the_contracts_example_loads_word_for_word(tmp_path: Path) -> None:
    found = load(tmp_path, CONTRACT)
    (database,) = found.databases
    assert (database.name, str(database.url), database.timeout) == ("db", "postgresql://auditor@replica/app", 1800.0)
    assert database.password_file == Path("/run/secrets/db")
    activities, screenshots = found.tables["activities"], found.tables["screenshots"]
    assert (activities.name, activities.key) == (("app", "activity_log"), ("activity_id",))
    assert activities.volatile == ("id", "created_at")
    assert (activities.device, activities.time, activities.group) == ("device_id", "created_at", "type")
    assert (activities.where, activities.timezone) == ("created_at >= '2025-12-01'", "UTC")
    assert (screenshots.name, screenshots.volatile, screenshots.group) == (None, None, None)
    assert (screenshots.status, screenshots.size, screenshots.etag) == ("status", "file_size", "etag")
    assert (screenshots.object_key, screenshots.object_url) == ("oss_key", "oss_url")
    assert found.objects is not None
    assert found.objects.grace == 3600.0
    assert found.objects.protect == ("screenshots/_thumbnails/",)
    assert found.logs is not None
    assert found.logs.files == (str(tmp_path / "logs/*.log*"),)
    assert (found.logs.timezone, found.logs.events[0].name) == ("Asia/Shanghai", "requeue")
    assert found.config_files == (tmp_path / FILE_NAME,)


def test_without_any_configuration_there_are_defaults_and_no_database(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.databases, found.tables, found.config_files) == ((), {}, ())
    options = found.options
    assert (options.fail_on, options.max_findings, options.memory_limit) == ("low", 1000, 256_000_000)
    assert (options.stuck_after, options.timeout, options.output) == (3600.0, None, "-")
    with pytest.raises(UsageError, match="no database") as caught:
        found.require_databases()
    assert "--db URL" in caught.value.hint


# Precedence


def user_file(folder: Path, text: str) -> dict[str, str]:
    own = folder / "xdg" / "dedupaudit"
    own.mkdir(parents=True)
    (own / FILE_NAME).write_text(text)
    return {"XDG_CONFIG_HOME": str(folder / "xdg")}


def test_an_override_goes_before_the_nearest_file_and_that_before_the_users(tmp_path: Path) -> None:
    environ = user_file(tmp_path, "[options]\nfail_on = 'high'\nstuck_after = '2h'\nmax_findings = 1\n")
    text = "[options]\nfail_on = 'medium'\nstuck_after = '3h'\n"
    options = load(tmp_path, text, environ=environ, overrides={"fail_on": "none", "format": None}).options
    assert (options.fail_on, options.stuck_after, options.max_findings) == ("none", 10_800.0, 1)
    assert options.format == "terminal"


def test_overrides_may_be_text_or_converted_already(tmp_path: Path) -> None:
    given_text = {"timeout": "5s", "memory_limit": "1GB", "check": ["null_ids"]}
    converted = {"timeout": 5.0, "memory_limit": 10**9, "check": ("null_ids",)}
    assert load(tmp_path, overrides=given_text).options == load(tmp_path, overrides=converted).options


def test_a_wrong_override_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stuck_after") as caught:
        load(tmp_path, overrides={"stuck_after": "soon"})
    assert "30s, 10min" in caught.value.message


def test_home_is_where_the_users_file_is_without_xdg(tmp_path: Path) -> None:
    (tmp_path / ".config/dedupaudit").mkdir(parents=True)
    (tmp_path / ".config/dedupaudit" / FILE_NAME).write_text("options.quiet = true")
    assert load(tmp_path, environ={"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}).options.quiet


def test_the_nearest_file_above_counts_and_farther_ones_do_not(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / FILE_NAME).write_text("options.quiet = true")
    (tmp_path / "a" / FILE_NAME).write_text("options.verbose = true")
    found = load(below)
    assert (found.options.quiet, found.options.verbose) == (False, True)
    assert found.config_files == (tmp_path / "a" / FILE_NAME,)


def test_a_named_file_replaces_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("options.verbose = true")
    found = load(tmp_path, "options.quiet = true", config=Path("other.toml"))
    assert (found.options.quiet, found.options.verbose) == (False, True)


def test_the_users_file_is_not_read_twice_when_it_is_the_nearest(tmp_path: Path) -> None:
    environ = user_file(tmp_path, "options.quiet = true")
    assert len(load(tmp_path / "xdg" / "dedupaudit", environ=environ).config_files) == 1


def test_tables_are_merged_key_by_key_and_each_knows_its_file(tmp_path: Path) -> None:
    environ = user_file(tmp_path, "[tables.a]\nkey = 'x'\ntime = 't'\n[tables.b]\nkey = 'y'\n")
    found = load(tmp_path, "[tables.a]\nkey = 'z'\n", environ=environ)
    assert (found.tables["a"].key, found.tables["a"].time, found.tables["b"].key) == (("z",), "t", ("y",))
    assert found.where("tables", "a", "key") == f"{tmp_path / FILE_NAME}: tables.a.key"
    assert found.where("tables", "a", "time") == f"{tmp_path}/xdg/dedupaudit/{FILE_NAME}: tables.a.time"
    assert found.where("tables", "a", "group") == "tables.a.group"
    assert found.where("tables", "odd\x1b name") == 'tables."odd\\u001b name"'


def test_db_flags_replace_the_databases_of_the_files(tmp_path: Path) -> None:
    found = load(tmp_path, CONTRACT, db=["sqlite:///a.db"])
    (database,) = found.require_databases()
    assert (database.name, database.url.database) == ("db", str(tmp_path / "a.db"))
    assert "activities" in found.tables


def test_several_db_flags_need_names_of_their_own(tmp_path: Path) -> None:
    named = load(tmp_path, db=["a=sqlite:///a.db", "b=sqlite:///b.db"])
    assert [database.name for database in named.databases] == ["a", "b"]
    with pytest.raises(UsageError, match="not all of them have a name"):
        load(tmp_path, db=["a=sqlite:///a.db", "sqlite:///b.db"])
    with pytest.raises(UsageError, match="two databases have the name `a`"):
        load(tmp_path, db=["a=sqlite:///a.db", "a=sqlite:///b.db"])


def test_the_databases_are_those_of_the_nearest_file_that_names_any(tmp_path: Path) -> None:
    environ = user_file(tmp_path, "[databases.a]\nurl='mysql://h/a'\ntimeout='1s'\n[databases.b]\nurl='mysql://h/b'\n")
    found = load(tmp_path, "[databases.a]\nurl='mysql://near/a'\n", environ=environ)
    assert [(database.name, database.url.host, database.timeout) for database in found.databases] == [
        ("a", "near", 1.0)
    ]
    single = load(tmp_path, "[database]\nurl='mysql://single/a'\n", environ=environ)
    assert [(database.name, database.url.host) for database in single.databases] == [("db", "single")]


def test_the_timeout_is_the_flags_or_the_databases_or_that_of_all(tmp_path: Path) -> None:
    text = "[options]\ntimeout='9s'\n[databases.a]\nurl='sqlite:///a'\ntimeout='1s'\n[databases.b]\nurl='sqlite:///b'\n"
    assert [database.timeout for database in load(tmp_path, text).databases] == [1.0, 9.0]
    given_as_flag = load(tmp_path, text, overrides={"timeout": "5s"})
    assert [database.timeout for database in given_as_flag.databases] == [5.0, 5.0]


# Paths


def test_paths_in_a_file_are_meant_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "cwd[1]").mkdir()
    text = (
        "[database]\nurl='sqlite:///app.db'\npassword_file='pw'\n[objects]\nurl='file:objects'\n"
        "[logs]\nfiles='logs/*.log'\n[options]\noutput='out.json'\nfindings='/f.csv'\n"
    )
    (tmp_path / "cwd[1]" / "x.toml").write_text(text)
    found = load(tmp_path, config=Path("cwd[1]/x.toml"))
    folder = tmp_path / "cwd[1]"
    assert found.databases[0].url.database == str(folder / "app.db")
    assert found.databases[0].password_file == folder / "pw"
    assert found.objects is not None
    assert found.objects.url == f"file://{folder}/objects"
    assert found.logs is not None
    assert found.logs.files == (f"{tmp_path}/cwd[[]1]/logs/*.log",)
    assert (found.options.output, found.options.findings) == (str(folder / "out.json"), "/f.csv")


# Passwords

WITH_FILE = "[database]\nurl = 'postgresql://u@h/a'\npassword_file = 'pw'\n"


def password(found: Settings) -> str | None:
    return found.require_databases()[0].url.password


@pytest.mark.parametrize(
    ("content", "expected"), [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" s p \n\n", " s p \n")]
)
def test_a_password_file_gives_its_text_less_one_line_break(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "pw").write_bytes(content.encode())
    assert password(load(tmp_path, WITH_FILE)) == expected
    assert scrub(f"[{expected}]") == "[***]"


def test_the_environments_password_goes_before_the_files_and_the_urls_before_both(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("from_file")
    environ = {"DEDUPAUDIT_PASSWORD": "from_environment"}
    assert password(load(tmp_path, WITH_FILE, environ=environ)) == "from_environment"
    assert scrub("from_environment") == "***"
    in_url = WITH_FILE.replace("u@h", "u:from_url@h")
    assert password(load(tmp_path, in_url, environ=environ)) == "from_url"
    assert password(load(tmp_path, in_url)) == "from_url"
    in_query = WITH_FILE.replace("/a'", "/a?password=from_query'")
    assert password(load(tmp_path, in_query, environ=environ)) is None
    assert password(load(tmp_path, db=["mysql://u@h/a"], environ=environ)) == "from_environment"
    assert password(load(tmp_path, WITH_FILE, environ={"DEDUPAUDIT_PASSWORD": ""})) == "from_file"


def test_a_password_of_the_users_file_never_goes_to_a_nearer_files_server(tmp_path: Path) -> None:
    environ = user_file(tmp_path, WITH_FILE)
    (tmp_path / "xdg/dedupaudit/pw").write_text("s3cret")
    assert password(load(tmp_path, environ=environ)) == "s3cret"
    assert password(load(tmp_path, "[database]\nurl = 'postgresql://u@elsewhere/a'\n", environ=environ)) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 70_000, "too large"),
        (b"a\0b", "not text"),
    ],
)
def test_a_password_file_that_gives_none_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "pw").write_bytes(content)
    for text, key in ((WITH_FILE, "database"), (WITH_FILE.replace("[database]", "[databases.a]"), "databases.a")):
        found = load(tmp_path, text)  # only what connects needs the password
        with pytest.raises(UsageError, match=said) as caught:
            found.require_databases()
        assert caught.value.message.startswith(f"{tmp_path / FILE_NAME}: {key}.password_file: {tmp_path / 'pw'}: ")


def test_a_broken_password_file_is_said_for_sqlite_too(tmp_path: Path) -> None:
    found = load(tmp_path, "[database]\nurl = 'sqlite:///a.db'\npassword_file = 'pw'\n")
    with pytest.raises(UsageError, match="password_file"):
        found.require_databases()


# Tables


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("activities", ("activities",)),
        ("app.activity_log", ("app", "activity_log")),
        ('app."odd.name"', ("app", "odd.name")),
        ('"a""b".`c``d.e`', ('a"b', "c`d.e")),
        ("group by", ("group by",)),
        ("Größe\n", ("Größe\n",)),
        ('we"ird', ('we"ird',)),
    ],
)
def test_a_real_table_is_named_by_one_or_two_parts(text: str, parts: tuple[str, ...]) -> None:
    assert parse_table_name(text) == parts


@pytest.mark.parametrize(
    "name", ["''", "'a..b'", "'.a'", "'a.'", "'a.b.c'", "'\"a'", "'\"\"'", "[]", "['a','b','c']", "['']", "7", "true"]
)
def test_any_other_table_name_is_refused(tmp_path: Path, name: str) -> None:
    assert "tables.x.name: expected " in refusal(tmp_path, f"[tables.x]\nname = {name}\n")


def test_a_list_names_a_table_with_dots(tmp_path: Path) -> None:
    assert load(tmp_path, "[tables.x]\nname = ['app', 'odd.name']\n").tables["x"].name == ("app", "odd.name")
    assert load(tmp_path, "[tables.x]\nname = ['odd.name']\n").tables["x"].name == ("odd.name",)


def test_one_column_needs_no_list_and_an_empty_list_of_volatile_ones_is_kept(tmp_path: Path) -> None:
    table = load(tmp_path, "[tables.x]\nkey = 'id'\nvolatile = []\n").tables["x"]
    assert (table.key, table.volatile) == (("id",), ())


@pytest.mark.parametrize("off", ["false", "''", "'  '"])
def test_a_usual_column_can_be_switched_off(tmp_path: Path, off: str) -> None:
    assert load(tmp_path, f"[tables.x]\ngroup = {off}\n").tables["x"].group is False


def test_settings_never_print_a_secret(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("s3cret-file")
    found = load(tmp_path, WITH_FILE, db=["a=mysql://u:s3cret-url@h/a?token=s3cret-query"])
    assert "s3cret" not in repr(found)
    assert "s3cret" not in repr(load(tmp_path, WITH_FILE).require_databases())


# The schema


def test_the_schema_is_valid_and_accepts_the_contracts_example() -> None:
    schema = config_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(CONTRACT), schema, jsonschema.Draft202012Validator)
    # Neither a type nor a default: TOML has no null. (The setting `not_null` is none.)
    assert "null" not in json.dumps(schema).replace("not_null", "")


@pytest.mark.parametrize(
    "text",
    [
        "tabels.x = 1",
        "database = {}\ndatabases = {}",
        "tables.x.key = []",
        "options.timeout = 1",
        "tables.x.group = true",
        "objects.max_missing = 50",
        "objects.qps = 0",
        "objects.threads = 65",
        "objects.signature = 'v2'",
        "objects.inventory = ''",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(tmp_path: Path, text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), config_schema(), jsonschema.Draft202012Validator)
    assert refusal(tmp_path, text)


def test_the_defaults_that_the_schema_names_are_what_its_types_allow() -> None:
    schema = config_schema()
    validator = jsonschema.Draft202012Validator(schema)
    for definition in schema["$defs"].values():
        for name, field in definition["properties"].items():
            if "default" in field:
                wrong = [error.message for error in validator.evolve(schema=field).iter_errors(field["default"])]
                assert not wrong, name
