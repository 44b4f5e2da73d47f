"""Writes docs/commands.md anew, from what `--help` says: `make reference`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dedupaudit.commands.cli import COMMANDS, LazyGroup, cli

ROOT = Path(__file__).parent.parent
_HEAD = """\
# Commands

What `--help` says of each command. This file is made from it by `make reference`; a test fails where the two differ.
Every option can also come from the environment, as `DEDUPAUDIT_<NAME>` (`--fail-on` is `DEDUPAUDIT_FAIL_ON`), and most
of them from `[options]` in `dedupaudit.toml`; a flag goes before the environment, and that before a file.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of the program itself, of every command, and of every command of a group."""
    yield ()
    context = cli.context_class(cli)
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from ((name, below) for below in command.table)


def reference() -> str:
    """Return the text of docs/commands.md."""
    sections = [_HEAD]
    for words in commands():
        title = " ".join(("dedupaudit", *words))
        sections.append(f"{'#' * (2 + (len(words) > 1))} {title}\n\n```text\n{_help(words)}```\n")
    return "\n".join(sections)


def _help(words: tuple[str, ...]) -> str:
    done = subprocess.run(
        (sys.executable, "-m", "dedupaudit", *words, "--help"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


if __name__ == "__main__":
    (ROOT / "docs" / "commands.md").write_text(reference(), encoding="utf-8")
