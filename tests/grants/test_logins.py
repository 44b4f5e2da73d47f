"""The table of logins in `docs/operations.md`: each command does its work with the login of its row, and no other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.commands.cli import COMMANDS
from dedupaudit.commands.migrate import COMMANDS as MIGRATE
from dedupaudit.commands.repair import COMMANDS as REPAIR
from tests.cli.reading import report_of, said
from tests.conftest import Completed, Run
from tests.docs.operations_page import blocks, section
from tests.grants.test_grants import statements
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

AUDITED = {
    "init": ("init -o -", 0),
    "scan": ("scan processes -f json", 1),
    "migrate status": ("migrate status activities", 0),
    "migrate target": ("migrate target", 1),
    "crosscheck": ("crosscheck screenshots --objects file:///{folder}/objects", 1),
    "audit": ("audit activities --logs {folder}/logs", 1),
    "explain": ("explain a", 0),
    "repair plan": ("repair plan activities --max-delete 90% -o {folder}/plan.jsonl", 0),
    "repair runs": ("repair runs", 0),
    "repair show": ("repair show last", 0),
}
"""What the auditor types, by the name of the command, and how it ends: 1 is what is found."""


def rows() -> dict[str, list[str]]:
    """Return the cells behind each command of the table."""
    found: dict[str, list[str]] = {}
    for line in section("Logins").splitlines():
        if line.startswith("| `"):
            names, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
            group = ""
            for name in re.findall(r"`([^`]+)`", names):
                group = name.partition(" ")[0] if " " in name else group
                found[name if " " in name or not group else f"{group} {name}"] = cells
    return found


def test_the_table_has_every_command() -> None:
    groups = {"repair": REPAIR, "migrate": MIGRATE}
    every = {name for name in COMMANDS if name not in groups}
    every |= {f"{group} {name}" for group, names in groups.items() for name in names}
    told = {name for name in rows() if not name.endswith("--create")}
    assert told >= every - {"help"}
    assert told <= every | {"history", "completion"}


def test_the_auditor_s_commands_are_those_that_are_tried_here() -> None:
    assert {name for name, cells in rows().items() if cells[0].startswith("auditor")} == set(AUDITED)


def own_tables(server: PostgresqlServer | MariadbServer) -> list[str]:
    """Return the page's grants on the tool's own tables."""
    is_postgresql = isinstance(server, PostgresqlServer)
    texts = [block.text for block in blocks("Logins") if block.language == "sql"]
    (text,) = [text for text in texts if ("SCHEMA" in text) == is_postgresql]
    return [one.strip() for one in text.split(";") if one.strip()]


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, run: Run, tmp_path: Path) -> Any:
    """Return a server whose database a superuser has repaired once, and whose auditor has the grants of the pages."""
    server = request.getfixturevalue(request.param)
    url = server.create_database("app")
    kind, text = ("serial", "text") if request.param == "postgresql" else ("int AUTO_INCREMENT", "varchar(50)")
    for table in ("activities", "screenshots", "processes"):
        create = f"CREATE TABLE {table} (pk {kind} PRIMARY KEY, id {text}, type {text}, oss_key {text}, status {text})"
        server.execute(create, database="app")
        values = ", ".join(f"('{ident}', '{ident}.jpg', 'completed')" for ident in "aabc")
        server.execute(f"INSERT INTO {table} (id, oss_key, status) VALUES {values}", database="app")
    plan = ("repair", "plan", "processes", "--max-delete", "90%", "-o", tmp_path / "plan.jsonl", "--db", url)
    assert run(*plan).code == 0
    assert run("repair", "apply", tmp_path / "plan.jsonl", "--confirm", "processes", "--db", url).code == 0
    is_postgresql = isinstance(server, PostgresqlServer)
    server.execute("DROP ROLE IF EXISTS auditor" if is_postgresql else "DROP USER IF EXISTS 'auditor'@'%'")
    for statement in statements("PostgreSQL" if is_postgresql else "MySQL and MariaDB"):
        server.execute(statement, database="app")
    return server


def as_auditor(run: Run, server: PostgresqlServer | MariadbServer, words: str, folder: Path) -> Completed:
    for name, text in (
        ("logs/app.log", "2025-12-24T08:00:00Z received activity_1766557428498\n"),
        ("objects/a.jpg", ""),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    url = server.url(user="auditor", password="change-me", database="app")  # noqa: S106 - the page's
    return run(*shlex.split(words.format(folder=folder)), "--db", url)


def test_the_auditor_is_enough_for_each_command_of_its_rows(run: Run, server: Any, tmp_path: Path) -> None:
    for statement in own_tables(server):
        server.execute(statement, database="app")
    for name, (words, code) in AUDITED.items():
        done = as_auditor(run, server, words, tmp_path)
        assert done.code == code, (name, said(done))
        if name == "scan":
            assert [repair["holds"] for repair in report_of(done)["repairs"]] == [True]


def test_without_the_rights_on_the_tool_s_own_tables_a_scan_is_as_good_and_repairs_are_not_told(
    run: Run, server: Any, tmp_path: Path
) -> None:
    done = as_auditor(run, server, AUDITED["scan"][0], tmp_path)
    assert report_of(done)["complete"]
    assert not report_of(done)["repairs"]
    done = as_auditor(run, server, "repair show last", tmp_path)
    assert done.code not in (0, 1)
    assert said(done)


WRITING = (
    "repair apply {folder}/other.jsonl --confirm activities",
    "repair undo last --confirm processes",
    "repair purge processes --older-than 0s --confirm processes",
    "migrate plan activities",
    "migrate rollback activities --confirm activities",
)


def test_the_auditor_is_refused_by_each_command_that_writes(run: Run, server: Any, tmp_path: Path) -> None:
    for statement in own_tables(server):
        server.execute(statement, database="app")
    plan = AUDITED["repair plan"][0].replace("plan.jsonl", "other.jsonl")
    assert as_auditor(run, server, plan, tmp_path).code == 0
    before = counted(server)
    for words in WRITING:
        done = as_auditor(run, server, words, tmp_path)
        assert done.code not in (0, 1, 70), (words, said(done))
        assert said(done)
        assert counted(server) == before, words


def counted(server: PostgresqlServer | MariadbServer) -> list[Any]:
    return [server.execute(f"SELECT COUNT(*) FROM {table}", database="app") for table in ("activities", "processes")]
