"""The wanted constraint's name: another object may have it already."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, command, refusal, setting

_LONGEST = 63
"""Bytes of a name in PostgreSQL; MySQL has 64 characters."""


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse a name that is taken, and suggest another."""
    if facts.name_taken_by and not asked.resumed:
        other = json.dumps(_other(asked.constraint), ensure_ascii=False)
        yield refusal(
            f"the name {visible(asked.constraint)} is taken already, by {visible(facts.name_taken_by)}",
            f"choose another, set {setting(asked, f'constraint = {other}')}; then {command('migrate plan', asked)}",
        )


def _other(name: str) -> str:
    ending = "_unique"
    cut = name.encode()[: _LONGEST - len(ending)].decode(errors="ignore")
    return (cut.removesuffix(ending) or "constraint") + (ending if not name.endswith(ending) else "_once")
