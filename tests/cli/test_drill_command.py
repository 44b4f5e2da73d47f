"""`drill` on every database: what is recommended holds, the textbook's holes show, and nothing is left of it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.drill.strategies import STRATEGIES
from tests.cli.drilling import databases_of, schemas_of
from tests.cli.reading import said, strict_json
from tests.conftest import Run
from tests.crosscheck.scene import oss_arguments, oss_env
from tests.oss.server import FakeOss
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer
from tests.servers.redis import RedisServer

SMALL = ("--writers", "8", "--ids", "60", "-f", "json")
ZEROS = ("duplicates", "lost", "double_uploads", "wrong_answers", "stuck")


def of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the strategies by their names."""
    return {one["name"]: one for one in document["strategies"]}


def holds(one: dict[str, Any]) -> None:
    """See that a recommended strategy held, and that it was tried."""
    assert (one["verdict"], one["holes"]) == ("holds", []), one
    assert {name: one[name] for name in ZEROS} == dict.fromkeys(ZEROS, 0)
    assert 0 < one["rows"] < one["requests"]
    assert 0 < one["objects"] < one["rows"]
    assert one["deadlocks"] >= 0
    assert 0 < one["p50_ms"] <= one["p99_ms"]
    assert one["per_second"] > 0


def shows_its_hole(one: dict[str, Any]) -> None:
    assert one["verdict"] == "hole_shown", one
    assert any(one[name] for name in ZEROS) and one["holes"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", ["redis-lock", pytest.param("all", marks=pytest.mark.slow)])
def test_on_postgresql_with_redis_and_objects(
    run: Run, postgresql: PostgresqlServer, redis: RedisServer, oss: FakeOss, tmp_path: Path, names: str
) -> None:
    url = postgresql.create_database("app")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = ("--redis", redis.url, *oss_arguments(oss, "oss://pictures/drills/"), *SMALL, "--seed", "7")
    env = {**oss_env(), "TMPDIR": str(temporary)}
    done = run("drill", "--db", url, "--strategy", names, *words, env=env, timeout=240)
    assert done.code == 0, said(done)
    document = strict_json(done.out)
    assert document["held"] is True
    assert document["seed"] == 7
    assert document["leftovers"] == []
    assert document["redis"] == redis.url
    found = of(document)
    wanted = [one for one in STRATEGIES if names in ("all", one.name)]
    assert list(found) == [one.name for one in wanted]
    for one in wanted:
        (holds if one.recommended else shows_its_hole)(found[one.name])
    # Nothing of it is left, anywhere.
    assert schemas_of(postgresql, "app") == []
    assert oss.bucket.keys == []
    assert {entry.key.partition("/")[0] for entry in oss.log if entry.method == "PUT"} == {"drills"}
    with closing(redis.client()) as client:
        assert client.keys("*") == []
    assert os.listdir(temporary) == []


@pytest.mark.slow
@pytest.mark.parametrize("product", ["MariaDB", "SQLite"])
def test_on_other_databases_it_holds_and_the_textbook_does_not(
    request: pytest.FixtureRequest, run: Run, tmp_path: Path, product: str
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    if product == "MariaDB":
        server: MariadbServer = request.getfixturevalue("mariadb")
        url = server.create_database("app")
    else:
        file = tmp_path / "app.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE mine (id INTEGER)")
            connection.commit()
        url, before = f"sqlite:///{file}", file.read_bytes()
    words = ("--strategy", "unique", "--strategy", "check-then-act,unique")
    done = run("drill", "--db", url, *words, *SMALL, env={"TMPDIR": str(temporary)})
    assert done.code == 0, said(done)
    found = of(strict_json(done.out))
    assert list(found) == ["unique", "check-then-act"]
    holds(found["unique"])
    shows_its_hole(found["check-then-act"])
    assert os.listdir(temporary) == []
    if product == "MariaDB":
        assert databases_of(server) == []
    else:
        assert file.read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["app.db", "home", "tmp"]
