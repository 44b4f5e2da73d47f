"""A partitioned table: its unique key must contain every column that it is partitioned by."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, command, key_of, listed, refusal, setting, toml

_NAME = re.compile(r"[^\W\d][\w$]*")
_QUOTED = re.compile(r"`((?:[^`]|``)+)`")


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse a key without the partition key; PostgreSQL has none at all over an expression."""
    if facts.table_kind != "partitioned":
        return
    by_expression = [part for part in facts.partition_key if not _is_name(part, asked)]
    if facts.product == "postgresql" and by_expression:
        yield refusal(
            f"{visible(asked.table)} is partitioned by the expression {listed(by_expression)}: PostgreSQL makes no"
            " unique constraint there that holds across partitions",
            "partition it by plain columns, or keep the IDs unique in a table of their own, which is not partitioned",
        )
        return
    needed = [name for part in facts.partition_key for name in _columns(part, asked)]
    missing = tuple(dict.fromkeys(name for name in needed if name not in asked.key))
    if missing:
        wider = f"key = {toml(*asked.key, *missing)}"
        yield refusal(
            f"{visible(asked.table)} is partitioned by ({listed(facts.partition_key)}), and a unique key there must"
            f" contain that: {key_of(asked)} lacks {listed(missing)}",
            f"make the key wider, {setting(asked, wider)}, and then {command('migrate plan', asked)}: the ID alone"
            " stays unprotected across partitions; or keep the IDs unique in a table of their own",
        )


def _is_name(part: str, asked: Asked) -> bool:
    return part in asked.key or bool(_NAME.fullmatch(part))


def _columns(part: str, asked: Asked) -> list[str]:
    """Return the columns in one part of a partition key; MySQL shows an expression with its columns in backticks."""
    if _is_name(part, asked):
        return [part]
    quoted = [name.replace("``", "`") for name in _QUOTED.findall(part)]
    # Without backticks: every word that is no function's name.
    return quoted or [found[0] for found in _NAME.finditer(part) if not part[found.end() :].lstrip().startswith("(")]
