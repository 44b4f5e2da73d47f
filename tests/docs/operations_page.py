"""Reads `docs/operations.md` and the recipes that it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

RECIPES = ROOT / "docs" / "recipes"
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A block of code: its language, and its text with the last line break."""

    language: str
    text: str


def section(heading: str) -> str:
    """Return what stands below a heading of the page, with its subsections."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading}"
    return re.split(rf"^#{{1,{len(found[1])}}} ", _without_code(found[2]), maxsplit=1, flags=re.MULTILINE)[0]


def blocks(heading: str) -> list[Block]:
    """Return the blocks of code below a heading, in their order."""
    text = PAGE[PAGE.index(f" {heading}\n") :]
    end = len(section(heading))
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text[: text.index("\n") + 1 + end], re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[2]) for match in found]


def recipe(name: str) -> str:
    return (RECIPES / name).read_text(encoding="utf-8")


def _without_code(text: str) -> str:
    """Return the text with each `#` in code replaced, so that no comment is taken for a heading."""
    return re.sub(r"^```.*?^```$", lambda match: match[0].replace("#", " "), text, flags=re.MULTILINE | re.DOTALL)


def at(root: Path, text: str) -> str:
    """Return a recipe whose folders lie below `root`."""
    return re.sub(r"(?<![\w.])/(?=(?:etc|var|usr/local)/)", f"{root}/", text)
