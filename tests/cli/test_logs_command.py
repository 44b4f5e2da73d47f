"""`logs` as a user and a cron job run it: a process over files, folders, patterns and standard input."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path

import pytest

from tests.cli.reading import report_of, said, statuses
from tests.conftest import Run

ITEM = "activity_1766557428498"
CLIENT = (
    f"2025-12-24T08:01:14.487Z 发送 {ITEM}",
    f"2025-12-24T08:01:44.487Z 超时（30秒），重新入队 {ITEM}",
    f"2025-12-24T08:02:14.487Z 再次发送 {ITEM}",
    "2025-12-24T08:02:20.000Z 发送 activity_1766557428500",
)
BACKEND = (
    f"2025-12-24T08:01:14.500Z 接收 {ITEM}",
    f"2025-12-24T08:01:14.510Z 写入数据库 {ITEM}",
    f"2025-12-24T08:01:14.520Z 响应丢失 {ITEM}",
    f"2025-12-24T08:02:14.500Z 接收 {ITEM}",
)


def write(path: Path, lines: tuple[str, ...], encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    write(folder / "app-console.log", CLIENT)
    write(folder / "backend.log", BACKEND)
    return folder


def test_what_the_logs_tell_is_in_the_report_as_the_contract_has_it(run: Run, logs: Path) -> None:
    done = run("logs", logs, "-f", "json")
    report = report_of(done)
    assert done.code == 1
    assert report["complete"]
    assert statuses(report) == {
        f"logs.logs.{name}": "checked" for name in ("requeue", "repeated_receive", "overlapping_send")
    }
    summary = report["summary"]
    assert summary["by_check"] == {"requeue": 1, "repeated_receive": 1, "overlapping_send": 0}
    told = summary["logs"]
    assert (told["files"], told["lines"]) == (2, 8)
    assert told["bytes"] == sum(path.stat().st_size for path in logs.iterdir())
    assert {name: number for name, number in told["events"].items() if number} == {
        "send": 2, "resend": 1, "timeout": 1, "requeue": 1, "receive": 2, "db_write": 1, "response_lost": 1
    }  # fmt: skip
    assert told["events"]["concurrent_wait"] == 0
    assert (told["requeued_ids"], told["repeatedly_received_ids"], told["overlapping_ids"]) == (1, 1, 0)
    assert (told["lost_answers"], told["sent_never_received_ids"], told["received_never_sent_ids"]) == (1, 1, 0)
    assert told["gaps"] == {
        "send_to_requeue": [{"from": 29, "to": 31, "count": 1}],
        "requeue_to_send": [{"from": 29, "to": 31, "count": 1}],
    }
    assert told["requeues_by_hour"] == {"2025-12-24T08Z": 1}


def test_a_finding_shows_its_lines(run: Run, logs: Path) -> None:
    report = report_of(run("logs", logs, "-f", "json"))
    (finding,) = [one for one in report["findings"] if one["check"] == "requeue"]
    assert (finding["source"], finding["target"], finding["key"]) == ("logs", "logs", {"id": ITEM})
    assert (finding["severity"], finding["count"], finding["verdict"]) == ("low", 1, "confirmed")
    shown = [(one["kind"], one["at"], one["where"]) for one in finding["evidence"]]
    assert ("log", "2025-12-24T08:01:44.487Z", "app-console.log:2") in shown
    assert ("log", "2025-12-24T08:02:14.500Z", "backend.log:4") in shown


def test_nothing_but_healthy_traffic_is_0(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.log", (CLIENT[0], BACKEND[0], BACKEND[1]))
    done = run("logs", "a.log")
    assert done.code == 0, done.err
    assert b"clean" in done.out


def test_standard_input_patterns_folders_and_rotated_files_are_read_alike(run: Run, tmp_path: Path) -> None:
    lines = CLIENT + BACKEND
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress("\n".join([*lines[:3], ""]).encode()))
    write(tmp_path / "app.log.1", lines[3:5], "gb18030")
    write(tmp_path / "app.log", lines[5:], "utf-16")
    text = "".join(f"{line}\n" for line in lines).encode()
    by_pattern = report_of(run("logs", "app.log*", "-f", "json"))
    by_stdin = report_of(run("logs", "-", "-f", "json", stdin=text))
    by_flag = report_of(run("logs", "--logs", "app.log*", "-f", "json"))
    by_environment = report_of(run("logs", "-f", "json", env={"DEDUPAUDIT_LOGS": "app.log;app.log.1;app.log.2.gz"}))
    for other in (by_stdin, by_flag, by_environment):
        for name in ("events", "requeued_ids", "gaps", "lines"):
            assert other["summary"]["logs"][name] == by_pattern["summary"]["logs"][name], name
    files = by_pattern["summary"]["logs"]["by_file"]
    assert [(one["file"], one["encoding"], one["compression"]) for one in files] == [
        ("app.log.2.gz", "utf-8", "gzip"),
        ("app.log.1", "gb18030", "none"),
        ("app.log", "utf-16-le", "none"),
    ]


def test_only_some_events_and_only_some_hours(run: Run, logs: Path) -> None:
    only = report_of(run("logs", logs, "--event", "requeue", "-f", "json"))
    assert only["summary"]["by_check"] == {"requeue": 1}
    assert only["summary"]["logs"]["events"] == {"requeue": 1}
    assert only["summary"]["logs"]["repeatedly_received_ids"] is None
    early = report_of(run("logs", logs, "--until", "2025-12-24T08:01:30Z", "-f", "json"))
    assert early["summary"]["by_check"] == {"requeue": 0, "repeated_receive": 0, "overlapping_send": 0}
    zoned = report_of(run("logs", logs, "--since", "2025-12-24T16:02", "--timezone", "Asia/Shanghai", "-f", "json"))
    assert zoned["summary"]["logs"]["events"]["resend"] == 1
    assert zoned["summary"]["logs"]["events"]["requeue"] == 0
    nothing = run("logs", logs, "--since", "1h")
    assert nothing.code == 4
    assert "none of 8 lines tells of an event that was asked for" in said(nothing)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["logs", "--event", "requeued"], "there is no event requeued"),
        (["logs", "--since", "yesterday"], "--since: yesterday is no moment"),
        (["logs", "--since", "1h", "--until", "2h"], "--since is later than --until"),
        (["logs", "--timezone", "Mars/Base"], "--timezone: no such time zone"),
        (["gone.log"], "there is no file gone.log"),
        (["*.nothing"], "no file matches *.nothing"),
        (["logs", "--check", "duplicate_ids"], "no check of logs is called duplicate_ids"),
        ([], "no log files are named"),
        (["--try", "-"], "--try reads each file twice"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_write(run: Run, logs: Path, arguments: list[str], words: str) -> None:
    done = run("logs", *arguments)
    assert done.code == 2, done.out
    assert words in said(done)
    assert "hint:" in said(done)


@pytest.mark.parametrize("pattern", [r"(?P<id>\w+", r"(?P<id>\w+)(?=x)", "no group"])
def test_a_pattern_that_cannot_be_tried_is_2_and_named(run: Run, logs: Path, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        f"[[logs.events]]\nname = 'requeue'\npattern = '{pattern}'\n", encoding="utf-8"
    )
    done = run("logs", logs)
    assert done.code == 2
    assert "pattern" in said(done)


def test_a_pattern_of_the_users_own_is_found(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "own.log", ("2025-12-24 08:00:00 put back into the queue: job-17 by desk-1",))
    assert run("logs", "own.log").code == 4
    (tmp_path / "dedupaudit.toml").write_text(
        "[logs]\nfiles = ['own.log']\n[[logs.events]]\nname = 'requeue'\n"
        "pattern = 'back into the queue: (?P<id>[a-z0-9-]+) by (?P<device>[a-z0-9-]+)'\n",
        encoding="utf-8",
    )
    report = report_of(run("logs", "-f", "json"))
    assert [one["key"] for one in report["findings"]] == [{"id": "job-17"}]
    assert report["summary"]["logs"]["requeues_by_device"] == {"desk-1": 1}


def test_a_log_of_another_program_is_4_and_points_to_try(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "nginx.log", ('10.0.0.1 - - [24/Dec/2025:08:01:14 +0000] "GET / HTTP/1.1" 200 12',))
    done = run("logs", "nginx.log")
    assert done.code == 4
    assert "none of 1 lines tells of an event: nginx.log" in said(done)
    assert "--try" in said(done)
    tried = run("logs", "--try", "nginx.log")
    assert tried.code == 4
    assert b"events: none" in tried.out
    assert b"1: 10.0.0.1 - - [24/Dec/2025" in tried.out
    assert "[[logs.events]]" in said(tried)


def test_try_shows_what_was_recognised_and_what_was_not(run: Run, tmp_path: Path) -> None:
    lines = (*CLIENT, *(f"tick {number} \x1b[31mred" for number in range(30)))
    write(tmp_path / "app.log", lines)
    done = run("logs", "--try", "app.log")
    assert done.code == 0
    text = done.out.decode()
    assert "app.log: 34 lines" in text
    assert "2 send, 1 resend, 1 timeout, 1 requeue" in text
    assert "    5: tick 0 \\x1b[31mred" in text
    assert "    24: tick 19" in text
    assert "tick 20" not in text
    assert "\x1b" not in text


def test_a_damaged_file_among_good_ones_is_read_as_far_as_it_goes(run: Run, tmp_path: Path) -> None:
    healthy = (CLIENT[0], BACKEND[0], BACKEND[1])
    write(tmp_path / "good.log", healthy)
    packed = gzip.compress(os.urandom(9) + "\n".join(CLIENT * 400).encode())
    (tmp_path / "torn.log.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\0\0\0" + os.urandom(3000))
    done = run("logs", "good.log", "picture.jpg", "-f", "json")
    report = report_of(done)
    assert done.code == 3
    assert not report["complete"]
    failed = [row for row in report["coverage"] if row["status"] == "failed"]
    assert [(row["target"], row["check"]) for row in failed] == [("picture.jpg", "*")]
    torn = run("logs", "good.log", "torn.log.gz", "-f", "json")
    assert torn.code in (1, 3)
    assert "logs.torn.log.gz" in said(torn)


def test_an_unreadable_file_among_ten_is_named_and_the_others_are_read(run: Run, tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path / "many" / f"a{number}.log", (CLIENT[0],))
    (tmp_path / "many" / "b.log").symlink_to("gone")
    done = run("logs", "many/*.log", "-f", "json")
    report = report_of(done)
    assert done.code == 3
    assert report["summary"]["logs"]["events"]["send"] == 9
    assert [row["target"] for row in report["coverage"] if row["status"] == "failed"] == ["many/b.log"]


def test_every_finding_goes_into_a_file(run: Run, logs: Path, tmp_path: Path) -> None:
    done = run("logs", logs, "--findings", "all.csv", "--max-findings", "0", "-f", "json")
    assert done.code == 1
    assert report_of(done)["truncated"]
    found = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text(encoding="utf-8"))))
    assert sorted(row["check"] for row in found) == ["repeated_receive", "requeue"]
    assert all(json.loads(row["evidence"]) for row in found)


def test_hostile_names_and_lines_reach_no_terminal(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    write(folder / "a\x1b[31m.log", CLIENT)
    (folder / "b\n.log").write_bytes(b"\0\xff\xfe\x1b]0;x\x07" * 500)
    done = run("logs", folder, env={"COLUMNS": "300"})
    assert b"\x1b" not in done.out + done.err
    assert b"\\x1b[31m.log" in done.out
    again = run("logs", folder, "-f", "json")
    assert b"\x1b" not in again.out


def test_the_terminal_shows_the_spike(run: Run, logs: Path) -> None:
    for width in ("80", "160"):
        done = run("logs", logs, env={"COLUMNS": width})
        text = done.out.decode()
        assert max(map(len, text.splitlines())) <= int(width)
        assert "from a send to its re-queue" in text
        assert "29 to 31 s  1  █" in text
    plain = run("logs", logs, env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert b"29 to 31 s  1  #" in plain.out
