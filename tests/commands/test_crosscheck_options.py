"""What `crosscheck` is told of the object store, by flag, variable and file; a wrong value names its flag."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dedupaudit.commands import crosscheck, running, scan
from dedupaudit.commands.options import settings_of
from dedupaudit.config import ObjectsSettings, Settings
from dedupaudit.config.files import FILE_NAME
from dedupaudit.errors import Refused
from dedupaudit.interrupt import Runtime
from dedupaudit.main import run as main
from dedupaudit.redact import forget

# Each flag with a value as it is typed, the field of `[objects]`, what it says in a file, and what comes of it.
FLAGS = [
    ("--objects", "oss://bucket/a/", "url", "'oss://other/b/'", "oss://bucket/a/"),
    ("--oss-endpoint", "https://oss.example.com", "endpoint", "'http://other'", "https://oss.example.com"),
    ("--oss-region", "cn-beijing", "region", "'cn-hangzhou'", "cn-beijing"),
    ("--inventory", "oss://bucket/i/manifest.json", "inventory", "'m.json'", "oss://bucket/i/manifest.json"),
    ("--template", "{id}.jpg", "template", "'{device}.jpg'", "{id}.jpg"),
    ("--grace", "10min", "grace", "'1d'", 600.0),
    ("--max-missing", "5%", "max_missing", "0.25", 0.05),
    ("--credentials", "ecs:role", "credentials", "'environment'", "ecs:role"),
    ("--signature", "v1", "signature", "'v4'", "v1"),
    ("--qps", "2.5", "qps", "100", 2.5),
    ("--threads", "3", "threads", "64", 3),
]
TYPED = [(flag, typed) for flag, typed, *_ in FLAGS]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run in a folder of its own, without a developer's settings."""
    for name in os.environ:
        if name.startswith(("DEDUPAUDIT_", "OSS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    forget()
    yield tmp_path
    forget()


def settings(*typed: str) -> Settings:
    context = crosscheck.command.make_context("crosscheck", list(typed))
    return settings_of({name: value for name, value in context.params.items() if name != "tables"})


def objects(*typed: str) -> ObjectsSettings:
    found = settings(*typed).objects
    assert found is not None
    return found


def complaint(capsys: pytest.CaptureFixture[str], *typed: str) -> str:
    code = main(["crosscheck", "--db", "sqlite:///app.db", *typed], Runtime())
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "hint: " in err
    assert "Traceback" not in err
    return err


def test_every_flag_of_the_group_is_tried_here() -> None:
    own = {parameter.opts[-1] for parameter in crosscheck.command.params} - {
        parameter.opts[-1] for parameter in scan.command.params
    }
    assert own == {flag for flag, _ in TYPED}
    without_flag = {"protect", "also_referenced", "thresholds"}
    assert {field for _, _, field, *_ in FLAGS} == ObjectsSettings.model_fields.keys() - without_flag


@pytest.mark.parametrize(("flag", "typed", "field", "in_file", "meant"), FLAGS)
def test_the_flag_goes_before_the_variable_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch, folder: Path, flag: str, typed: str, field: str, in_file: str, meant: object
) -> None:
    assert getattr(objects(flag, typed), field) == meant
    (folder / FILE_NAME).write_text(f"[objects]\n{field} = {in_file}\nprotect = ['a/']\n")
    assert getattr(objects(), field) != meant
    assert getattr(objects(flag, typed), field) == meant
    variable = "DEDUPAUDIT_" + flag[2:].replace("-", "_").upper()
    monkeypatch.setenv(variable, typed)
    assert getattr(objects(), field) == meant
    # A wrong variable is never looked at where there is a flag.
    monkeypatch.setenv(variable, "v1" if flag == "--signature" else "1")
    assert getattr(objects(flag, typed), field) == meant
    assert objects(flag, typed).protect == ("a/",)


def test_without_any_of_them_there_is_no_store() -> None:
    assert settings().objects is None


def test_defaults_are_those_of_the_file() -> None:
    found = objects("--objects", "oss://bucket/")
    assert found == ObjectsSettings(url="oss://bucket/")
    assert (found.grace, found.max_missing, found.credentials, found.signature) == (3600.0, 0.5, "auto", "v4")
    assert (found.qps, found.threads, found.inventory) == (None, 8, None)


@pytest.mark.parametrize(
    ("typed", "meant"), [("50%", 0.5), ("0.5", 0.5), ("100%", 1.0), ("1", 1.0), ("0", 0.0), (" 2.5 % ", 0.025)]
)
def test_a_share_is_written_either_way(typed: str, meant: float) -> None:
    assert objects("--max-missing", typed).max_missing == pytest.approx(meant)


def test_paths_are_meant_from_the_current_folder(folder: Path) -> None:
    assert objects("--objects", "file:a/b").url == f"file://{folder}/a/b"
    assert objects("--objects", "file:///a/b").url == "file:///a/b"
    assert objects("--inventory", "i/manifest.json").inventory == f"{folder}/i/manifest.json"
    assert objects("--inventory", "file:///i/manifest.json").inventory == "/i/manifest.json"
    assert objects("--inventory", "file:manifest.json").inventory == f"{folder}/manifest.json"
    assert objects("--credentials", "file:keys").credentials == f"file:{folder}/keys"
    assert objects("--credentials", "file:~/keys").credentials == f"file:{folder}/home/keys"


@pytest.mark.parametrize(
    ("flag", "typed", "said"),
    [
        ("--objects", "bucket/a", "expected oss://bucket/prefix/"),
        ("--objects", "s3://bucket/a", "expected oss://bucket/prefix/"),
        ("--objects", "file://host/a", "expected oss://bucket/prefix/"),
        ("--oss-endpoint", "", "must not be empty"),
        ("--oss-region", "", "must not be empty"),
        ("--inventory", "", "expected a manifest.json"),
        ("--inventory", "oss://bucket", "expected a manifest.json"),
        ("--inventory", "oss://bucket/", "expected a manifest.json"),
        ("--inventory", "https://host/manifest.json", "expected a manifest.json"),
        ("--inventory", "file://host/manifest.json", "expected a manifest.json"),
        ("--template", "pictures/", "expected columns in braces"),
        ("--grace", "60", "not understood: write a number and its unit"),
        ("--max-missing", "50", 'expected a share between 0% and 100%: "50%", or 0.5'),
        ("--max-missing", "-1%", "expected a share"),
        ("--max-missing", "nan", "expected a share"),
        ("--credentials", "vault", "expected auto, environment, file:PATH or ecs:ROLE"),
        ("--credentials", "file:", "expected auto, environment, file:PATH or ecs:ROLE"),
        ("--signature", "v2", "'v2' is not one of its values\n  hint: it takes v4 or v1"),
        ("--qps", "0", "--qps: expected a number of requests a second, above 0: 10, or 0.5"),
        ("--qps", "nan", "expected a number of requests a second, above 0"),
        ("--qps", "inf", "above 0: 10, or 0.5; without one there is no limit"),
        ("--qps", "fast", "'fast' is not a number"),
        ("--threads", "0", "0 is out of range\n  hint: write a whole number from 1 to 64"),
        ("--threads", "65", "65 is out of range"),
    ],
)
def test_a_wrong_value_is_named_with_its_flag(
    capsys: pytest.CaptureFixture[str], flag: str, typed: str, said: str
) -> None:
    message = complaint(capsys, flag, typed)
    assert flag in message
    assert said in message


def test_all_wrong_values_are_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    message = complaint(capsys, "--objects", "bucket", "--max-missing", "7", "--oss-endpoint", "")
    assert "3 errors" in message
    for flag in ("--objects: ", "--max-missing: ", "--oss-endpoint: "):
        assert f"\n  {flag}" in message


def test_a_wrong_variable_is_named_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEDUPAUDIT_GRACE", "soon")
    assert "--grace: not understood" in complaint(capsys)


@pytest.mark.parametrize(
    "typed",
    [
        ("--objects", "oss://LTAI:s3cr3tKey9@bucket/"),
        ("--inventory", "oss://LTAI:s3cr3tKey9@bucket/manifest.json"),
        ("--credentials", "LTAI:s3cr3tKey9"),
        ("--oss-endpoint", "", "--credentials", "s3cr3tKey9"),
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(capsys: pytest.CaptureFixture[str], typed: tuple[str, ...]) -> None:
    assert "s3cr3t" not in complaint(capsys, *typed)


def test_no_store_is_told_with_the_ways_to_name_one(capsys: pytest.CaptureFixture[str]) -> None:
    message = complaint(capsys)
    assert "--objects URL" in message
    assert "--inventory" in message


@pytest.mark.parametrize("output", ["-o", "--findings"])
@pytest.mark.parametrize("name", ["i/manifest.json", "i/manifest.checksum", "keys.jsonl", "env.jsonl", "store/a.jsonl"])
def test_what_is_read_is_not_overwritten(monkeypatch: pytest.MonkeyPatch, folder: Path, output: str, name: str) -> None:
    for made in ("i/manifest.json", "i/manifest.checksum", "keys.jsonl", "env.jsonl", "store/a.jsonl"):
        (folder / made).parent.mkdir(exist_ok=True)
        (folder / made).write_text("as it was")
    typed = ["--db", "sqlite:///app.db", "--objects", "file:store", "--inventory", "i/manifest.json"]
    if name == "env.jsonl":
        monkeypatch.setenv("OSS_CREDENTIALS_FILE", "env.jsonl")
    else:
        typed += ["--credentials", "file:keys.jsonl"]
    with pytest.raises(Refused, match="it would be overwritten") as caught:
        running.run_crosscheck(Runtime(), settings(*typed, output, f"./{name}"), ())
    assert output.replace("-o", "--output") in caught.value.message
    assert (folder / name).read_text() == "as it was"
