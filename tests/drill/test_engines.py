"""Engines that connect as the project does: its parameters, its option files, one connection, no endless wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from dedupaudit.drill.engines import engine_of
from dedupaudit.errors import UsageError
from dedupaudit.urls import parse_database_url
from tests.repair.databases import MARIADB, POSTGRESQL, SQLITE
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer


def test_postgresqls_settings_hold_whatever_is_rolled_back(tmp_path: Path) -> None:
    engine = engine_of(parse_database_url(POSTGRESQL.fresh(tmp_path)), search_path=("other", 'odd"one'))
    assert engine.dialect.driver == "psycopg2"
    pids = set()
    for _ in range(2):
        with engine.connect() as connection:
            pids.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            assert connection.exec_driver_sql("SHOW search_path").scalar_one() == 'other, "odd""one"'
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "30s"
            assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "dedupaudit"
            connection.rollback()
    assert len(pids) == 1
    assert engine.pool.status().startswith("Pool size: 1 ")
    engine.dispose()


def test_mariadbs_connection_commits_on_demand_and_counts_rows_that_are_found(tmp_path: Path) -> None:
    engine = engine_of(parse_database_url(MARIADB.fresh(tmp_path)))
    assert engine.dialect.driver == "pymysql"
    MARIADB.run("CREATE TABLE t (id VARCHAR(9), n INT)", "INSERT INTO t VALUES ('ü😀', 1)")
    with engine.connect() as connection:
        found = connection.execute(text("UPDATE t SET n = 1 WHERE id = :id"), {"id": "ü😀"})
        assert found.rowcount == 1
        connection.execute(text("INSERT INTO t VALUES ('b', 2)"))
        assert MARIADB.ask("SELECT count(*) FROM t") == [(1,)]
        connection.rollback()
        assert [tuple(row) for row in connection.execute(text("SELECT id, n FROM t"))] == [("ü😀", 1)]
        waits = connection.exec_driver_sql("SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout").one()
        assert tuple(waits) == (30, 30)
    engine.dispose()


def test_mariadbs_option_file_and_password_are_the_projects(tmp_path: Path, mariadb: MariadbServer) -> None:
    MARIADB.fresh(tmp_path)
    mariadb.execute("DROP USER IF EXISTS byfile")
    mariadb.execute("CREATE USER byfile IDENTIFIED BY 'Zq7 h#ünter'")
    options = tmp_path / "my.cnf"
    options.write_text("[client]\nuser = byfile\npassword = 'Zq7 h#ünter'\n")
    url = f"mariadb://127.0.0.1:{mariadb.port}/information_schema?read_default_file={options}"
    engine = engine_of(parse_database_url(url))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one() == "byfile@%"
    engine.dispose()


def test_tls_that_is_demanded_and_not_there_is_no_connection(mariadb: MariadbServer) -> None:
    engine = engine_of(parse_database_url(f"mysql://root@127.0.0.1:{mariadb.port}/mysql?ssl_mode=REQUIRED"))
    with pytest.raises(OperationalError, match="SSL"):
        engine.connect()
    engine.dispose()


def test_an_sqlite_engine_waits_for_others(tmp_path: Path) -> None:
    engine = engine_of(parse_database_url(SQLITE.fresh(tmp_path)))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 30_000
        assert connection.exec_driver_sql("SELECT x FROM bystander").scalar_one() == 1
    assert engine.pool.status().startswith("Pool size: 1 ")
    engine.dispose()


def test_a_login_that_is_refused_is_the_drivers_error_and_has_no_password(
    postgresql: PostgresqlServer, mariadb: MariadbServer
) -> None:
    for url in (
        postgresql.url(user="nobody", password="Zq7-hunter2"),
        mariadb.url(user="nobody", password="Zq7-hunter2"),
    ):
        engine = engine_of(parse_database_url(url))
        with pytest.raises(OperationalError) as refused:
            engine.connect()
        assert "hunter2" not in str(refused.value)
        assert "hunter2" not in repr(engine)
        engine.dispose()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "mariadb"])
def test_an_option_that_the_driver_lacks_is_wrong_usage(scheme: str) -> None:
    with pytest.raises(UsageError, match="connect_timout"):
        engine_of(parse_database_url(f"{scheme}://u@h/db?connect_timout=3"))
