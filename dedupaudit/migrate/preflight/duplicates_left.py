"""Duplicates that the clean step must not decide about, and how many rows it would move."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, command, counted, have, key_of, note, refusal, setting, toml, word


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse what needs a person; tell what the clean step moves."""
    found = facts.duplicates
    yield from _collisions(facts, asked)
    if conflicting := found.left.get("conflicting", 0):
        yield refusal(
            f"{_counted_keys(conflicting)} of {visible(asked.table)} {have(conflicting)} rows that differ, and no"
            f" policy says which one stays{_named(facts, 'conflicting')}",
            f"look at them: {command('repair plan', asked)} --sql; then name a policy:"
            f" {command('migrate plan', asked)} --on-conflict newest (or oldest, most-complete, COLUMN:max)",
        )
    if unnamed := found.left.get("unnamed", 0):
        yield refusal(
            f"{_counted_keys(unnamed)} of {visible(asked.table)} {have(unnamed)} a row with NULL in its primary key,"
            f" which could not be found again{_named(facts, 'unnamed')}",
            "give these rows a primary key, or delete them by hand",
        )
    if others := sum(found.left[why] for why in found.left if why not in _KNOWN):
        why = ", ".join(visible(one) for one in found.left if one not in _KNOWN)
        yield refusal(
            f"{_counted_keys(others)} of {visible(asked.table)} must be settled by a person first: {why}",
            f"look at them: {command('repair plan', asked)} --sql",
        )
    if found.removed:
        policy = ("--on-conflict", word(asked.on_conflict)) if asked.on_conflict else ()
        rules = ", ".join(f"{visible(rule)}: {number:,}" for rule, number in sorted(found.rules.items()))
        yield note(
            f"the clean step moves {counted(found.removed, 'row')} of {_counted_keys(sum(found.rules.values()))}"
            f" into quarantine{f' ({rules})' if rules else ''}; `repair undo` brings them back",
            f"each of them: {command('repair plan', asked, *policy)}",
        )


_KNOWN = ("id_collision", "conflicting", "unnamed", "blank key")  # blank keys have a check of their own


def _collisions(facts: Facts, asked: Asked) -> Iterator[Concern]:
    if not (collisions := facts.duplicates.left.get("id_collision", 0)):
        return
    message = (
        f"{_counted_keys(collisions)} of {visible(asked.table)} {_are(collisions)} shared by different events:"
        f" {key_of(asked)} must not be unique, one of the events would be lost{_named(facts, 'id_collision')}"
    )
    wider = setting(asked, f"key = {toml(facts.device or 'COLUMN', *asked.key)}")
    if facts.duplicates.pairs:
        # Of these no column tells who is right: the IDs themselves differ.
        wider += " (IDs that only the collation joins are another matter: they are told below)"
    if facts.device and facts.device not in asked.key:
        yield refusal(message, f"make the key wider, {wider}; then {command('migrate plan', asked)}")
    elif facts.device:
        yield refusal(message, f"look at them: {command('repair plan', asked)} --sql; they need a key that tells them")
    else:
        yield refusal(
            message,
            f"make the key wider by the column that tells their origin, such as the device, {wider}; then"
            f" {command('migrate plan', asked)}",
        )


def _counted_keys(number: int) -> str:
    return counted(number, "key")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _named(facts: Facts, why: str) -> str:
    """Return up to five of the keys, for the end of a sentence."""
    keys = [key for key, reason in facts.duplicates.first_left if reason == why][:5]
    return f": {', '.join(visible(key) for key in keys)}" if keys else ""
