"""What preflight says of a key's length is what the server does with it."""

from __future__ import annotations

import random
import string
from pathlib import Path

import psycopg2
import pymysql
import pytest

from dedupaudit.migrate.facts import KeyColumn
from tests.migrate.preflight.recorded import ASKED, POSTGRESQL, told
from tests.migrate.preflight.recorded import MARIADB as MARIADB_FACTS
from tests.repair import databases

CHECK = "key_length"
CHARACTERS = string.ascii_letters + string.digits + "-_./"


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("beside", [-8, 0, 8])
def test_postgresql_refuses_the_values_that_preflight_refuses(columns: int, beside: int, tmp_path: Path) -> None:
    # 2,692 bytes of one column are the most; of two, 2,688. What can be compressed is shorter than it seems.
    length = (2_700 - 4 * columns - 4 + beside) // columns
    database = databases.POSTGRESQL
    database.fresh(tmp_path)
    names = tuple(f"k{number}" for number in range(columns))
    database.run(f"CREATE TABLE t ({', '.join(f'{name} text' for name in names)})")
    chosen = random.Random(7)  # noqa: S311 (the same text in every run)
    database.insert("t", [tuple("".join(chosen.choices(CHARACTERS, k=length)) for _ in names)])
    # Text of 66 letters is not compressible: what is stored is what was written.
    assert database.ask("SELECT pg_column_size(k0) >= octet_length(k0) FROM t") == [(True,)]
    key = tuple(KeyColumn(name, "text", True, longest=length) for name in names)
    refused = any(one.level == "refusal" for one in told(CHECK, POSTGRESQL, ASKED, key=key))
    try:
        database.run(f"CREATE UNIQUE INDEX u ON t ({', '.join(names)})")
    except psycopg2.errors.ProgramLimitExceeded:
        assert refused
    else:
        assert not refused


@pytest.mark.parametrize(
    ("types", "most", "row_format"),
    [
        (("VARCHAR(768)",), (3_072,), "DYNAMIC"),
        (("VARCHAR(769)",), (3_076,), "DYNAMIC"),
        (("VARBINARY(3072)",), (3_072,), "DYNAMIC"),
        (("VARBINARY(3073)",), (3_073,), "DYNAMIC"),
        (("TEXT",), (None,), "DYNAMIC"),
        (("VARCHAR(384)", "VARCHAR(384)"), (1_536, 1_536), "DYNAMIC"),
        (("VARCHAR(384)", "VARCHAR(385)"), (1_536, 1_540), "DYNAMIC"),
        (("BIGINT", "VARCHAR(766)"), (8, 3_064), "DYNAMIC"),
        (("BIGINT", "VARCHAR(767)"), (8, 3_068), "DYNAMIC"),
        (("VARCHAR(191)",), (764,), "COMPACT"),
        (("VARCHAR(192)",), (768,), "COMPACT"),
        (("VARCHAR(191)", "VARCHAR(191)"), (764, 764), "COMPACT"),
    ],
    ids=str,
)
def test_mariadb_builds_online_what_preflight_lets_through(
    types: tuple[str, ...], most: tuple[int | None, ...], row_format: str, tmp_path: Path
) -> None:
    database = databases.MARIADB
    database.fresh(tmp_path)
    names = [f"k{number}" for number in range(len(types))]
    columns = [f"{name} {declared}" for name, declared in zip(names, types, strict=True)]
    database.run(database.table("t", ["rid BIGINT PRIMARY KEY", *columns], f" ROW_FORMAT={row_format}"))
    key = tuple(
        KeyColumn(name, declared, True, most=length) for name, declared, length in zip(names, types, most, strict=True)
    )
    limit = 767 if row_format == "COMPACT" else 3_072
    refused = told(CHECK, MARIADB_FACTS, ASKED, key=key, key_limit=limit, row_format=row_format) != []
    try:
        database.run(f"ALTER TABLE t ADD UNIQUE INDEX u ({', '.join(names)}), ALGORITHM=INPLACE, LOCK=NONE")
    except pymysql.Error:
        assert refused
    else:
        assert not refused
