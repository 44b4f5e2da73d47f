"""Fences configured SQL: a `where` must be one condition that cannot leave the parentheses it is put into.

The fence reads tokens, not grammar: quotes, comments, brackets and semicolons. The database's own read-only session
and the refusal of several statements in one call stand behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dedupaudit.errors import UsageError

_QUOTED = {
    "'": re.compile(r"'(?:[^']|'')*'", re.DOTALL),
    '"': re.compile(r'"(?:[^"]|"")*"', re.DOTALL),
    "`": re.compile(r"`(?:[^`]|``)*`", re.DOTALL),
    "[": re.compile(r"\[[^\]]*\]"),
}


@dataclass(frozen=True)
class Fence:
    """How a dialect reads characters: which open a quotation, what begins a comment, what a parameter."""

    quotes: str = "'\"`["
    comment: re.Pattern[str] = re.compile(r"--|/\*|\*/|#")
    parameter: re.Pattern[str] = re.compile(r"[?:@$]")


SQLITE = Fence()
# Brackets are subscripts and quote nothing, and # ? @ : are parts of operators; $ begins a parameter or a quotation.
POSTGRESQL = Fence(quotes="'\"", comment=re.compile(r"--|/\*|\*/"), parameter=re.compile(r"[$]"))
# Brackets quote nothing, and $ may be part of a name.
MYSQL = Fence(quotes="'\"`", parameter=re.compile(r"[?:@]"))


def fence_condition(condition: str, where: str, fence: Fence = SQLITE) -> None:
    """Raise UsageError, naming `where` it is configured, unless `condition` stays inside its parentheses."""
    problem = _escape(condition, fence)
    if problem:
        raise UsageError(
            f"{where}: {problem}",
            "write one plain SQL condition, such as created_at >= '2025-12-01'; no comments, no ';', no parameters",
        )


def _escape(condition: str, fence: Fence) -> str | None:
    if not condition.strip():
        return "the condition is empty"
    if "\0" in condition or "\\" in condition:
        return "a condition cannot hold a NUL or a backslash"
    depth, at = 0, 0
    while at < len(condition):
        character = condition[at]
        if character in fence.quotes:
            quoted = _QUOTED[character].match(condition, at)
            if quoted is None:
                return f"the quotation that begins with {character} does not end"
            at = quoted.end()
            continue
        if character == ";":
            return "only one statement is allowed, and ';' would begin another"
        if fence.comment.match(condition, at):
            return "comments are not allowed in a condition"
        if fence.parameter.match(condition, at) and not condition.startswith("::", at):
            return f"{character} would begin a parameter, and there is nothing to fill it with"
        at += 2 if condition.startswith("::", at) else 1
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return "a ')' closes a parenthesis that the condition did not open"
    return None if depth == 0 else "a '(' is not closed"
