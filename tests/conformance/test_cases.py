"""Every check has a case file, `cases/<check>.json`: tables on which it fires, and tables on which it is silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.checks import TABLE_CHECKS
from dedupaudit.config import TableSettings
from dedupaudit.sources.tables.protocol import Engine
from tests.conformance.databases import DATABASES, Col, Database, Tab, Type
from tests.conformance.running import findings_of, report_of, scanned

CASES = Path(__file__).parent / "cases"
CHECKS = [check.name for check in TABLE_CHECKS]


@dataclass(frozen=True)
class Told:
    """One case of a case file. `needs` names abilities that not every database has."""

    check: str
    case: str
    table: dict[str, Any]
    settings: dict[str, Any]
    expect: list[dict[str, Any]]
    needs: tuple[str, ...] = ()
    forge: tuple[str, ...] = ()
    request: dict[str, Any] | None = None
    coverage: str = "checked"

    def tab(self, exact: str) -> Tab:
        """Return the table; a column is its name, its type, and more of `Col` where that is said.

        A case is about texts that differ in every letter: a collation that joins them is another one's subject.
        """
        columns = tuple(_column(exact, *column) for column in self.table["columns"])
        indexes = {
            word: tuple((name, tuple(parts)) for name, parts in self.table.get(word, ()))
            for word in ("unique", "indexes", "invalid")
        }
        rows = tuple(map(tuple, self.table["rows"]))
        return Tab(self.table["name"], columns, rows, tuple(self.table.get("primary_key", ())), **indexes)


def _column(exact: str, name: str, kind: Type, more: dict[str, Any] | None = None) -> Col:
    return Col(name, kind, **({"collation": exact} if kind == "text" else {}) | (more or {}))


def told(kind: str) -> Iterator[Told]:
    for check in CHECKS:
        path = CASES / f"{check}.json"
        if path.exists():
            for one in json.loads(path.read_text(encoding="utf-8"))[kind]:
                yield Told(check, **one)


def on_each_database(kind: str) -> list[Any]:
    return [
        pytest.param(database, engine, one, id=f"{database.name}-{engine}-{one.check}-{one.case}")
        for database in DATABASES
        for engine in database.engines
        for one in told(kind)
        if database.abilities.issuperset(one.needs)
    ]


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_case_that_trips_it_and_one_that_does_not(check: str) -> None:
    for kind in ("fires", "silent"):
        assert any(one.check == check for one in told(kind)), f"cases/{check}.json has no case under {kind!r}"


def test_every_case_file_is_a_checks() -> None:
    assert sorted(path.stem for path in CASES.iterdir()) == sorted(CHECKS)


@pytest.mark.parametrize("check", [check for check in CHECKS if check != "invalid_index"])
def test_every_check_is_tripped_on_every_database_that_can_have_its_damage(check: str) -> None:
    for database in DATABASES:
        possible = [one for one in told("fires") if one.check == check and database.abilities.issuperset(one.needs)]
        assert possible or check == "index_disagrees", f"no case of {check} runs on {database.name}"


def look(database: Database, one: Told, folder: Path, engine: Engine) -> tuple[list[dict[str, Any]], str]:
    url = database.create(folder, one.tab(database.exact))
    for index in one.forge:
        database.forge_unique(url, index)
    report = report_of(scanned(url, {"t": TableSettings(**one.settings)}, engine=engine, **(one.request or {})))
    (status,) = [row["status"] for row in report["coverage"] if row["check"] == one.check]
    # What is unknown makes a run incomplete; nothing else in these cases may.
    assert report["complete"] == (report["summary"]["by_verdict"]["unknown"] == 0)
    return findings_of(report, one.check), status


@pytest.mark.parametrize(("database", "engine", "one"), on_each_database("fires"))
def test_it_fires(database: Database, engine: Engine, one: Told, tmp_path: Path) -> None:
    findings, status = look(database, one, tmp_path, engine)
    assert status == "checked"
    assert one.expect
    by_key = {json.dumps(finding["key"], sort_keys=True): finding for finding in findings}
    assert len(by_key) == len(findings)
    assert set(by_key) == {json.dumps(wanted["key"], sort_keys=True) for wanted in one.expect}
    for wanted in one.expect:
        found = by_key[json.dumps(wanted["key"], sort_keys=True)]
        assert {name: found[name] for name in wanted} == wanted
        assert found["message"]
        assert found["suggestion"]


@pytest.mark.parametrize(("database", "engine", "one"), on_each_database("silent"))
def test_it_is_silent(database: Database, engine: Engine, one: Told, tmp_path: Path) -> None:
    findings, status = look(database, one, tmp_path, engine)
    assert one.expect == []
    assert (findings, status) == ([], one.coverage)
