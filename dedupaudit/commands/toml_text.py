r"""Writes commented TOML, in which any name of a foreign catalog stays a name and none becomes a line of its own.

A line that begins with `# ` is prose; one that begins with `#` alone is a setting that is switched off.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from dedupaudit.display import escape

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}
_WIDTH = 110
_REMARKS_AT = 34  # the column in which the remarks behind settings stand, where the settings leave room


def toml_string(text: str) -> str:
    """Return a basic string of TOML 1.0 on one line; what cannot be seen in it is an escape.

    Raises ValueError for half of a surrogate pair, which TOML has no way to say.
    """
    text.encode("utf-8")
    return '"' + "".join(map(_character, text)) + '"'


def toml_key(name: str) -> str:
    """Return a key, bare where it may be."""
    return name if _BARE.fullmatch(name) else toml_string(name)


def header(*path: str, off: bool = False) -> str:
    """Return `[tables."odd name"]`; with `off`, switched off."""
    return ("#" if off else "") + f"[{'.'.join(map(toml_key, path))}]"


def setting(key: str, value: str | Sequence[str], remark: str = "", *, off: bool = False) -> str:
    """Return `key = value`, text or a list of texts, with a remark behind it; with `off`, switched off."""
    shown = toml_string(value) if isinstance(value, str) else "[" + ", ".join(map(toml_string, value)) + "]"
    line = ("#" if off else "") + f"{toml_key(key)} = {shown}"
    return f"{line.ljust(_REMARKS_AT - 1)} # {remark}" if remark else line


def prose(text: str) -> list[str]:
    """Return a sentence as lines of comment. A foreign value in it has gone through `display.visible`."""
    # What textwrap takes for white space would else be folded or broken at.
    lines = textwrap.wrap(escape(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in lines]


def _character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character == escape(character):
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
