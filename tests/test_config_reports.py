"""The configuration of what happens after a run: thresholds, masks, history, baselines and notifications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dedupaudit.config import config_schema
from dedupaudit.config.values import Limit
from tests.test_config import load, refusal

THRESHOLDS = """
[tables.activities.thresholds]
duplicate_ids = 10
null_ids = "0.1%"
[objects.thresholds]
orphan_object = " 5 % "
[logs.thresholds]
requeue = 0
"""


def test_thresholds_are_rows_or_a_share(tmp_path: Path) -> None:
    found = load(tmp_path, THRESHOLDS)
    assert found.tables["activities"].thresholds == {
        "duplicate_ids": Limit("10", rows=10),
        "null_ids": Limit("0.1%", share=0.1 / 100),
    }
    assert found.objects is not None
    assert found.objects.thresholds["orphan_object"].text == "5%"
    assert found.logs is not None
    assert found.logs.thresholds == {"requeue": Limit("0", rows=0)}


@pytest.mark.parametrize(
    "value", ["-1", "1.5", "true", '""', '"10"', '"-1%"', '"100.1%"', '"%"', '"1e1%"', '"１%"', "[1]", "{ rows = 1 }"]
)
def test_a_threshold_that_is_neither_is_refused(tmp_path: Path, value: str) -> None:
    message = refusal(tmp_path, f"[tables.activities.thresholds]\nduplicate_ids = {value}\n")
    assert "tables.activities.thresholds.duplicate_ids: expected a number of rows" in message


def test_a_nearer_files_threshold_goes_before_the_users(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "dedupaudit").mkdir(parents=True)
    (home / "dedupaudit" / "dedupaudit.toml").write_text(
        "[tables.activities.thresholds]\nduplicate_ids = 1\nnull_ids = 2\n"
    )
    text = "[tables.activities.thresholds]\nduplicate_ids = 3\n"
    found = load(tmp_path, text, environ={"XDG_CONFIG_HOME": str(home)})
    limits = {check: limit.rows for check, limit in found.tables["activities"].thresholds.items()}
    assert limits["duplicate_ids"] == 3


OPTIONS = """
[options]
mask = ["device_id", "activities.id"]
mask_key_file = "keys/mask.key"
history = "runs.sqlite"
baseline = "reports/first.json"
notify = ["mailto://ops@example.com"]
lock = true
log_json = true
"""


def test_files_are_meant_from_the_folder_of_the_file_that_names_them(tmp_path: Path) -> None:
    options = load(tmp_path, OPTIONS).options
    assert options.mask == ("device_id", "activities.id")
    assert options.mask_key_file == str(tmp_path / "keys/mask.key")
    assert options.history == str(tmp_path / "runs.sqlite")
    assert options.baseline == str(tmp_path / "reports/first.json")
    assert options.notify == ("mailto://ops@example.com",)
    assert (options.lock, options.log_json) == (True, True)


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        ("history = 'none'", "history", "none"),
        ("baseline = 'last'", "baseline", "last"),
        ("baseline = '20251224T080500Z-1a2b3c4d'", "baseline", "20251224T080500Z-1a2b3c4d"),
    ],
)
def test_words_and_runs_are_no_files(tmp_path: Path, text: str, option: str, value: str) -> None:
    assert getattr(load(tmp_path, f"[options]\n{text}\n").options, option) == value


def test_by_default_nothing_is_masked_locked_or_told(tmp_path: Path) -> None:
    options = load(tmp_path).options
    assert (options.mask, options.notify, options.lock, options.log_json) == ((), (), False, False)
    assert (options.mask_key_file, options.history, options.baseline) == (None, None, None)


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    options = load(tmp_path, OPTIONS, overrides={"mask": ["id"], "history": "none"}).options
    assert (options.mask, options.history) == (("id",), "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mask = 'id'\nlock = 1", "options.lock"),
        ("mask = ['id', 'id']", "options.mask"),
        ("mask = ['']", "options.mask"),
        ("mask_key_file = ''", "options.mask_key_file"),
        ("notify = [1]", "options.notify"),
        ("log_json = 'yes'", "options.log_json"),
        ("maks = ['id']", "options.maks"),
    ],
)
def test_slips_are_named(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, f"[options]\n{text}\n")


def _accepts(document: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(config_schema()).is_valid(document))


@pytest.mark.parametrize("limit", [0, 10, "0.1%", "100%"])
def test_the_schema_knows_the_thresholds(limit: object) -> None:
    assert _accepts({"tables": {"activities": {"thresholds": {"duplicate_ids": limit}}}})
    assert _accepts({"objects": {"thresholds": {"orphan_object": limit}}})


@pytest.mark.parametrize("limit", [-1, 1.5, True, "10", "-1%", [1]])
def test_the_schema_refuses_what_the_program_refuses(limit: object) -> None:
    assert not _accepts({"tables": {"activities": {"thresholds": {"duplicate_ids": limit}}}})
