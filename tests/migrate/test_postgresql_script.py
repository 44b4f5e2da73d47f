"""PostgreSQL's script: pure, real, and what squawk says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dedupaudit.migrate.databases.postgresql_names import object_name
from dedupaudit.migrate.databases.postgresql_steps import steps
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.facts import Facts, KeyColumn, Leftover, Partition
from dedupaudit.migrate.plan import StrategyName
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import sql_root

SQUAWK = Path(sys.executable).parent / "squawk"
# What squawk would have otherwise; the header of each of these files says why it is so.
_ONLINE = {
    "prefer-robust-stmts": ("10_lookup", "41_not_null_validate", "50_build"),
    "ban-drop-constraint": ("43_not_null_uncheck",),
    "ban-drop-function": ("82_unguard_function",),
    "ban-drop-table": ("83_unguard_table",),
}
EXCEPTIONS: dict[StrategyName, dict[str, tuple[str, ...]]] = {
    "small": {
        "require-statement-timeout": ("05_lock",),
        "require-concurrent-index-creation": ("52_build_small",),
        "prefer-robust-stmts": ("41_not_null_validate",),
        "ban-drop-constraint": ("43_not_null_uncheck",),
    },
    "guarded": _ONLINE,
    "partitioned": {
        **_ONLINE,
        "require-concurrent-index-creation": ("11_lookup_parent",),
        "require-concurrent-index-deletion": ("85_unguard_lookup_parent",),
        "disallowed-unique-constraint": ("61_attach_parent",),
        "constraint-missing-not-valid": ("61_attach_parent",),
    },
}


def target(strategy: StrategyName, **known: object) -> Target:
    column = Column("activity_id", "character varying(255)")
    table = Table("db", "activities", Catalog("activities", '"public"."activities"', "table", (column,)), (column,), ())
    facts = Facts(
        "postgresql", (15, 18), "PostgreSQL 15.18", (KeyColumn("activity_id", column.declared, nullable=True),)
    )
    if strategy == "partitioned":
        parts = (
            Partition("p1", '"public"."p1"', '"public"."activities"'),
            Partition("p2a", '"public"."p2a"', '"public"."p2"'),
        )
        facts = replace(facts, partitions=parts, settings={'level."public"."p2"': '"public"."activities"'})
    facts = replace(facts, rows=1_000_000, **known)  # type: ignore[arg-type]
    return Target(table, "activities_activity_id_key", ("activity_id",), strategy, facts)


def squawk(strategy: StrategyName, folder: Path) -> set[str]:
    """Return the rules that squawk finds broken by a strategy's whole script."""
    script = folder / "script.sql"
    found = steps(target(strategy))
    together = [f"{statement};\n" for step in found if step.together for statement in step.sql]
    alone = [f"{statement};\n" for step in found if not step.together for statement in step.sql]
    script.write_text("".join([*(["BEGIN;\n", *together, "COMMIT;\n"] if together else []), *alone]))
    options = ["--reporter", "json", "--pg-version", "15.0"]
    done = subprocess.run([SQUAWK, *options, script], capture_output=True, text=True, check=False, cwd=folder)
    assert done.stdout.startswith("["), done.stderr
    return {str(found["rule_name"]) for found in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("rule", "file"), sorted({(r, f) for e in EXCEPTIONS.values() for r, fs in e.items() for f in fs})
)
def test_an_exception_is_explained_beside_the_sql(rule: str, file: str) -> None:
    lines = (sql_root() / f"migrations/postgresql/{file}.sql").read_text().splitlines()
    assert rule in " ".join(line.removeprefix("--") for line in lines if line.startswith("--"))


@pytest.mark.parametrize("strategy", EXCEPTIONS)
def test_squawk_has_nothing_to_say_but_what_is_explained(strategy: StrategyName, tmp_path: Path) -> None:
    # Each exception is needed, and none is missing.
    assert squawk(strategy, tmp_path) == set(EXCEPTIONS[strategy])


def test_squawk_would_see_a_build_that_blocks_writers(tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("CREATE UNIQUE INDEX u ON activities (activity_id);")
    done = subprocess.run([SQUAWK, script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "require-concurrent-index-creation" in done.stdout


@pytest.mark.parametrize("strategy", EXCEPTIONS)
def test_the_script_does_not_depend_on_what_is_left_or_counted(strategy: StrategyName) -> None:
    left = (Leftover("guard table", "x"), Leftover("lookup index", "y"), Leftover("invalid index", "z"))
    first = [step.sql for step in steps(target(strategy))]
    assert first == [step.sql for step in steps(target(strategy, leftovers=left, null_keys=3, triggers=()))]


def test_an_index_of_others_spares_the_lookup_index() -> None:
    with_lookup, without = (
        {step.name: step.sql for step in steps(target("guarded", lookup=name))} for name in ("theirs", None)
    )
    assert "lookup" not in with_lookup
    assert not any("dedupaudit_lookup" in statement for sql in with_lookup.values() for statement in sql)
    assert any("dedupaudit_lookup" in statement for statement in without["unguard"])


@pytest.mark.parametrize("strategy", EXCEPTIONS)
def test_no_lock_that_keeps_anybody_out_is_waited_for_longer_than_a_second(strategy: StrategyName) -> None:
    limit = ""
    for step in steps(target(strategy)):
        for statement in step.sql:
            if "lock_timeout" in statement:
                limit = statement.rpartition("=")[2].strip(" ';")
            elif statement in ("BEGIN", "COMMIT"):
                limit = ""
            elif "CONCURRENTLY" in statement or "VALIDATE" in statement:
                assert limit == "0"
            elif statement.split()[0] in ("ALTER", "LOCK", "DROP", "CREATE") and "FUNCTION" not in statement:
                assert limit == "1s", statement


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("activities", "activity_id", "key"), "activities_activity_id_key"),
        (("t" * 63, "c" * 63, "key"), f"{'t' * 29}_{'c' * 29}_key"),
        (("t" * 70, "id", "key"), f"{'t' * 56}_id_key"),
        (("ü" * 31, "é" * 31, "key"), f"{'ü' * 14}_{'é' * 14}_key"),
    ],
)
def test_a_constraint_is_called_as_postgresql_calls_it(parts: tuple[str, str, str], name: str) -> None:
    assert object_name(*parts) == name
