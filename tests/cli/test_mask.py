"""`--mask` as a user runs it: over an incident with a marker in every hidden value, no byte of one comes out."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from dedupaudit.demo import build
from dedupaudit.reports import FORMATS
from tests.cli.reading import report_of, said, valid_report
from tests.conftest import Completed, Run, SqliteDb

KEY = "0123456789abcdef" * 2
MASK = ("--mask", "id", "--mask", "device_id")
EVERY = ("--max-findings", "10000")
HASH = re.compile(r"masked:[0-9a-f]{16}")
# The demo's IDs hold milliseconds of December 2025, its devices begin so; NFKC variants of an ID have other digits.
MARKERS = re.compile(rb"1766\d{9}|desk-[0-9a-f]{4}|mac-[0-9a-f]{4}|kept-(?:id|device)|screenshots/", re.IGNORECASE)
EXTRA = """
CREATE TABLE uploads (id TEXT PRIMARY KEY NOT NULL, device_id TEXT, kind TEXT, status TEXT, created_at TEXT);
INSERT INTO uploads VALUES ('kept-id-1', 'kept-device', 'kept-device', 'kept-id-status', '2025-12-22 08:00:00');
"""


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo's folder, with devices in the logs and a table whose primary key is hidden."""
    folder = tmp_path_factory.mktemp("masked") / "incident"
    build(folder, rows=60, seed=7)
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.executescript(EXTRA)
    with (folder / "dedupaudit.toml").open("a") as file:
        file.write('\n[tables.uploads]\nkey = ["id"]\nstatus = "status"\ngroup = "kind"\n')
    for log in (folder / "logs").glob("app-console.log*"):
        packed = log.suffix == ".gz"
        text = gzip.decompress(log.read_bytes()) if packed else log.read_bytes()
        lines = [line + b" device=desk-3f1a" for line in text.splitlines()]
        told = b"\n".join(lines) + b"\n"
        log.write_bytes(gzip.compress(told) if packed else told)
    (folder / "truth.json").unlink()
    return folder


@pytest.fixture(scope="module")
def values(incident: Path) -> list[str]:
    """Return every value of the hidden columns, and every object's key, that is long enough to be no word."""
    with closing(sqlite3.connect(incident / "app.db")) as connection:
        found = {
            value
            for table in ("activities", "screenshots", "processes", "uploads")
            for row in connection.execute(f"SELECT id, device_id FROM {table}")  # noqa: S608
            for value in row
        }
        found |= {one for row in connection.execute("SELECT oss_key, oss_url FROM screenshots") for one in row}
    found |= {str(path.relative_to(incident / "objects")) for path in (incident / "objects").rglob("*.jpg")}
    return sorted(str(value) for value in found if value and len(str(value)) > 4)


def forms(value: str) -> Iterator[str]:
    """Yield a value as some format may write it."""
    yield value
    yield json.dumps(value)[1:-1]
    yield html.escape(value)
    yield quote(value)
    yield value.encode().hex()
    yield ascii(value)[1:-1]


def assert_clean(values: list[str], *texts: bytes) -> None:
    for text in texts:
        shown = MARKERS.search(text)
        assert not shown, text[max(0, shown.start() - 100) : shown.end() + 100]
        leaked = [value for value in values if any(form.encode() in text for form in forms(value))]
        assert not leaked


@pytest.fixture
def masked(run: Run, incident: Path) -> Any:
    def run_masked(*args: str, key: str = KEY, cwd: Path = incident) -> Completed:
        return run(*args, *MASK, cwd=cwd, env={"DEDUPAUDIT_MASK_KEY": key})

    return run_masked


# ---- the leak test


def test_the_markers_are_there_without_a_mask(run: Run, incident: Path, values: list[str]) -> None:
    """Guard the guard: a report in the clear is full of them."""
    done = run("audit", "-f", "json", *EVERY, cwd=incident)
    assert sum(value.encode() in done.out for value in values) > 60
    assert len(MARKERS.findall(done.out)) > 300


