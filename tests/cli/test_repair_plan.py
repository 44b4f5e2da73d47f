"""`repair plan`, as a user types it: file, summary, SQL, limits, policies, a report as input. It changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import completed, on_terminal, started, with_checkout
from tests.cli.reading import SGR, dangerous, said, strict_json
from tests.cli.repairing import REMOVED, TABLE, lines_of, repair, rows, url
from tests.conftest import Completed, Run, SqliteDb


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(TABLE)


def plan(run: Run, db: Path, *more: str | os.PathLike[str], **how: Any) -> Completed:
    return repair(run, db, "plan", "activities", *more, **how)


# ---- the file


def test_the_file_has_a_header_groups_and_an_end_as_the_contract_says(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "-o", "plan.jsonl")
    assert (done.code, done.err) == (0, b"")
    header, *groups, end = lines_of(tmp_path / "plan.jsonl")
    assert (header["type"], header["schema"], header["kind"]) == ("header", "dedupaudit.plan/1", "repair")
    assert header["table"] == "activities"
    assert header["database"] == {"dialect": "sqlite", "file": str(db)}
    assert "://" not in json.dumps(header)
    assert header["created_at"].endswith("Z")
    assert end["type"] == "end"
    assert end["count"] == len(groups) == 3
    by_key = {group["key"]["id"]: group for group in groups}
    first = by_key["activity_1"]
    assert (first["type"], first["class"], first["rule"], first["rows"]) == ("group", "identical", "earliest", 3)
    assert first["survivor"]["pk"] == {"seq": 1}
    assert [victim["pk"] for victim in first["victims"]] == [{"seq": 2}, {"seq": 3}]
    assert all(len(row["hash"]) == 64 for row in (first["survivor"], *first["victims"]))
    assert {"name", "confidence"} == set(first["cause"])
    left = by_key["activity_3"]
    assert (left["left"], left["survivor"], left["victims"]) == ("id_collision", None, [])


def test_it_changes_nothing_and_leaves_no_file_but_the_plan(run: Run, db: Path, tmp_path: Path) -> None:
    before = db.read_bytes(), db.stat().st_mtime_ns
    assert plan(run, db, "-o", "plan.jsonl").code == 0
    assert plan(run, db).code == 0
    assert (db.read_bytes(), db.stat().st_mtime_ns) == before
    assert {path.name for path in tmp_path.iterdir()} == {"app.db", "plan.jsonl", "home"}


def test_a_dash_puts_the_plan_alone_on_stdout(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "-o", "-")
    assert [strict_json(line)["type"] for line in done.out.splitlines()] == ["header", "group", "group", "group", "end"]
    assert "remove  3 rows" in said(done)
    assert plan(run, db, "-o", "-", "-q").err == b""
    assert not (tmp_path / "-").exists()


def test_nothing_to_do_is_0_and_said(run: Run, clean: Path, tmp_path: Path) -> None:
    done = plan(run, clean, "-o", tmp_path / "plan.jsonl")
    assert done.code == 0
    assert b"Nothing to do." in done.out
    assert lines_of(tmp_path / "plan.jsonl")[-1]["count"] == 0


# ---- what people are told


def test_the_summary_ends_with_the_command_that_applies_it(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "-o", "a plan.jsonl")
    lines = done.out.decode().splitlines()
    assert lines[0] == "activities: 48 rows, 3 IDs stored more than once"
    assert "nothing was changed" in done.out.decode()
    assert lines[-1] == f"  dedupaudit repair apply 'a plan.jsonl' --db {url(db)} --confirm activities"
    words = ["repair", "apply", "a plan.jsonl", "--db", url(db), "--confirm", "activities"]
    assert run(*words).code == 0
    assert len(rows(db)) == 48 - REMOVED


def test_without_a_place_it_says_how_to_save_it(run: Run, db: Path) -> None:
    assert b"-o FILE writes it, --sql shows it" in plan(run, db).out


def test_json_is_the_header_and_the_place(run: Run, db: Path) -> None:
    done = plan(run, db, "-o", "plan.jsonl", "-f", "json")
    told = strict_json(done.out)
    assert done.err == b""
    assert told["plan"] == "plan.jsonl"
    assert told["totals"]["removed"] == REMOVED
    assert told["schema"] == "dedupaudit.plan/1"


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_lines_that_fit(clean_env: dict[str, str], db: Path, tmp_path: Path, columns: int) -> None:
    env = {**with_checkout(clean_env), "TERM": "xterm-256color"}
    done = on_terminal(["repair", "plan", "activities", "--db", "sqlite:///app.db"], env, tmp_path, columns=columns)
    assert done.code == 0
    text = SGR.sub("", done.out.decode())
    assert not dangerous(text)
    assert max(map(len, text.splitlines())) <= columns


# ---- SQL


def test_sql_is_on_stdout_alone_and_the_summary_beside_it(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "--sql")
    text = done.out.decode()
    assert text.count("DELETE FROM") == REMOVED
    assert "-- left as it is: id_collision: " in text
    assert "remove  3 rows" in said(done)
    assert plan(run, db, "--sql", "-q").err == b""
    both = plan(run, db, "--sql", "-o", "plan.jsonl")
    assert both.out == done.out
    assert lines_of(tmp_path / "plan.jsonl")[-1]["count"] == 3
    clash = plan(run, db, "--sql", "-o", "-")
    assert (clash.code, clash.out) == (2, b"")


def test_a_reader_that_goes_away_is_141_silent_and_leaves_no_plan(
    clean_env: dict[str, str], sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    # More than a pipe holds.
    many = sqlite_db(
        "CREATE TABLE activities (seq INTEGER PRIMARY KEY, id TEXT);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
        "INSERT INTO activities (id) SELECT 'activity_' || (i / 2) FROM n;",
    )
    for more in (["-o", "-"], ["--sql"], ["--sql", "-o", "plan.jsonl"]):
        arguments = ["repair", "plan", "activities", "--db", url(many), "--max-delete", "100%", *more]
        with started(arguments, with_checkout(clean_env), tmp_path) as process:
            assert process.stdout
            assert process.stdout.read(10)
            process.stdout.close()
            process.stdout = None
            done = completed(process)
        assert (done.code, done.err) == (141, b""), more
    assert {path.name for path in tmp_path.iterdir()} == {"app.db", "home"}


# ---- limits


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ([], 0),
        (["3"], 0),
        (["0"], 5),
        (["6.25%"], 0),
        (["6.2%"], 5),
        (["100%,2"], 5),
        (["3, 7%"], 0),
        (["5", "2"], 5),
        (["many"], 2),
        (["nan%"], 2),
        (["101%"], 2),
        ([""], 2),
    ],
    ids=str,
)
def test_a_plan_beyond_its_limit_is_refused_and_not_written(
    run: Run, db: Path, tmp_path: Path, limit: list[str], code: int
) -> None:
    options = [word for one in limit for word in ("--max-delete", one)]
    done = plan(run, db, "-o", "plan.jsonl", *options)
    assert done.code == code, said(done)
    assert (tmp_path / "plan.jsonl").exists() == (code == 0)
    if code:
        assert done.out == b""
        assert "--max-delete" in said(done)
        assert "hint:" in said(done)


def test_the_usual_limit_is_a_tenth_of_the_table_and_an_older_plan_stays(
    run: Run, duplicates: Path, tmp_path: Path
) -> None:
    (tmp_path / "plan.jsonl").write_text("mine")
    done = plan(run, duplicates, "-o", tmp_path / "plan.jsonl")
    assert done.code == 5
    assert "10 % of the table" in said(done)
    assert "--max-delete 30%" in said(done)
    assert (tmp_path / "plan.jsonl").read_text() == "mine"


# ---- conflicts

CONFLICT = """
CREATE TABLE activities (seq INTEGER PRIMARY KEY, id TEXT, note TEXT, more TEXT, weight INTEGER, created_at TEXT);
INSERT INTO activities (id, note, more, weight, created_at) VALUES
  ('activity_1766557428498', 'a', NULL, 2, '2025-12-24T08:01:14.510Z'),
  ('activity_1766557428498', 'b', 'm', 1, '2025-12-24T08:02:14.510Z'),
  ('activity_1766557428498', 'c', NULL, 3, '2025-12-24T08:03:14.510Z');
