"""An audit changes nothing, whatever it meets; and two kinds of servers make one report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.reading import report_of
from tests.conftest import Run, SqliteDb
from tests.faults.targets import TABLES, AnyTarget, Mariadb, Postgresql, configuration, url


def everything(target: AnyTarget) -> list[Any]:
    """Return all that a scan could have changed: rows, relations, roles, and what the server counts as written."""
    if isinstance(target, Mariadb):
        names = [name for (name,) in target.execute("SHOW TABLES")]
        return [
            names,
            *target.execute(f"CHECKSUM TABLE {', '.join(names)} EXTENDED"),
            *(target.execute(f"SHOW CREATE TABLE {name}") for name in names),
            target.execute("SHOW DATABASES"),
            target.execute("SELECT User, Host FROM mysql.user ORDER BY 1, 2"),
            target.execute("SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_create_table',"
                           " 'Com_insert', 'Com_update', 'Com_delete', 'Com_alter_table', 'Com_analyze')"),
        ]  # fmt: skip
    checksum = "SELECT md5(string_agg(t::text, ',' ORDER BY pk)), count(*) FROM"
    return [
        *(target.execute(f"{checksum} {name} t") for name in TABLES),
        target.execute("SELECT oid, relname, relkind, relfilenode, relnatts FROM pg_class ORDER BY oid"),
        target.execute("SELECT rolname, rolsuper FROM pg_roles ORDER BY 1"),
        target.execute("SELECT last_value, is_called FROM activities_pk_seq"),
        target.execute("SELECT count(*) FROM pg_largeobject_metadata"),
        # A transaction that writes takes a number; those that only read do not.
        target.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())"),
    ]


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_a_scan_by_who_could_write_changes_nothing(run: Run, tmp_path: Path, target: AnyTarget, engine: str) -> None:
    odd = "('Ａctivity_1'), (' activity_1'), ('ACTIVITY_1'), (''), (' '), (NULL)"
    target.execute(f"INSERT INTO activities (id) VALUES {odd}")
    user = "postgres" if isinstance(target, Postgresql) else "root"
    text = configuration(
        url(target, user=user, password=None), {"activities": "id <> 'x' OR id IS NULL", "screenshots": None}
    )
    (tmp_path / "dedupaudit.toml").write_text(text)
    before = everything(target)
    done = run("scan", "-f", "json", "--distrust-indexes", "--engine", engine)
    assert report_of(done)["complete"], done.err
    assert done.code == 1
    assert everything(target) == before


def test_init_changes_nothing(run: Run, target: AnyTarget) -> None:
    before = everything(target)
    done = run("init", "--db", url(target, password=None), "-o", "-", env={"DEDUPAUDIT_PASSWORD": "Zq7-hunter2"})
    assert done.code == 0, done.err
    assert b"[tables.activities]" in done.out
    assert b"hunter2" not in done.out
    assert everything(target) == before


def test_two_kinds_of_servers_and_a_file_in_one_report(
    run: Run, postgres: Postgresql, maria: Mariadb, sqlite_db: SqliteDb
) -> None:
    file = sqlite_db("CREATE TABLE activities (id TEXT); INSERT INTO activities VALUES ('a'), ('a')")
    shards = {"pg": url(postgres), "my": url(maria).replace("mariadb://", "mysql://"), "lite": f"sqlite:///{file}"}
    arguments = [word for name, address in shards.items() for word in ("--db", f"{name}={address}")]
    done = run("scan", "activities", "-f", "json", *arguments)
    report = report_of(done)
    assert done.code == 1
    assert report["complete"]
    tables = report["summary"]["tables"]
    assert set(tables) == {f"{name}.activities" for name in shards}
    for name in ("pg", "my"):
        assert tables[f"{name}.activities"]["surplus_rows"] == 2
    found = [one for one in report["findings"] if one["check"] == "duplicate_ids" and one["source"] in ("pg", "my")]
    assert [one["key"] for one in found] == [{"id": "activities_1"}] * 2
    assert {(one["first_at"], one["last_at"], one["class"]) for one in found} == {
        ("2025-12-24T08:00:14.000Z", "2025-12-24T08:02:14.000Z", "identical")
    }
    assert len({one["fingerprint"] for one in report["findings"]}) == len(report["findings"])