@pytest.mark.parametrize(
    "format_", [one if one in ("terminal", "json") else pytest.param(one, marks=pytest.mark.slow) for one in FORMATS]
)
def test_an_audit_shows_no_value_in_any_format(
    masked: Any, incident: Path, values: list[str], format_: str, tmp_path: Path
) -> None:
    done = masked("audit", "-v", "-f", format_, *EVERY)
    assert done.code == 1, said(done)
    assert_clean(values, done.out, done.err)
    states = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert_clean(values, *states)


@pytest.mark.parametrize("command", ["scan", "crosscheck", "logs"])
def test_no_other_command_shows_one(masked: Any, values: list[str], command: str) -> None:
    done = masked(command, "-f", "json", *EVERY)
    report = report_of(done)
    assert done.code == 1
    assert report["summary"]["findings"] > 5
    assert_clean(values, done.out, done.err)


@pytest.mark.parametrize("format_", ["terminal", "json", "html"])
def test_explain_hides_even_the_id_that_was_asked_for(
    run: Run, masked: Any, incident: Path, values: list[str], format_: str
) -> None:
    plain = report_of(run("crosscheck", "-f", "json", *EVERY, cwd=incident))
    missing = [one for one in plain["findings"] if one["check"] == "missing_object"]
    lost = next(one["key"]["id"] for one in missing if one["cause"] is None)
    done = masked("explain", lost, "-f", format_)
    assert done.code == 0, said(done)
    assert b"masked:" in done.out
    assert b"404" in done.out
    assert_clean(values, done.out, done.err)