"""
# One thing, sent once and then twice again: the logs prove that the rows are no different events.
CLIENT = """\
2025-12-24T08:01:14.500Z 发送 activity_1766557428498
2025-12-24T08:01:44.500Z 超时（30秒），重新入队 activity_1766557428498
2025-12-24T08:02:14.500Z 再次发送 activity_1766557428498
2025-12-24T08:02:44.500Z 超时（30秒），重新入队 activity_1766557428498
2025-12-24T08:03:14.500Z 再次发送 activity_1766557428498
"""
BACKEND = "".join(
    f"2025-12-24T08:0{minute}:14.500Z 接收 activity_1766557428498\n"
    f"2025-12-24T08:0{minute}:14.510Z 写入数据库 activity_1766557428498\n"
    for minute in (1, 2, 3)
)


@pytest.mark.parametrize(
    ("policy", "seq"), [("oldest", 1), ("newest", 3), ("most-complete", 2), ("weight:max", 3), ("seq:max", 3)]
)
def test_a_named_policy_settles_rows_that_differ_where_the_logs_prove_one_thing(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path, policy: str, seq: int
) -> None:
    (tmp_path / "app.log").write_text(CLIENT, encoding="utf-8")
    (tmp_path / "backend.log").write_text(BACKEND, encoding="utf-8")
    db = sqlite_db(CONFLICT)
    more = ("-o", "plan.jsonl", "--max-delete", "100%", "--logs", "*.log", "--on-conflict", policy)
    assert plan(run, db, *more).code == 0
    (group,) = lines_of(tmp_path / "plan.jsonl")[1:-1]
    assert group["cause"]["name"] == "timeout_retry", group
    assert group["survivor"]["pk"] == {"seq": seq}
    assert group["rule"] == f"policy {policy}"


@pytest.mark.parametrize("policy", ["newest", "weight:max"])
def test_without_proof_they_may_be_different_events_and_are_left_whatever_the_policy(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path, policy: str
) -> None:
    db = sqlite_db(CONFLICT)
    done = plan(run, db, "-o", "plan.jsonl", "--max-delete", "100%", "--on-conflict", policy)
    assert done.code == 0
    (group,) = lines_of(tmp_path / "plan.jsonl")[1:-1]
    assert (group["left"], group["victims"]) == ("id_collision", [])
    assert b"widen the key" in done.out


@pytest.mark.parametrize("policy", ["newst", ""])
def test_what_is_no_policy_is_2_and_names_those_there_are(run: Run, db: Path, policy: str) -> None:
    done = plan(run, db, "--on-conflict", policy)
    assert done.code == 2
    assert "most-complete" in said(done)


# ---- a saved report as input


def scanned(run: Run, db: Path, tmp_path: Path, *more: str) -> Path:
    assert run("scan", "activities", "--db", url(db), "-f", "json", "-o", "report.json", *more).code == 1
    return tmp_path / "report.json"


def test_a_report_restricts_the_plan_to_what_it_found(run: Run, db: Path, tmp_path: Path) -> None:
    report = scanned(run, db, tmp_path)
    told = json.loads(report.read_text())
    told["findings"] = [one for one in told["findings"] if one["key"].get("id") != "activity_1"]
    report.write_text(json.dumps(told))
    done = plan(run, db, "--report", "report.json", "-o", "plan.jsonl")
    assert done.code == 0, said(done)
    assert [one["key"]["id"] for one in lines_of(tmp_path / "plan.jsonl")[1:-1]] == ["activity_2", "activity_3"]
    assert b"2 IDs stored more than once, of the 2 that the report names" in b" ".join(done.out.split())


def test_a_report_that_was_cut_says_so_and_gives_what_it_holds(run: Run, db: Path, tmp_path: Path) -> None:
    scanned(run, db, tmp_path, "--check", "duplicate_ids", "--max-findings", "1")
    done = plan(run, db, "--report", "report.json", "-q")
    assert done.code == 0
    assert "the report was cut to 1 findings: the plan covers those alone" in said(done)
    assert b"1 ID stored more than once" in done.out


def test_an_id_that_is_repaired_meanwhile_is_not_planned_again(run: Run, db: Path, tmp_path: Path) -> None:
    scanned(run, db, tmp_path)
    assert plan(run, db, "-o", "plan.jsonl").code == 0
    assert repair(run, db, "apply", "plan.jsonl", "--confirm", "activities").code == 0
    done = plan(run, db, "--report", "report.json")
    assert b"1 ID stored more than once, of the 3 that the report names" in done.out
    assert b"remove  nothing" in done.out


def test_a_reports_cause_does_not_make_one_event_of_two_unless_logs_proved_it(
    run: Run, db: Path, tmp_path: Path
) -> None:
    report = scanned(run, db, tmp_path)
    told = json.loads(report.read_text())
    for finding in told["findings"]:
        if finding["key"].get("id") == "activity_3":
            finding["cause"]["name"] = "timeout_retry"
    report.write_text(json.dumps(told))
    assert plan(run, db, "--report", "report.json", "-o", "plan.jsonl", "--on-conflict", "newest").code == 0
    assert lines_of(tmp_path / "plan.jsonl")[3]["left"] == "id_collision"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), ("", "empty"), ("{}", "report"), ("{broken", "not JSON")]
)
def test_what_is_no_report_is_2(run: Run, db: Path, tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    done = plan(run, db, "--report", "report.json")
    assert (done.code, done.out) == (2, b"")
    assert words in said(done)


# ---- places


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("app.db", 5, "is the database that is read here"),
        ("report.json", 5, "is the report that is read here"),
        ("nowhere/plan.jsonl", 2, "make the folder first"),
        (".", 2, "Is a directory"),
        ("", 2, "output"),
    ],
)
def test_a_plan_takes_the_place_of_nothing_that_is_read(
    run: Run, db: Path, tmp_path: Path, place: str, code: int, words: str
) -> None:
    report = scanned(run, db, tmp_path)
    before = db.read_bytes(), report.read_bytes()
    done = plan(run, db, "--report", "report.json", "-o", place)
    assert done.code == code, said(done)
    assert done.out == b""
    assert words in said(done)
    assert (db.read_bytes(), report.read_bytes()) == before


def test_a_full_disk_is_3_and_names_the_file(run: Run, db: Path) -> None:
    for more in ([], ["--sql"]):
        done = plan(run, db, "-o", "/dev/full", *more)
        assert done.code == 3
        assert "/dev/full could not be written in full" in said(done)
