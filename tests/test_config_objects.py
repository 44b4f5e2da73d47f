"""The object store in Settings: what a file says of it, where its paths are meant from, and what goes before it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dedupaudit.config import ObjectsSettings, config_schema, load_settings
from dedupaudit.config.files import FILE_NAME
from dedupaudit.errors import UsageError


def load(folder: Path, text: str = "", **more: Any) -> ObjectsSettings | None:
    """Load with a file in `folder` and no user's folder."""
    (folder / FILE_NAME).write_text(text)
    environ = more.pop("environ", {})
    return load_settings(None, cwd=folder, environ=environ, **more).objects


def user_file(folder: Path, text: str) -> dict[str, str]:
    own = folder / "xdg" / "dedupaudit"
    own.mkdir(parents=True)
    (own / FILE_NAME).write_text(text)
    return {"XDG_CONFIG_HOME": str(folder / "xdg")}


def test_paths_of_the_object_store_are_meant_from_the_files_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    (tmp_path / "sub").mkdir()

    def loaded(text: str) -> ObjectsSettings:
        found = load(tmp_path / "sub", f"[objects]\n{text}\n")
        assert found is not None
        return found

    assert loaded("inventory = 'i/manifest.json'").inventory == f"{tmp_path}/sub/i/manifest.json"
    assert loaded("inventory = 'file:i/manifest.json'").inventory == f"{tmp_path}/sub/i/manifest.json"
    assert loaded("inventory = 'file:///i/manifest.json'").inventory == "/i/manifest.json"
    assert loaded("inventory = '~/manifest.json'").inventory == "/home/u/manifest.json"
    assert loaded("inventory = 'oss://b/i/manifest.json'").inventory == "oss://b/i/manifest.json"
    assert loaded("credentials = 'file:keys'").credentials == f"file:{tmp_path}/sub/keys"
    assert loaded("credentials = 'file:~/keys'").credentials == "file:/home/u/keys"
    assert loaded("credentials = 'file:~nobody-has-this-name/k'").credentials.endswith("/~nobody-has-this-name/k")
    assert loaded("credentials = 'ecs:role'").credentials == "ecs:role"
    assert loaded("url = 'oss://b/a/'").url == "oss://b/a/"


def test_a_file_says_all_of_the_object_store(tmp_path: Path) -> None:
    text = "max_missing = '5%'\ncredentials = 'environment'\nsignature = 'v1'\nqps = 50\nthreads = 16\nprotect = 'a/'\n"
    found = load(tmp_path, f"[objects]\n{text}")
    assert found is not None
    assert (found.max_missing, found.credentials, found.signature) == (0.05, "environment", "v1")
    assert (found.qps, found.threads, found.protect) == (50.0, 16, ("a/",))
    jsonschema.validate(tomllib.loads(f"[objects]\n{text}"), config_schema(), jsonschema.Draft202012Validator)


def test_the_object_store_is_merged_key_by_key_below_what_is_given(tmp_path: Path) -> None:
    environ = user_file(tmp_path, "[objects]\nurl = 'oss://far/'\nthreads = 2\nqps = 1.5\ncredentials = 'ecs:role'\n")
    found = load(tmp_path, "[objects]\nurl = 'oss://near/'\nthreads = 3\n", environ=environ, objects={"threads": 4})
    assert found == ObjectsSettings(url="oss://near/", threads=4, qps=1.5, credentials="ecs:role")
    assert load(tmp_path, "", objects={"url": None}) is None


def test_an_access_key_of_the_users_file_never_signs_for_a_nearer_files_endpoint(tmp_path: Path) -> None:
    environ = user_file(tmp_path, "[objects]\ncredentials = 'file:/keys'\nthreads = 2\n")
    found = load(tmp_path, "[objects]\nurl = 'oss://b/'\nendpoint = 'http://elsewhere'\n", environ=environ)
    assert found is not None
    assert (found.credentials, found.threads) == ("auto", 2)


def test_a_wrong_field_of_the_object_store_is_named_by_its_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the object store from flags or environment: --oss-region: must not be empty"):
        load(tmp_path, objects={"region": ""})
    with pytest.raises(UsageError, match="--oss-regoin: unknown key; did you mean `region`"):
        load(tmp_path, objects={"oss_regoin": "x"})
