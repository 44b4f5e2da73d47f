"""What is known of a table of MySQL or MariaDB: read from MariaDB, and of MySQL as its manual writes it."""

from __future__ import annotations

import time
from contextlib import closing

import pymysql
import pytest

from dedupaudit.errors import Refused
from dedupaudit.migrate.databases.mysql_facts import cluster_of, lookup_of, partitioned_by, redundant, version_of
from dedupaudit.migrate.databases.mysql_names import Names, default_name, is_ours
from dedupaudit.migrate.databases.mysql_open import open_of
from dedupaudit.migrate.databases.mysql_probe import is_refused_by
from dedupaudit.migrate.databases.mysql_rights import has_super, missing
from dedupaudit.migrate.databases.mysql_standing import IndexState
from dedupaudit.repair.databases.mysql_tables import Place
from tests.migrate.mysql_workman import CONSTRAINT, DATABASE, facts_of, table_of, working
from tests.servers.mariadb import MariadbServer

ADDRESS = "me@10.0.0.%"


def test_a_plain_table(mariadb: MariadbServer) -> None:
    columns = "n BIGINT PRIMARY KEY, k VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, d INT NOT NULL"
    with working(mariadb, columns, ("k", "d"), before=["INSERT INTO t VALUES (1, 'ä', 1), (2, 'xyz', 2)"]) as work:
        facts = work.target.facts
        assert (facts.product, facts.engine, facts.table_kind, facts.key_limit) == ("mariadb", "InnoDB", "table", 3072)
        assert facts.version >= (10, 6)
        text, number = facts.key
        assert (text.name, text.nullable, text.most, text.longest, text.bytewise) == ("k", True, 200, 3, False)
        assert (number.most, number.longest, number.nullable, number.indexable) == (4, None, False, True)
        assert (facts.protecting, facts.lookup, facts.name_taken_by, facts.leftovers) == (None, None, None, ())
        assert (facts.nulls_forbidden, facts.missing, facts.read_only, facts.cluster) == (False, (), "", "")
        assert (facts.binary_log, facts.has_super, facts.disk_free, facts.replicas) == (False, True, None, 0)
        assert int(facts.settings["innodb_online_alter_log_max_size"]) > 0
        assert facts.settings["definition.k"].startswith("varchar(50)")


def test_what_the_tool_made_itself_changes_no_plan(mariadb: MariadbServer) -> None:
    with working(mariadb, "n BIGINT PRIMARY KEY, k VARCHAR(50)") as work:
        first = facts_of(work.url, work.target.table)
        work.do("lookup", "guard")
        second = facts_of(work.url, table_of(work.url, ("k",)))
        assert {one.kind for one in second.leftovers} == {"lookup index", "guard table", "guard trigger"}
        assert len(second.leftovers) == 6
        assert (second.lookup, second.triggers, second.redundant_indexes) == (None, (), ())
        work.do("build")
        third = facts_of(work.url, table_of(work.url, ("k",)))
        assert (first.lookup, third.lookup, third.protecting) == (None, None, CONSTRAINT)


def test_what_surrounds_a_table(mariadb: MariadbServer) -> None:
    with working(
        mariadb,
        "n BIGINT PRIMARY KEY, k VARCHAR(50) NOT NULL, p BIGINT, KEY begins (k, p), KEY same (k), UNIQUE again (n),"
        " FULLTEXT words (k), KEY short (k(3)), CONSTRAINT up FOREIGN KEY (p) REFERENCES t (n) ON DELETE CASCADE",
        before=[
            "CREATE TABLE child (n BIGINT REFERENCES t (n) ON UPDATE SET NULL)",
            "CREATE TRIGGER looks BEFORE UPDATE ON t FOR EACH ROW SET NEW.p = OLD.p",
            f"CREATE INDEX `{CONSTRAINT.replace('`', '``')}` ON t (p, k)",
        ],
    ) as work:
        facts = work.target.facts
        assert facts.lookup in ("begins", "same")
        assert set(facts.redundant_indexes) == {"same", "again"}
        assert facts.name_taken_by == f"index {CONSTRAINT} (p, k)"
        assert [(one.name, one.timing, one.events) for one in facts.triggers] == [("looks", "BEFORE", ("UPDATE",))]
        keys = {(one.table, one.columns, one.outgoing, one.on_delete, one.on_update) for one in facts.foreign_keys}
        assert ("t", ("p",), True, "CASCADE", "RESTRICT") in keys
        assert ("child", ("n",), False, "RESTRICT", "SET NULL") in keys
        with pytest.raises(Refused, match="name is taken"):
            work.do("build")


