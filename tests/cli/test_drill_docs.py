"""`docs/drill.md` says what is so: strategies, faults, columns, fields, options; and its logins can drill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import click
import pytest

from dedupaudit.commands.drill import command
from dedupaudit.drill.answering import cleaned_json, drill_json
from dedupaudit.drill.protocol import Hole, Verdict
from dedupaudit.drill.scenario import Kind
from dedupaudit.drill.strategies import STRATEGIES
from dedupaudit.drill.telling import drill_lines
from dedupaudit.errors import ExitCode
from tests.cli.drilling import databases_of, schemas_of
from tests.cli.reading import said, strict_json
from tests.conftest import ROOT, Run
from tests.drill.samples import HELD, OF_PAGE, OPEN
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

PAGE = (ROOT / "docs" / "drill.md").read_text(encoding="utf-8")


def below(heading: str) -> str:
    """Return what stands below a heading, up to the next of its level."""
    level, _, _ = heading.partition(" ")
    part = re.split(rf"^{re.escape(heading)}\n", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", part, maxsplit=1, flags=re.MULTILINE)[0]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables below a heading, without their heads."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in below(heading).splitlines() if line[:1] == "|"
    ]
    rules = [number for number, row in enumerate(found) if set("".join(row)) <= set("-")]
    return [row for number, row in enumerate(found) if number not in rules and number + 1 not in rules]


def names(rows_of: list[list[str]]) -> list[str]:
    return [name for row in rows_of for name in re.findall(r"`([^`]+)`", row[0])]


def keys(document: Any) -> Iterator[str]:
    """Yield every field of a document, at every depth."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield name
            yield from keys(value)
    for one in document if isinstance(document, list) else ():
        yield from keys(one)


def test_the_strategies_are_those_of_the_program() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("## The strategies")}
    assert told == {one.name: "recommended" if one.recommended else "textbook" for one in STRATEGIES}


def test_the_faults_are_those_of_the_program() -> None:
    assert set(names(rows("## What goes wrong on order"))) == set(get_args(Kind)) - {"plain"}


def test_the_columns_and_verdicts_are_those_of_the_table() -> None:
    told = [row[0] for row in rows("## How to read it")]
    heads = ["requests", "rows", "duplicates", "lost", "objects", "double uploads", "wrong answers", "stuck"]
    assert told[:11] == [*heads, "deadlocks", "per second", "p50, p99"]
    assert told[11:] == ["holds", "BROKEN", "hole shown", "not shown", "UNCLEAR", "not tried"]
    assert len(told[11:]) == len(get_args(Verdict))


def test_every_field_of_the_document_is_in_the_dictionary_and_no_other() -> None:
    dictionary = below("## For programs")
    fields = {*keys(drill_json(HELD)), *keys(drill_json(OPEN)), *keys(cleaned_json(()))}
    assert fields - set(re.findall(r"[`\"](\w+)[`\"]", dictionary)) == set()
    assert set(names(rows("## For programs"))) <= fields
    for values in (get_args(Verdict), get_args(get_type_hints(Hole)["what"])):
        assert values and all(f"`{value}`" in dictionary for value in values)


def test_the_exit_codes_are_those_of_the_program() -> None:
    told = {int(code) for row in rows("## Exit codes") for code in re.findall(r"\d+", row[0])}
    assert told == {ExitCode.CLEAN, ExitCode.FAILED, ExitCode.INCOMPLETE, ExitCode.USAGE, 130, 143}


def test_every_option_of_the_page_is_one_of_the_commands() -> None:
    known = {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    own = {"--redis", "--strategy", "--writers", "--ids", "--seed", "--against", "--value", "--clean", "--objects"}
    assert own - {"--strategy"} <= named <= known


def test_the_sample_is_what_is_printed_today() -> None:
    sample = re.search(r"<!-- sample: dedupaudit drill -->\n```\n(.*?)```", PAGE, re.DOTALL)
    assert sample
    assert sample[1].splitlines() == drill_lines(OF_PAGE, 80)


# ---- the logins


def statements(heading: str) -> list[str]:
    blocks = re.findall(r"^```sql\n(.*?)^```", below(heading), flags=re.MULTILINE | re.DOTALL)
    assert blocks, f"no SQL below {heading}"
    return [one.strip() for block in blocks for one in block.split(";") if one.strip()]


DRILL = ("drill", "--strategy", "unique", "--writers", "4", "--ids", "50", "-f", "json")
AGAINST = ("drill", "--against", "activities", "--writers", "4", "--ids", "50", "-f", "json")
TABLE = "CREATE TABLE activities (id varchar(50) PRIMARY KEY, type varchar(50))"


def held(run: Run, url: str, *words: str) -> None:
    done = run(*words, "--db", url)
    assert done.code == 0, said(done)
    assert strict_json(done.out)["held"] is True


@pytest.mark.slow
def test_the_login_for_postgresql_drills_and_none_of_its_rights_is_too_many(
    run: Run, postgresql: PostgresqlServer
) -> None:
    postgresql.create_database("app")
    postgresql.execute("DROP ROLE IF EXISTS drill")
    bare = ("REVOKE ALL ON DATABASE app FROM PUBLIC", "REVOKE ALL ON SCHEMA public FROM PUBLIC", TABLE)
    for statement in (*bare, *statements("### PostgreSQL")):
        postgresql.execute(statement, database="app")
    url = postgresql.url(user="drill", password="change-me", database="app")
    held(run, url, *DRILL)
    held(run, url, *AGAINST)
    for right in (
        "CREATE ON DATABASE app",
        "CONNECT ON DATABASE app",
        "USAGE ON SCHEMA public",
        "SELECT ON TABLE activities",
    ):
        postgresql.execute(f"REVOKE {right} FROM drill", database="app")
        done = run(*AGAINST, "--db", url)
        assert (done.code in (2, 3), done.out) == (True, b""), (right, said(done))
        postgresql.execute(f"GRANT {right} TO drill", database="app")
    assert schemas_of(postgresql, "app") == []


@pytest.mark.slow
def test_the_login_for_mariadb_drills_and_sees_only_its_own(run: Run, mariadb: MariadbServer) -> None:
    mariadb.create_database("app")
    mariadb.execute("DROP USER IF EXISTS 'drill'@'%'")
    mariadb.execute(TABLE, database="app")
    for statement in statements("### MySQL and MariaDB"):
        mariadb.execute(statement)
    url = mariadb.url(user="drill", password="change-me", database="app")
    held(run, url, *DRILL)
    held(run, url, *AGAINST)
    assert databases_of(mariadb) == []
