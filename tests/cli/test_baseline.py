"""`--baseline` as a user runs it: only what is new fails, what is gone is said, what cannot be compared is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Completed, Run, SqliteDb

TABLE = "CREATE TABLE IF NOT EXISTS activities (id INTEGER PRIMARY KEY, activity_id TEXT, created_at INTEGER)"


class App:
    """An application's database whose IDs can be set, and the scans of it."""

    def __init__(self, run: Run, sqlite_db: SqliteDb, folder: Path) -> None:
        self._run, self._sqlite_db, self.folder = run, sqlite_db, folder

    def holds(self, *ids: str, name: str = "app.db") -> None:
        values = ", ".join(f"('{one}', 1766557428498)" for one in ids) or "(NULL, NULL)"
        script = f"{TABLE}; DELETE FROM activities; INSERT INTO activities (activity_id, created_at) VALUES {values}"
        self._sqlite_db(script, name)

    def scan(self, *options: str, name: str = "app.db", check: str = "duplicate_ids") -> Completed:
        command = ("scan", "activities", "--db", f"sqlite:///{name}", "--check", check, "-f", "json")
        return self._run(*command, *options)


@pytest.fixture
def app(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> App:
    return App(run, sqlite_db, tmp_path)


def changes(done: Completed) -> Any:
    return done.json()["summary"]["changes"]


def figures(done: Completed) -> tuple[int, int, int, int]:
    told = changes(done)
    return told["new"], told["known"], told["gone"], told["not_looked_at"]


def test_the_first_run_ever_has_only_what_is_new(app: App) -> None:
    app.holds("a", "a")
    first = app.scan("--baseline", "last")
    assert (first.code, figures(first), changes(first)["baseline_run"]) == (1, (1, 0, 0, 0), None)
    second = app.scan("--baseline", "last")
    assert (second.code, figures(second)) == (0, (0, 1, 0, 0))
    assert changes(second)["baseline_run"] == first.json()["run"]["id"]
    finding = second.json()["findings"][0]
    assert (finding["news"], finding["known_since"]) == ("known", first.json()["run"]["finished_at"])
    assert second.json()["run"]["last_complete_at"] == first.json()["run"]["finished_at"]


def test_what_is_new_fails_and_what_is_gone_is_said(app: App) -> None:
    app.holds("a", "a", "b", "b")
    app.scan()
    app.holds("b", "b", "c", "c")
    done = app.scan("--baseline", "last")
    assert (done.code, figures(done)) == (1, (1, 1, 1, 0))
    assert [one["key"] for one in changes(done)["gone_findings"]] == [{"activity_id": "a"}]
    assert {one["key"]["activity_id"]: one["news"] for one in done.json()["findings"]} == {"b": "known", "c": "new"}


def test_a_run_of_another_check_between_closes_nothing(app: App) -> None:
    app.holds("a", "a")
    app.scan()
    between = app.scan("--baseline", "last", check="null_ids")
    assert (between.code, figures(between)) == (0, (0, 0, 0, 1))
    assert figures(app.scan("--baseline", "last")) == (0, 1, 0, 0)


def test_a_source_that_cannot_be_opened_leaves_its_findings_open(app: App) -> None:
    app.holds("a", "a")
    app.scan()
    database = app.folder / "app.db"
    whole = database.read_bytes()
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    broken = app.scan("--baseline", "last")
    assert (broken.code, figures(broken)) == (3, (0, 0, 0, 1))
    database.write_bytes(whole)
    assert figures(app.scan("--baseline", "last")) == (0, 1, 0, 0)


def test_two_databases_with_the_same_ids_do_not_meet(app: App) -> None:
    app.holds("a", "a")
    app.scan()
    app.holds("a", "a", name="staging.db")
    staging = app.scan("--baseline", "last", name="staging.db")
    assert (staging.code, figures(staging)) == (1, (1, 0, 0, 0))


def test_more_findings_than_the_report_holds(app: App) -> None:
    app.holds(*[f"k{number}" for number in range(20)] * 2)
    assert figures(app.scan("--baseline", "last", "--max-findings", "5")) == (20, 0, 0, 0)
    app.holds(*[f"k{number}" for number in range(1, 21)] * 2)
    done = app.scan("--baseline", "last", "--max-findings", "5")
    assert (done.code, figures(done)) == (1, (1, 19, 1, 0))


def test_without_a_named_history_a_cut_report_leaves_its_totals_alone(app: App, run: Run) -> None:
    app.holds(*"abc" * 2)
    ident = app.scan("--max-findings", "1").json()["run"]["id"]
    assert run("history", "-f", "json").json()["runs"][0]["new"] is None
    assert app.scan("--baseline", ident).code == 5
    assert figures(app.scan("--baseline", "last")) == (3, 0, 0, 0)


@pytest.mark.parametrize("history", ["none", "mine.db"])
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_file_as_the_baseline(app: App, form: str, history: str) -> None:
    app.holds("a", "a", "b", "b")
    app.scan("-o", "then.json", "--findings", "then.jsonl", "--history", "none")
    app.holds("b", "b", "c", "c")
    done = app.scan("--baseline", f"then.{form}", "--history", history)
    assert (done.code, figures(done), changes(done)["baseline"]) == (1, (1, 1, 1, 0), f"then.{form}")
    app.holds("b", "b")
    assert app.scan("--baseline", f"then.{form}", "--history", history).code == 0


def test_a_run_that_does_not_exist_is_told_with_the_nearest(app: App) -> None:
    app.holds("a", "a")
    ident = app.scan().json()["run"]["id"]
    done = app.scan("--baseline", ident[:-1] + ("0" if ident[-1] != "0" else "1"))
    assert (done.code, f"did you mean `{ident}`".encode() in done.err) == (2, True)


def test_files_that_cannot_be_a_baseline(app: App) -> None:
    app.holds("a", "a", "b", "b")
    app.scan("-o", "cut.json", "--max-findings", "1")
    app.scan("-o", "whole.json", "--findings", "whole.jsonl")
    document = json.loads((app.folder / "whole.json").read_text())
    (app.folder / "damaged.json").write_text(json.dumps(document | {"findings": [{"check": 1}]}))
    (app.folder / "half.jsonl").write_bytes((app.folder / "whole.jsonl").read_bytes()[:-20])
    codes = {"cut.json": 5, "damaged.json": 2, "half.jsonl": 2, "missing.json": 2, "app.db": 2}
    for name, code in codes.items():
        done = app.scan("--baseline", name)
        assert (name, done.code, done.out) == (name, code, b"")


def test_a_baseline_of_another_database_is_refused(app: App) -> None:
    app.holds("a", "a")
    app.scan("-o", "app.json")
    ident = app.scan().json()["run"]["id"]
    app.holds("a", "a", name="staging.db")
    for baseline in ("app.json", ident):
        done = app.scan("--baseline", baseline, name="staging.db")
        assert (baseline, done.code, b"of another database" in done.err) == (baseline, 5, True)


def test_nothing_in_the_history_without_a_history(app: App) -> None:
    app.holds("a", "a")
    done = app.scan("--baseline", "last", "--history", "none")
    assert (done.code, b"--history none" in done.err) == (2, True)


def test_masked_runs_have_a_history_of_their_own(app: App) -> None:
    app.holds("a", "a")
    app.scan("-o", "open.json")
    masked = ("--mask", "activity_id", "--mask-key-file", "mask.key")
    (app.folder / "mask.key").write_text("0123456789abcdef" * 2)
    (app.folder / "mask.key").chmod(0o600)
    assert figures(app.scan("--baseline", "last", *masked)) == (1, 0, 0, 0)
    assert figures(app.scan("--baseline", "last", *masked)) == (0, 1, 0, 0)
    app.scan("-o", "masked.json", *masked)
    assert app.scan("--baseline", "masked.json").code == 5
    assert figures(app.scan("--baseline", "masked.json", *masked)) == (0, 1, 0, 0)
    assert figures(app.scan("--baseline", "last")) == (0, 1, 0, 0)
