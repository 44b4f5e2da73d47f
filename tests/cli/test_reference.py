"""The command reference says what `--help` says, and the README's table of commands has every one of them."""

from __future__ import annotations

import re

from dedupaudit.commands.cli import COMMANDS
from tests.conftest import ROOT
from tools.reference import commands, reference

REFERENCE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_docs_commands_is_what_help_says() -> None:
    assert reference() == REFERENCE, "run `make reference`"


def test_the_reference_has_every_command_and_no_other() -> None:
    titles = re.findall(r"^##+ (.+)$", REFERENCE, re.MULTILINE)
    assert titles == [" ".join(("dedupaudit", *words)) for words in commands()]
    assert set(COMMANDS) < {title.rpartition(" ")[2] for title in titles}


def test_the_readmes_table_has_every_command_and_no_other() -> None:
    table = re.search(r"<!-- commands -->\n(.*?)<!-- /commands -->", README, re.DOTALL)
    assert table, "the marks round the table of commands"
    named: dict[str, set[str]] = {}
    for line in table[1].splitlines()[2:]:
        spans = [span.split() for span in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
        named[spans[0][0]] = {word for span in spans for word in span}
    assert set(named) == set(COMMANDS)
    missing = [words for words in commands() if len(words) == 2 and words[1] not in named[words[0]]]
    assert not missing


def test_the_readme_links_the_reference() -> None:
    assert "](docs/commands.md)" in README
