"""What an ordinary user may not read or write; the program runs as nobody where the tests run as root."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.reading import report_of, said
from tests.conftest import Completed
from tests.ordinary_user import run_as_ordinary_user

AsUser = Callable[..., Completed]


@pytest.fixture
def as_user(clean_env: dict[str, str], public: Path, clean: Path) -> AsUser:
    """Return a function that runs the program as nobody in a folder that everybody may read."""
    shutil.copy(clean, public / "app.db")
    (public / "app.db").chmod(0o644)
    env = {**clean_env, "HOME": str(public), "XDG_CONFIG_HOME": str(public / ".config")}
    return lambda *arguments: run_as_ordinary_user(env, public, clean, *arguments)


def test_it_is_an_ordinary_user_who_can_scan(as_user: AsUser) -> None:
    done = as_user("scan", "--db", "sqlite:///app.db", "-f", "json")
    assert done.code == 0, done.err
    assert report_of(done)["complete"]


@pytest.mark.parametrize(
    "option", [["-o", "locked/report.json"], ["--findings", "locked/all.jsonl"], ["--findings", "locked/all.parquet"]]
)
def test_a_read_only_folder_is_2_before_the_scan(as_user: AsUser, public: Path, option: list[str]) -> None:
    (public / "locked").mkdir()
    (public / "locked").chmod(0o555)
    done = as_user("scan", "--db", "sqlite:///app.db", *option)
    assert done.code == 2
    assert done.out == b""
    assert f"cannot write {option[1]}: Permission denied" in said(done)
    assert "hint: name a file in a folder that you may write to" in said(done)
    assert list((public / "locked").iterdir()) == []


def test_a_report_that_may_not_be_replaced_is_2(as_user: AsUser, public: Path) -> None:
    (public / "free").mkdir()
    (public / "free").chmod(0o777)
    (public / "free" / "report.json").write_text("the last report")
    (public / "free" / "report.json").chmod(0o444)
    done = as_user("scan", "--db", "sqlite:///app.db", "-o", "free/report.json")
    assert done.code == 2
    assert "free/report.json: Permission denied" in said(done)
    assert (public / "free" / "report.json").read_text() == "the last report"


def test_the_demo_in_a_read_only_folder_is_2(as_user: AsUser, public: Path) -> None:
    (public / "locked").mkdir()
    (public / "locked").chmod(0o555)
    done = as_user("demo", "locked/here")
    assert done.code in (2, 3)
    assert "Permission denied" in said(done)


def test_init_in_a_read_only_folder_is_2(as_user: AsUser, public: Path) -> None:
    (public / "locked").mkdir()
    (public / "locked").chmod(0o555)
    done = as_user("init", "--db", "sqlite:///app.db", "-o", "locked/dedupaudit.toml")
    assert done.code == 2
    assert "Permission denied" in said(done)
    assert list((public / "locked").iterdir()) == []


def test_a_database_that_may_not_be_read_is_3(as_user: AsUser, public: Path) -> None:
    (public / "app.db").chmod(0)
    done = as_user("scan", "--db", "sqlite:///app.db", "-f", "json")
    assert done.code == 3
    assert not report_of(done)["complete"]
    assert "cannot read the database file" in said(done)
    assert "Permission denied" in said(done)


@pytest.mark.parametrize("name", ["dedupaudit.toml", "password"])
def test_a_configuration_or_password_that_may_not_be_read_is_2(as_user: AsUser, public: Path, name: str) -> None:
    (public / "password").write_text("hunter2")
    (public / "dedupaudit.toml").write_text(
        '[database]\nurl = "postgresql://u@localhost/app"\npassword_file = "password"\n'
    )
    (public / name).chmod(0)
    done = as_user("scan")
    assert done.code == 2
    assert f"{public / name}: cannot read" in said(done)
    assert "Permission denied" in said(done)


def test_a_folder_that_may_not_be_searched_is_no_crash(as_user: AsUser, public: Path) -> None:
    (public / "closed").mkdir()
    (public / "closed").chmod(0)
    assert as_user("scan", "--db", "sqlite:///closed/app.db").code == 3
    assert as_user("scan", "--db", "sqlite:///app.db", "--config", "closed/x.toml").code == 2
    assert as_user("report", "closed/report.json").code == 2