def test_an_id_that_no_source_knows_is_not_said_either(masked: Any) -> None:
    done = masked("explain", "kept-id-nobody", "-v")
    assert done.code == 4
    assert "no source knows the ID masked:" in done.err.decode()
    assert b"nobody" not in done.err


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_the_file_of_all_findings_shows_none(masked: Any, values: list[str], tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"findings.{ending}"
    assert masked("audit", "-q", "-o", str(tmp_path / "report"), "--findings", str(path)).code == 1
    text = path.read_bytes()
    if ending == "parquet":
        rows = duckdb.read_parquet(str(path)).fetchall()
        assert len(rows) > 50
        text += repr(rows).encode()
    assert_clean(values, text)
    assert text.count(b"masked:") > 50


def test_what_a_failure_says_of_keys_is_hidden_and_the_failure_is_not(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    """Guard against reasons: of a wrong template one names a row's key, and the one that it expected."""
    rows = [f"('kept-id-{number}', 'completed', 'kept-device-{number}.jpg')" for number in range(30)]
    path = sqlite_db(
        "CREATE TABLE screenshots (id TEXT, status TEXT, oss_key TEXT);"
        f"INSERT INTO screenshots VALUES {', '.join(rows)};"  # noqa: S608
    )
    (tmp_path / "objects").mkdir()
    for number in range(30):
        (tmp_path / "objects" / f"kept-device-{number}.jpg").write_bytes(b"x")
    asked: tuple[str, ...] = ("crosscheck", "--db", f"sqlite:///{path}", "--objects", f"file://{tmp_path}/objects")
    asked += ("--template", "other/{id}.png", "-f", "json")
    plain = run(*asked)
    assert plain.code == 3, said(plain)
    assert MARKERS.search(plain.out)
    assert MARKERS.search(plain.err)
    done = run(*asked, "--mask", "id", env={"DEDUPAUDIT_MASK_KEY": KEY})
    assert done.code == 3, said(done)
    (failed,) = [row for row in report_of(done)["coverage"] if row["status"] == "failed"]
    assert failed["check"] == "misplaced_object"
    assert "hidden by --mask" in failed["reason"]
    assert "misplaced_object" in said(done) or "screenshots" in said(done)
    assert_clean([], done.out, done.err)


def test_a_saved_report_is_hidden_too_and_shows_no_more_than_a_run_that_was(
    run: Run, masked: Any, incident: Path, values: list[str], tmp_path: Path
) -> None:
    saved = tmp_path / "report.json"
    run("audit", "-q", "-f", "json", "-o", saved, *EVERY, cwd=incident)
    for format_ in FORMATS:
        done = masked("report", str(saved), "-f", format_)
        assert done.code == 0, said(done)
        assert_clean(values, done.out, done.err)
    again = masked("report", str(saved), "-f", "json")
    (tmp_path / "once.json").write_bytes(again.out)
    twice = masked("report", str(tmp_path / "once.json"), "-f", "json", key="another key of 24 bytes")
    assert twice.out == again.out


def test_the_history_keeps_no_value_and_knows_a_hidden_finding_again(
    masked: Any, values: list[str], tmp_path: Path
) -> None:
    history = ("--history", str(tmp_path / "runs.sqlite"))
    assert masked("audit", "-q", *history, "-o", str(tmp_path / "report")).code == 1
    again = masked("audit", "-q", *history, "--baseline", "last", "-f", "json")
    assert again.code == 3, "nothing is new; of the row with an illegal status nobody knows whether it has an object"
    assert report_of(again)["summary"]["changes"]["new"] == 0
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as connection:
        kept = [value for line in connection.iterdump() for value in re.findall(r"X'([0-9A-F]+)'", line)]
        dumped = "\n".join(connection.iterdump()).encode()
    whole = masked("history", "show", "last", *history, "-f", "json")
    assert b"masked:" in whole.out
    assert kept, "reports are kept packed; otherwise the file itself would tell"
    assert_clean(values, dumped, whole.out, whole.err)


def test_a_baseline_in_the_clear_does_not_show_what_is_gone(
    run: Run, masked: Any, incident: Path, values: list[str], tmp_path: Path
) -> None:
    """Guard against the one thing in a report that comes from another one."""
    saved = tmp_path / "clear.json"
    run("audit", "-q", "-f", "json", "-o", saved, *EVERY, cwd=incident)
    done = masked("audit", "-q", "--baseline", str(saved), "-f", "json", *EVERY)
    assert report_of(done)["summary"]["changes"]["gone_findings"]
    assert_clean(values, done.out, done.err)


# ---- equality


def test_one_id_is_one_hash_in_rows_logs_and_other_runs(masked: Any, incident: Path) -> None:
    report = report_of(masked("audit", "-f", "json", *EVERY))
    rows = {one["key"]["id"] for one in report["findings"] if one["check"] == "duplicate_ids"}
    lines = {one["key"]["id"] for one in report["findings"] if one["source"] == "logs"}
    assert len(rows & lines) > 5
    scanned = report_of(masked("scan", "-f", "json", *EVERY))
    assert {one["key"]["id"] for one in scanned["findings"] if one["check"] == "duplicate_ids"} == rows


def test_hashes_and_fingerprints_are_stable_under_one_key_and_others_under_another(masked: Any) -> None:
    def prints(key: str) -> set[str]:
        report = report_of(masked("scan", "-f", "json", *EVERY, key=key))
        return {one["fingerprint"] for one in report["findings"] if one["check"] == "duplicate_ids"}

    first = prints(KEY)
    assert first
    assert prints(KEY) == first
    assert not prints("another key of 24 bytes!") & first


def test_numbers_are_those_of_a_run_in_the_clear(run: Run, masked: Any, incident: Path) -> None:
    plain, hidden = run("audit", "-f", "json", cwd=incident), masked("audit", "-f", "json")
    first, second = report_of(plain)["summary"], report_of(hidden)["summary"]
    for same in ("findings", "by_check", "by_severity", "by_verdict"):
        assert first[same] == second[same]
    table = "db.activities"
    assert {**first["tables"][table], "by_group": 0} == {**second["tables"][table], "by_group": 0}
    assert plain.code == hidden.code


def test_what_is_known_to_be_another_column_stays(masked: Any) -> None:
    report = report_of(masked("scan", "-f", "json", *EVERY))
    places = [row["where"] for one in report["findings"] for row in one["evidence"] if row["kind"] == "row"]
    assert any(re.fullmatch(r"db\.activities pk=\d+", where) for where in places)
    assert any(re.fullmatch(r"db\.uploads pk=masked:[0-9a-f]{16}", where) for where in places)
    groups = report["summary"]["tables"]["db.activities"]["by_group"]
    assert {one["group"] for one in groups} & {"click", "key", "focus", "scroll"}


def test_only_the_device_hides_only_what_may_be_of_it(run: Run, incident: Path) -> None:
    env = {"DEDUPAUDIT_MASK_KEY": KEY}
    report = report_of(run("audit", "-f", "json", *EVERY, "--mask", "device_id", cwd=incident, env=env))
    duplicates = [one for one in report["findings"] if one["check"] == "duplicate_ids"]
    assert all("masked:" not in str(one["key"]) for one in duplicates)
    assert b"desk-" not in json.dumps(report).encode()


# ---- what is refused


def test_a_slip_in_a_name_is_refused_before_anything_is_written(run: Run, incident: Path, tmp_path: Path) -> None:
    report, findings = tmp_path / "report.json", tmp_path / "findings.jsonl"
    done = run(
        *("audit", "--mask", "devise_id", "-f", "json", "-o", report, "--findings", findings),
        cwd=incident,
        env={"DEDUPAUDIT_MASK_KEY": KEY},
    )
    assert done.code == 2
    assert "--mask devise_id: no audited table has such a column" in said(done)
    assert "device_id" in said(done)
    assert not report.exists()
    assert not findings.exists()


def test_so_is_one_of_several_databases_when_one_cannot_be_opened(run: Run, incident: Path, tmp_path: Path) -> None:
    findings = tmp_path / "findings.jsonl"
    done = run(
        *("scan", "--db", f"one=sqlite:///{incident / 'app.db'}", "--db", "two=sqlite:///missing.db"),
        *("--mask", "idd", "--findings", findings),
        env={"DEDUPAUDIT_MASK_KEY": KEY},
    )
    assert done.code == 2
    assert "--mask idd" in said(done)
    assert not findings.exists()


def test_a_database_that_cannot_be_opened_is_incomplete_and_no_wrong_name(run: Run) -> None:
    done = run("scan", "--db", "sqlite:///missing.db", "--mask", "id", env={"DEDUPAUDIT_MASK_KEY": KEY})
    assert done.code == 3, said(done)


def test_without_a_key_nothing_is_read(run: Run, incident: Path) -> None:
    done = run("audit", "--mask", "id", cwd=incident)
    assert done.code == 2
    assert "--mask needs a key" in said(done)
    assert "openssl rand -hex 32 > mask.key" in said(done)
    assert done.out == b""


def test_times_cannot_be_hidden_and_that_is_said(run: Run, incident: Path) -> None:
    done = run("scan", "--mask", "created_at", cwd=incident, env={"DEDUPAUDIT_MASK_KEY": KEY})
    assert done.code == 2
    assert "the times of db.activities stand in it" in said(done)


def test_the_keys_file_is_never_overwritten_and_never_said(run: Run, incident: Path, tmp_path: Path) -> None:
    path = tmp_path / "mask.key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    done = run("scan", "--mask", "id", "--mask-key-file", path, "-o", path, cwd=incident)
    assert done.code == 5
    assert path.read_text() == KEY + "\n"
    done = run("scan", "--mask", "id", "--mask-key-file", path, "-f", "json", cwd=incident)
    assert done.code == 1
    assert said(done) == ""
    assert KEY.encode() not in done.out


def test_the_key_and_the_columns_can_be_configured(run: Run, incident: Path, tmp_path: Path) -> None:
    folder = tmp_path / "configured"
    folder.mkdir()
    shutil.copy(incident / "app.db", folder)
    (folder / "mask.key").write_text(KEY)
    (folder / "mask.key").chmod(0o600)
    (folder / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n[options]\nmask = ["id", "device_id"]\nmask_key_file = "mask.key"\n'
    )
    (folder / "below").mkdir()
    done = run("scan", "-f", "json", cwd=folder / "below")
    assert done.code == 1, said(done)
    assert not MARKERS.search(done.out)


def test_a_name_that_a_saved_report_does_not_know_is_remarked_upon(run: Run, incident: Path, tmp_path: Path) -> None:
    saved = tmp_path / "report.json"
    run("scan", "-q", "-f", "json", "-o", saved, cwd=incident)
    done = run("report", saved, "-f", "json", "--mask", "idd", env={"DEDUPAUDIT_MASK_KEY": KEY})
    assert done.code == 0
    assert "--mask idd: no finding has a key of this name" in said(done)
    valid_report(done.out)