def test_a_partitioned_table_and_a_compact_one(mariadb: MariadbServer) -> None:
    columns = "n BIGINT, k VARCHAR(50) NOT NULL, PRIMARY KEY (n, k)"
    with working(mariadb, columns) as work:
        work.run("ALTER TABLE t ROW_FORMAT=COMPACT")
        assert facts_of(work.url, work.target.table).key_limit == 767
        work.run(
            "ALTER TABLE t PARTITION BY RANGE (n) (PARTITION a VALUES LESS THAN (5), PARTITION b VALUES LESS THAN (9))"
        )
        facts = facts_of(work.url, work.target.table)
        assert (facts.table_kind, facts.partition_key) == ("partitioned", ("n",))
        assert [one.name for one in facts.partitions] == ["a", "b"]


def test_open_transactions_are_seen_with_who_has_them(mariadb: MariadbServer) -> None:
    with working(mariadb, "n BIGINT PRIMARY KEY, k VARCHAR(50)") as work, closing(work.connect()) as session:
        with session.cursor() as cursor:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        time.sleep(0.2)  # InnoDB shows everybody what it showed the last one, for a tenth of a second
        oldest = facts_of(work.url, work.target.table).oldest_snapshot
        assert oldest is not None
        assert f"session {session.thread_id()}" in oldest.who  # type: ignore[no-untyped-call]


