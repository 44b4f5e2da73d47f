"""Fences configured SQL: a `where` is one condition, and `also_referenced` one SELECT, that stays in its parentheses.

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

SELECT_HINT = "write one SELECT of one column, such as SELECT thumb_key FROM thumbnails; no comments, no ';'"
_SELECT = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
# What writes to a file, a table or a variable, and what locks the rows that it reads.
_MORE_THAN_READING = re.compile(
    r"\bINTO\b|\bFOR\s+(NO\s+KEY\s+UPDATE|KEY\s+SHARE|UPDATE|SHARE)\b|\bLOCK\s+IN\s+SHARE\s+MODE\b",
    re.IGNORECASE,
)


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


def fence_select(select: str, where: str, fence: Fence = SQLITE) -> None:
    """Raise UsageError, naming `where` it is configured, unless `select` is one SELECT that stays in parentheses."""
    problem = _escape(select, fence, "SELECT")
    bare = without_quoted(select, fence)
    if problem is None and not _SELECT.match(bare):
        problem = "it must begin with SELECT or WITH"
    if problem is None and (found := _MORE_THAN_READING.search(bare)):
        problem = f"{' '.join(found[0].upper().split())} does more than read"
    if problem:
        raise UsageError(
            f"{where}: {problem}",
            SELECT_HINT,
        )


def without_quoted(sql: str, fence: Fence) -> str:
    """Return SQL that passed the fence with each quotation empty."""
    kept, at = [], 0
    while at < len(sql):
        quoted = _QUOTED[sql[at]].match(sql, at) if sql[at] in fence.quotes else None
        kept.append("''" if quoted else sql[at])
        at = quoted.end() if quoted else at + 1
    return "".join(kept)


def _escape(condition: str, fence: Fence, what: str = "condition") -> str | None:
    if not condition.strip():
        return f"the {what} is empty"
    if "\0" in condition or "\\" in condition:
        return f"a {what} cannot hold a NUL or a backslash"
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
            return "comments are not allowed in a " + what
        if fence.parameter.match(condition, at) and not condition.startswith("::", at):
            return f"{character} would begin a parameter, and there is nothing to fill it with"
        at += 2 if condition.startswith("::", at) else 1
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return f"a ')' closes a parenthesis that the {what} did not open"
    return None if depth == 0 else "a '(' is not closed"
