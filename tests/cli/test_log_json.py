"""`--log-json`: every line of stderr is JSON with a stable id, whatever happens, and docs/log-json.md lists the ids."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import dedupaudit.migrate.run
import dedupaudit.repair.databases
import dedupaudit.sources.objects
import dedupaudit.sources.tables  # noqa: F401 (errors of all parts of the program are to be known)
from dedupaudit.errors import AuditError
from dedupaudit.saying import TYPES
from tests.cli.conftest import ENDLESS
from tests.cli.launching import burn, completed, on_terminal, started, with_checkout
from tests.cli.reading import dangerous, strict_json
from tests.conftest import ROOT, Completed, Run, SqliteDb

DOCUMENT = ROOT / "docs" / "log-json.md"


def subclasses(kind: type[AuditError]) -> Iterator[type[AuditError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def known() -> dict[str, str]:
    """Return the type of each id."""
    return {**{kind.id: "error" for kind in subclasses(AuditError)}, **TYPES}


def lines(done: Completed) -> list[dict[str, Any]]:
    """Return what was said, each line read strictly."""
    found = [strict_json(line) for line in done.err.splitlines()]
    assert done.err.endswith(b"\n") or not found
    assert done.err.isascii()
    assert not dangerous(done.err.decode())
    for line in found:
        assert list(line)[:4] == ["type", "id", "at", "message"]
        assert known()[line["id"]] == line["type"] or line["type"] == "error"
        assert line["at"].endswith("Z")
        assert abs(datetime.fromisoformat(line["at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    return found


def ids(done: Completed) -> list[str]:
    return [line["id"] for line in lines(done) if line["type"] != "progress"]


def test_the_document_lists_every_id_and_its_type() -> None:
    types = "|".join({*TYPES.values()})
    rows = re.findall(rf"^\| `([\w.]+)` \| ({types}) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == known()
    assert len(rows) == len(dict(rows))


def test_every_id_is_said_somewhere_and_no_other_is() -> None:
    said = set()
    for path in (ROOT / "dedupaudit").rglob("*.py"):
        for name in re.findall(r"\b(?:say|show|complain|_write)\(\s*f?\"([a-z_.{}]+)\"", path.read_text("utf-8")):
            said |= {name} if "{" not in name else {known for known in TYPES if known.startswith(name.split("{")[0])}
    said |= {"usage.no_such_option", "usage.bad_value", "usage.missing"}
    assert said == TYPES.keys()


def test_the_only_way_to_stderr_is_saying() -> None:
    # Of a drill's processes stderr is a file, which the drill reads.
    own = ("saying.py", "serving.py")
    strangers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dedupaudit").rglob("*.py")
        if path.name not in own and re.search(r"err=True|stderr\.write|file=sys\.stderr", path.read_text("utf-8"))
    ]
    assert not strangers


@pytest.mark.parametrize(
    ("arguments", "ident", "code"),
    [
        (["scan", "--nope", "--log-json"], "usage.no_such_option", 2),
        (["--log-json"], "usage.no_such_option", 2),
        (["nope", "--log-json"], "usage", 2),
        (["scan", "-f", "nope", "--log-json"], "usage.bad_value", 2),
        (["explain", "--log-json"], "usage.missing", 2),
        (["scan", "--log-json"], "usage", 2),
        (["scan", "--log-json", "--config", "nope.toml"], "usage", 2),
        (["report", "nope.json", "--log-json"], "usage", 2),
        (["scan", "--log-json", "--db", "postgresql://u:hunter2@[::1"], "usage", 2),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(run: Run, arguments: list[str], ident: str, code: int) -> None:
    done = run(*arguments)
    (line,) = lines(done)
    assert (line["type"], line["id"], line["exit_code"]) == ("error", ident, code)
    assert done.code == code
    assert line["message"]
    assert b"hunter2" not in done.err


def test_no_command_at_all_is_one_line_and_no_help(run: Run) -> None:
    for arguments in ([], ["repair"]):
        (line,) = lines(run(*arguments, env={"DEDUPAUDIT_LOG_JSON": "true"}))
        assert line["id"] == "usage.no_command"


def test_what_stands_after_two_dashes_is_no_option(run: Run) -> None:
    done = run("report", "--", "--log-json")
    assert done.code == 2
    assert done.err.startswith(b"dedupaudit: ")


def test_the_environment_and_the_configuration_switch_it_on(run: Run, tmp_path: Path) -> None:
    assert ids(run("scan", env={"DEDUPAUDIT_LOG_JSON": "1"})) == ["usage"]
    assert run("scan", env={"DEDUPAUDIT_LOG_JSON": "0"}).err.startswith(b"dedupaudit: ")
    (tmp_path / "dedupaudit.toml").write_text("[options]\nlog_json = true\n")
    assert ids(run("scan")) == ["usage"]


def test_progress_is_told_where_no_terminal_is(run: Run, large: Path) -> None:
    done = run("scan", "--db", f"sqlite:///{large}", "--distrust-indexes", "--log-json", "-f", "json")
    steps = [line for line in lines(done) if line["type"] == "progress"]
    assert steps[0]["id"] == "progress.started"
    open_step: dict[str, Any] | None = None
    for step in steps:
        assert (open_step is None) == (step["id"] == "progress.started")
        assert open_step is None or (step["label"], step["total"]) == (open_step["label"], open_step["total"])
        open_step = None if step["id"] == "progress.finished" else step
    assert open_step is None
    assert {"label", "rows", "total", "seconds"} < steps[0].keys()
    assert done.json()["complete"]


@pytest.mark.parametrize("option", ["-q", "--no-progress"])
def test_progress_can_be_left_out(run: Run, duplicates: Path, option: str) -> None:
    assert lines(run("scan", "--db", f"sqlite:///{duplicates}", option, "--log-json")) == []


def test_quiet_leaves_failures_and_errors(run: Run) -> None:
    done = run("scan", "--db", "sqlite:///nope.db", "-q", "--log-json")
    (line,) = lines(done)
    assert (line["type"], line["id"], line["source"], line["target"]) == ("failure", "coverage.failed", "db", "*")
    assert "no such database file" in line["reason"]
    assert done.code == 3


def test_a_terminal_gets_json_too_and_nothing_that_moves(
    clean_env: dict[str, str], tmp_path: Path, duplicates: Path
) -> None:
    command = ["scan", "--db", f"sqlite:///{duplicates}", "--log-json", "--no-color"]
    done = on_terminal(command, with_checkout({**clean_env, "TERM": "xterm"}), tmp_path)
    assert b"\x1b" not in done.err
    assert lines(done)


def test_a_crash_and_its_traceback_are_one_line(clean_env: dict[str, str], tmp_path: Path, duplicates: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sqlite3\n"
        "def broken(*a, **k):\n"
        "    raise RuntimeError('\\x1b[2J secret=hunter2\\n\\u202e')\n"
        "sqlite3.connect = broken\n"
    )
    env = with_checkout(clean_env, tmp_path)
    command = ["scan", "--db", f"sqlite:///{duplicates}", "--log-json", "--history", "none"]
    with started(command, env, tmp_path) as process:
        plain = completed(process)
    with started([*command, "-v"], env, tmp_path) as process:
        loud = completed(process)
    line, *_ = [line for line in lines(plain) if line["type"] == "error"]
    assert (line["id"], line["exit_code"]) == ("crash", 70)
    assert "traceback" not in line
    line, *_ = [line for line in lines(loud) if line["type"] == "error"]
    assert "RuntimeError" in line["traceback"]
    assert "\n" in line["traceback"]
    assert b"hunter2" not in plain.err + loud.err


def test_a_warning_of_python_s_and_what_a_library_logs_are_lines(
    clean_env: dict[str, str], tmp_path: Path, duplicates: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sqlite3, warnings, logging, threading\n"
        "connect = sqlite3.connect\n"
        "def loud(*a, **k):\n"
        "    warnings.warn('old \\x1b[2J\\n', UserWarning)\n"
        "    logging.getLogger('lib').error('bad %s', 'é\\n')\n"
        "    thread = threading.Thread(target=lambda: 1 / 0)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    return connect(*a, **k)\n"
        "sqlite3.connect = loud\n"
    )
    env = with_checkout(clean_env, tmp_path) | {"PYTHONWARNINGS": "always"}
    command = ["scan", "--db", f"sqlite:///{duplicates}", "--log-json", "--history", "none"]
    with started(command, env, tmp_path) as process:
        done = completed(process)
    assert {"python.warning", "library"} <= set(ids(done))
    said = {line["message"] for line in lines(done)}
    assert "bad é\n" in said
    assert "ZeroDivisionError: division by zero" in said


def test_a_signal_is_told_with_its_code(clean_env: dict[str, str], tmp_path: Path, duplicates: Path) -> None:
    file = tmp_path / "endless.toml"
    table = f'[tables.activities]\nkey = "id"\nwhere = "{ENDLESS}"'
    file.write_text(f'[database]\nurl = "sqlite:///{duplicates}"\n{table}\n')
    command = ["repair", "plan", "activities", "--config", str(file), "--log-json"]
    with started(command, with_checkout(clean_env), tmp_path) as process:
        burn(process, 1.0)
        os.kill(process.pid, signal.SIGTERM)
        done = completed(process)
    assert done.code == 143
    line = lines(done)[-1]
    assert (line["id"], line["exit_code"], line["message"]) == ("interrupted", 143, "stopped by SIGTERM")


def test_repair_and_migrate_tell_what_they_are_about_to_do(run: Run, sqlite_db: SqliteDb, duplicates: Path) -> None:
    db = sqlite_db("CREATE TABLE t (x)", "own.db")
    db.write_bytes(duplicates.read_bytes())
    url = f"sqlite:///{db}"
    plan = run("repair", "plan", "activities", "--db", url, "-o", "-", "--max-delete", "90%", "--log-json")
    assert plan.code == 0, plan.err
    assert "plan" in ids(plan)
    (db.parent / "plan.jsonl").write_bytes(plan.out)
    refused = run("repair", "apply", "plan.jsonl", "--db", url, "--confirm", "nope", "--log-json")
    assert (refused.code, ids(refused)[-1]) == (5, "refused")
    asked = run("repair", "apply", "plan.jsonl", "--db", url, "--log-json")
    assert (asked.code, ids(asked)[-1]) == (2, "usage")
    done = run("repair", "apply", "plan.jsonl", "--db", url, "--confirm", "activities", "--log-json", "-f", "json")
    assert done.code == 0, done.err
    assert "offer" in ids(done)
    migrated = run("migrate", "plan", "activities", "--db", url, "--sql", "--log-json")
    assert migrated.code == 0, migrated.err
    assert "plan" in ids(migrated)


def test_hostile_values_and_other_encodings_stay_json(run: Run, sqlite_db: SqliteDb) -> None:
    db = sqlite_db("CREATE TABLE activities (id TEXT, x TEXT)")
    for table, locale in (('a"\\\u202eb', "C.UTF-8"), ("x\x1b[2J\ny", "C"), ("é", "C"), ("表", "C.UTF-8")):
        done = run("scan", table, "--db", f"sqlite:///{db}", "--log-json", env={"LC_ALL": locale})
        assert done.code == 2
        assert lines(done)


def test_a_secret_is_masked_and_the_line_stays_json(run: Run) -> None:
    secret = 'p"\\w @/x'
    url = "postgresql://auditor:p%22%5Cw%20%40%2Fx@127.0.0.1:1/app"
    done = run("scan", "--db", url, "--log-json")
    assert done.code == 3
    assert lines(done)
    assert secret not in json.dumps([line["message"] for line in lines(done)])
    assert b"%22" not in done.err


def test_demo_and_init_are_told_in_lines(run: Run, duplicates: Path) -> None:
    done = run("demo", "--rows", "5", "--log-json", "-f", "json", "-o", os.devnull)
    assert done.code == 0, done.err
    assert {"demo.checked", "demo.plan", "demo.next"} <= set(ids(done))
    assert "init.written" in ids(run("init", "--db", f"sqlite:///{duplicates}", "--log-json"))
