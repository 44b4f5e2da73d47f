"""What is wrong in a configuration, in words: file, dotted key, what was expected, and the nearest valid name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import did_you_mean
from dedupaudit.redact import scrub

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "an integer",
    "dict_type": "a table ([name] or [name.name])",
    "model_type": "a table ([name])",
    "model_attributes_type": "a table ([name])",
    "tuple_type": "a list",
}
_MANY = 20


def shown_path(path: Path) -> str:
    """Return a file's name for an error."""
    return visible(str(path), 300)


def dotted(path: Sequence[str | int]) -> str:
    """Return a key as TOML writes it: `tables."odd name".key`, `logs.events[0].pattern`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
        text += ("." if text else "") + (part if bare else visible(json.dumps(part, ensure_ascii=False)))
    return text


def invalid(
    place: str,
    error: ValidationError,
    names: Mapping[tuple[str, ...], type[BaseModel]],
    hint: str,
    said: Callable[[Sequence[str | int]], str] = dotted,
) -> UsageError:
    """Return all errors of one validation as one UsageError: `place` is the file, `names` its sections by path.

    `said` names a key as the user gave it.
    """
    details = error.errors(include_url=False)
    lines = [_line(detail, names, said) for detail in details[:_MANY]]
    if len(details) > _MANY:
        lines.append(f"and {len(details) - _MANY} more")
    # A URL pasted as a key, or in a place that this module does not know, must not be printed either.
    lines = [scrub(line) for line in lines]
    if len(lines) == 1:
        return UsageError(f"{place}: {lines[0]}", hint)
    return UsageError("\n  ".join([f"{place}: {len(details)} errors", *lines]), hint)


def _line(
    detail: ErrorDetails,
    names: Mapping[tuple[str, ...], type[BaseModel]],
    said: Callable[[Sequence[str | int]], str],
) -> str:
    path = [part for part in detail["loc"] if part != "[key]"]
    return f"{said(path)}: {_problem(detail, path, names)}"


def _problem(detail: ErrorDetails, path: list[str | int], names: Mapping[tuple[str, ...], type[BaseModel]]) -> str:
    from dedupaudit.config.values import kind_of

    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, names)
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", str(context.get("expected")))
        hint = did_you_mean(detail["input"], valid) if isinstance(detail["input"], str) else ""
        return f"expected one of {', '.join(valid)}" + (f"; {hint}" if hint else "")
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "greater_than_equal":
        return f"must not be less than {context.get('ge')}"
    if kind == "less_than_equal":
        return f"must not be more than {context.get('le')}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}; found {kind_of(detail['input'])}"
    return detail["msg"]


def _unknown_key(path: list[str | int], names: Mapping[tuple[str, ...], type[BaseModel]]) -> str:
    name = str(path[-1])
    valid = sorted(names[section_of(path[:-1])].model_fields)
    hint = did_you_mean(name, valid)
    if hint:
        return f"unknown key; {hint}"
    home = next((section for section, model in names.items() if name in model.model_fields), None)
    if home:
        section = dotted(["NAME" if part == "*" else part for part in home])
        return f"unknown key here; it belongs in [{section}]"
    return f"unknown key; expected one of {', '.join(valid)}"


def section_of(path: Sequence[str | int]) -> tuple[str, ...]:
    """Return the path of a section with `*` for a name that the user chose, and for a number."""
    chosen = {"tables", "databases"}
    return tuple(
        "*" if isinstance(part, int) or (index == 1 and path[0] in chosen) else part for index, part in enumerate(path)
    )
