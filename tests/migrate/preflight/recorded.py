"""Facts with nothing in the way, with the versions that servers told (MySQL: as its manual has them)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dedupaudit.migrate.facts import Duplicates, Facts, KeyColumn
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight import concerns
from dedupaudit.migrate.preflight.base import Asked

POSTGRESQL = Facts(
    product="postgresql",
    version=(15, 18),
    version_text="15.18 (Debian 15.18-0+deb12u1)",
    key=(KeyColumn("activity_id", "character varying(255)", False, most=1_020, longest=22),),
    rows=5_000_000,
    table_bytes=1_100_000_000,
    key_limit=2_704,
    device="device_id",
    nulls_forbidden=True,
    disk_free=200_000_000_000,
    replicas=0,
    published=False,
)
MARIADB = Facts(
    product="mariadb",
    version=(10, 11, 19),
    version_text="10.11.19-MariaDB-0+deb12u1-log",
    key=(KeyColumn("activity_id", "varchar(255)", False, "utf8mb4_nopad_bin", bytewise=True, most=1_020, longest=22),),
    rows=2_000_000,
    table_bytes=600_000_000,
    engine="InnoDB",
    row_format="Dynamic",
    key_limit=3_072,
    device="device_id",
    nulls_forbidden=True,
    disk_free=200_000_000_000,
    replicas=0,
    binary_log=True,
    binlog_format="MIXED",
    trusts_creators=True,
    has_super=False,
)
MYSQL = replace(
    MARIADB,
    product="mysql",
    version=(8, 4, 2),
    version_text="8.4.2",
    key=(replace(MARIADB.key[0], collation="utf8mb4_0900_bin"),),
    binlog_format="ROW",
)
SQLITE = Facts(
    product="sqlite",
    version=(3, 40, 1),
    version_text="3.40.1",
    key=(KeyColumn("activity_id", "TEXT", False, "BINARY", longest=22),),
    rows=12_000,
    device="device_id",
    nulls_forbidden=True,
    disk_free=200_000_000_000,
)

ASKED = Asked(
    table="activities",
    quoted='"public"."activities"',
    key=("activity_id",),
    constraint="activities_activity_id_key",
    not_null=False,
    strategy="guarded",
)
SMALL = replace(ASKED, strategy="small")
RESUMED = replace(ASKED, resumed=True)


def duplicates(**found: Any) -> dict[str, Any]:
    """Return the field of facts with these duplicates."""
    return {"duplicates": Duplicates(**found)}


def told(check: str, facts: Facts, asked: Asked = ASKED, **changed: Any) -> list[Concern]:
    """Return what one check says of facts, some of which are changed."""
    return [concern for concern in concerns(replace(facts, **changed), asked) if concern.check == check]


def only(check: str, facts: Facts, asked: Asked = ASKED, **changed: Any) -> Concern:
    """Return the one thing that a check says."""
    (concern,) = told(check, facts, asked, **changed)
    return concern