def test_what_a_role_lacks_is_told_as_grants(mariadb: MariadbServer) -> None:
    with working(mariadb, "n BIGINT PRIMARY KEY, k VARCHAR(50)") as work:
        mariadb.execute("CREATE OR REPLACE USER 'limited'@'%' IDENTIFIED BY 'x'")
        mariadb.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{DATABASE}`.t TO 'limited'@'%'")
        try:
            url = mariadb.url(user="limited", password="x", database=DATABASE)
            facts = facts_of(url, work.target.table)
            told = facts.missing
            for grant in told:
                mariadb.execute(grant)
            after = facts_of(url, work.target.table)
        finally:
            mariadb.execute("DROP USER 'limited'@'%'")
        assert [grant.partition(" ON ")[0] for grant in told] == [
            "GRANT ALTER, TRIGGER", "GRANT SELECT, CREATE, DROP, INSERT, UPDATE", "GRANT PROCESS",
        ]  # fmt: skip
        assert (facts.oldest_transaction, facts.replicas, facts.has_super) == (None, None, False)
        assert after.missing == ()


# ---- what no server here can show


def test_mysqls_grants() -> None:
    names = Names(Place("app", "t"), ("k",))
    dynamic = "GRANT BACKUP_ADMIN,BINLOG_ADMIN ON *.* TO `me`@`10.0.0.%`"
    everything = "GRANT ALL PRIVILEGES ON `app`.* TO `me`@`10.0.0.%`"
    assert missing((dynamic, everything), names, ADDRESS, without_case=False) == (
        "GRANT PROCESS ON *.* TO 'me'@'10.0.0.%'",
    )
    assert missing((), names, ADDRESS, without_case=False) == ()
    one = "GRANT ALTER, TRIGGER ON `app`.`T` TO `me`@`10.0.0.%`"
    assert len(missing((one,), names, ADDRESS, without_case=True)) == 2
    assert len(missing((one,), names, ADDRESS, without_case=False)) == 3
    assert has_super(("GRANT SELECT, SUPER, PROCESS ON *.* TO `me`@`%`",))
    assert not has_super((dynamic,))


def test_versions_and_clusters() -> None:
    assert version_of("8.0.36-0ubuntu0.22.04.1") == (8, 0, 36)
    assert version_of("5.5.5-10.11.6-MariaDB-log") == (10, 11, 6)
    assert version_of("9.6.0") == (9, 6, 0)
    assert cluster_of({"wsrep_on": "ON", "wsrep_provider": "/usr/lib/galera/libgalera_smm.so"}) == "galera"
    assert cluster_of({"wsrep_on": "OFF", "wsrep_provider": "none"}) == ""
    assert cluster_of({"group_replication_group_name": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"}) == "group replication"
    assert cluster_of({"group_replication_group_name": ""}) == ""


def test_mysql_names_the_table_before_the_key_that_refused() -> None:
    def error(code: int, text: str) -> pymysql.err.IntegrityError:
        return pymysql.err.IntegrityError(code, text)

    assert is_refused_by(error(1062, "Duplicate entry 'a' for key 't.t_k_key'"), "T_K_key")
    assert is_refused_by(error(1062, "Duplicate entry 'x'' for key ''t_k_key' for key 't_k_key'"), "t_k_key")
    assert is_refused_by(error(1062, "Doppelter Eintrag 'a' für Schlüssel 't_k_key'"), "t_k_key")
    assert not is_refused_by(error(1062, "Duplicate entry 't_k_key' for key 't.PRIMARY'"), "t_k_key")
    assert not is_refused_by(error(1062, "Duplicate entry 'a' for key 'not_t_k_key'"), "t_k_key")
    assert not is_refused_by(error(1452, "Cannot add or update: 't_k_key'"), "t_k_key")
    assert not is_refused_by(None, "t_k_key")


def test_which_index_serves_the_guard() -> None:
    def index(name: str, *columns: str | None, **more: bool) -> IndexState:
        state = {"unique": False, "whole": True, "used": True, "sorted": True} | more
        return IndexState(name, columns=columns, **state)

    key = ("a", "b")
    for useless in (
        index("i", "a"), index("i", "c", "a", "b"), index("i", "a", None), index("i", "a", "b", whole=False),
        index("i", "a", "b", used=False), index("i", "a", "b", sorted=False), index("wanted", "a", "b"),
        index("dedupaudit_lookup_0123456789ab", "a", "b"),
    ):  # fmt: skip
        assert lookup_of([useless], key, "wanted") is None
    assert lookup_of([index("i", "B", "a", "c")], key, "wanted") == "i"
    several = [index("one", "a"), index("both", "a", "b"), index("turned", "b", "a"), index("unique", "a", unique=True)]
    assert redundant(several, key, ("n",), "wanted") == ("one", "both")
    assert redundant([index("again", "n", unique=True), index("PRIMARY", "n", unique=True)], key, ("n",), "w") == (
        "again",
    )


def test_what_a_table_is_partitioned_by() -> None:
    columns = {"at": "At", "device_id": "device_id", "to_days": "to_days"}
    assert partitioned_by("to_days(`at`)", {"at": "At", "device_id": "device_id"}) == ("At",)
    assert partitioned_by("`device_id`,`at`", columns) == ("device_id", "At")
    assert partitioned_by('"device_id"', columns) == ("device_id",)
    assert partitioned_by("", columns) == ()


def test_which_transactions_keep_a_snapshot() -> None:
    def state(session: str, level: str, number: str = "77") -> tuple[bool, tuple[str, ...]]:
        found = open_of((session, "2025-01-01 00:00:00", "5", level, "0", "me", "h", "SELECT 1", number))
        return found.keeps_snapshot, found.identity

    assert state("5", "REPEATABLE READ")[0]
    assert state("5", "SERIALIZABLE")[0]
    assert not state("5", "READ COMMITTED")[0]
    # One that was prepared, and outlived its session or its server.
    assert state("0", "READ COMMITTED")[0]
    assert state("0", "REPEATABLE READ", "8")[1] != state("0", "REPEATABLE READ", "9")[1]
    # The number of a transaction changes once it writes.
    assert state("5", "REPEATABLE READ", "8")[1] == state("5", "REPEATABLE READ", "9")[1]


def test_names_are_short_and_told_from_others(mariadb: MariadbServer) -> None:
    names = Names(Place("app", "t" * 64), ("k",))
    assert all(is_ours(name) and len(name) <= 64 for name in (*names.triggers, names.lookup, names.side.name))
    assert names.mark != Names(Place("app", "t" * 64), ("K2",)).mark
    assert not any(map(is_ours, ("dedupaudit_guard_mine", "dedupaudit_lookup_", "dedupaudit_runs", "guard")))
    with working(mariadb, f"n INT PRIMARY KEY, `{'k' * 64}` INT", ("k" * 64,)) as work:
        assert len(default_name(work.target.table)) <= 64
        assert default_name(table_of(work.url, ("n",))) == "t_n_key"
