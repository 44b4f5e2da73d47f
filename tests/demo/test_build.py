"""The demo is the same every time, grows with --rows, and comes with a configuration that the contract knows."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.demo import build
from dedupaudit.errors import UsageError
from tests.demo.conftest import Incident
from tests.demo.oracle import TABLES, read, totals

ROOT = Path(__file__).parent.parent.parent


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "app.db")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def dump(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        return list(connection.iterdump())


def test_the_same_seed_gives_the_same_files(tmp_path: Path, incident: Incident) -> None:
    build(tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(incident.folder)
    assert dump(tmp_path / "again") == dump(incident.folder)


def test_neither_hash_order_nor_time_zone_nor_locale_change_a_byte(tmp_path: Path, incident: Incident) -> None:
    program = "import sys, pathlib; from dedupaudit.demo import build; build(pathlib.Path(sys.argv[1]))"
    env = {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "4711",
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
    }
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "far")], env=env, check=True, cwd=tmp_path)
    assert files_of(tmp_path / "far") == files_of(incident.folder)
    assert dump(tmp_path / "far") == dump(incident.folder)


def test_another_seed_gives_another_incident_with_the_same_mechanisms(tmp_path: Path, incident: Incident) -> None:
    other = build(tmp_path / "other", seed=7)
    assert dump(tmp_path / "other") != dump(incident.folder)
    assert [(case.mechanism, case.name) for case in other.cases] == [
        (case.mechanism, case.name) for case in incident.truth.cases
    ]


def test_rows_grow_the_background_and_neither_the_damage_nor_the_files(tmp_path: Path, incident: Incident) -> None:
    truth = build(tmp_path / "large", rows=20_000)
    tables = {table: totals(read(tmp_path / "large" / "app.db", table)) for table in TABLES}
    assert tables == {table: told.model_dump() for table, told in truth.tables.items()}
    planted = sum(told.rows for told in incident.truth.tables.values()) - 600
    assert sum(told["rows"] for told in tables.values()) == 20_000 + planted
    assert [finding.count for finding in truth.findings] == [finding.count for finding in incident.truth.findings]
    assert len(list((tmp_path / "large" / "objects").rglob("*.jpg"))) == truth.objects.stored < 500


def test_rows_come_in_the_order_of_their_time(incident: Incident) -> None:
    for table in TABLES:
        times = [row["created_at"] for row in read(incident.folder / "app.db", table)]
        assert times == sorted(times), table
        assert times[0] >= "2025-12-22", table
        assert times[-1] < "2025-12-26", table


@pytest.mark.parametrize("rows", [-1, 10_000_001])
def test_a_number_of_rows_out_of_bounds_is_refused_before_anything_is_written(tmp_path: Path, rows: int) -> None:
    with pytest.raises(UsageError, match=str(rows)) as caught:
        build(tmp_path / "demo", rows=rows)
    assert "10000000" in caught.value.hint
    assert not (tmp_path / "demo").exists()


def test_the_configuration_names_what_is_there(incident: Incident) -> None:
    settings = tomllib.loads((incident.folder / "dedupaudit.toml").read_text(encoding="utf-8"))
    assert settings["database"] == {"url": "sqlite:///app.db"}
    for table in TABLES:
        columns = set(read(incident.folder / "app.db", table)[0])
        named = {
            name for value in settings["tables"][table].values() for name in ([value], value)[isinstance(value, list)]
        }
        assert named <= columns
    assert settings["objects"]["url"] == "file:objects"
    key = settings["objects"]["template"].format(**read(incident.folder / "app.db", "screenshots")[0])
    assert (incident.folder / "objects" / key).is_file()
    (pattern,) = settings["logs"]["files"]
    assert set(incident.folder.glob(pattern)) == set((incident.folder / "logs").iterdir())
