"""What a shell is told when somebody presses TAB: names, choices and files. It connects to nothing and never complains.

The scripts of the three shells hand over the line as far as it was typed, and read lines of `kind TAB value TAB help`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

SHELLS = ("bash", "zsh", "fish")
_LINE = "_DEDUPAUDIT_LINE"
_RUNS = 50  # as many as anybody looks through
_CURSOR = "\0"  # no command line can hold it

Items = list[CompletionItem[str]]
Complete = Callable[[click.Context, click.Parameter, str], Items]


def file_names(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete any file's name; the shell does it."""
    return [CompletionItem(incomplete, type="file")]


def plan_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a plan file."""
    return [CompletionItem(incomplete, type="file", suffix=".jsonl")]


def report_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a saved report."""
    return [CompletionItem(incomplete, type="file", suffix=".json")]


def config_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a configuration file."""
    return [CompletionItem(incomplete, type="file", suffix=".toml")]


def run_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete `last` or a run of the history, the newest first."""
    from dedupaudit.commands.history.asking import ask
    from dedupaudit.commands.options import settings_of
    from dedupaudit.history.past import runs

    asked = [context.params for context in (ctx, ctx.parent) if context is not None]
    given = {name: next((params[name] for params in asked if params.get(name)), None) for name in ("config", "history")}
    _store, found = ask(settings_of(given), lambda connection: runs(connection, None, _RUNS))
    return _beginning(incomplete, ("last", *(run.id for run in reversed(found or []))))


def _baselines(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    return run_names(ctx, parameter, incomplete) or file_names(ctx, parameter, incomplete)


def _histories(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    return _beginning(incomplete, ["none"] if incomplete else []) or file_names(ctx, parameter, incomplete)


def table_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a table that the configuration knows, but for those that stand on the line already."""
    from dedupaudit.config.files import find_files, merge, read_file
    from dedupaudit.sources.tables.resolve import DEFAULT_TABLES

    config = ctx.params.get("config")
    found = find_files(Path(config) if config else None, Path.cwd(), os.environ)
    content, _ = merge([read_file(path) for path in found])
    given = ctx.params.get(parameter.name or "") or ()
    names = content.get("tables") or DEFAULT_TABLES
    # A name that looks like an option would be one, and fish takes a ~ for the home folder.
    fitting = (name for name in names if not name.startswith(("-", "~")))
    return _beginning(incomplete, (name for name in fitting if isinstance(given, str) or name not in given))


def check_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a check that the command has."""
    from dedupaudit.checks import CHECK_NAMES, LOG_CHECKS, OBJECT_CHECKS, TABLE_CHECKS

    of_command = {
        "scan": [check.name for check in TABLE_CHECKS],
        "crosscheck": [check.name for check in OBJECT_CHECKS],
        "logs": [check.name for check in LOG_CHECKS],
    }
    return _beginning(incomplete, of_command.get(ctx.info_name or "", CHECK_NAMES))


def strategy_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Complete `all` or the name of a strategy of the drill, but for those that stand on the line already."""
    from dedupaudit.drill.strategies import STRATEGIES

    given = ctx.params.get(parameter.name or "") or ()
    names = ("all", *(strategy.name for strategy in STRATEGIES))
    return _beginning(incomplete, (name for name in names if name not in given))


def _beginning(incomplete: str, names: Iterable[str]) -> Items:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


OF_METAVAR: dict[str, Complete] = {
    "FILE": file_names,
    "GLOB": file_names,
    "FILE|none": _histories,
    "last|RUN|FILE": _baselines,
    "TABLE": table_names,
}
"""What completes an option that names such a thing."""


class _Answer(ShellComplete):
    """The same question and the same answer for every shell."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Split the line as a shell would, up to the word that the cursor stands in."""
        *words, last = split_arg_string(os.environ[_LINE] + _CURSOR)
        return words[1:], last.removesuffix(_CURSOR)

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return one line: `plain`, a value and its help; or `file` and how its name ends."""
        value = (item.suffix or "") if item.type == "file" else item.value
        return f"{item.type}\t{value}\t{item.help or ''}".rstrip("\t")

    def complete(self) -> str:
        """Return a line for each answer. A name that no line can show as it is, is left for the user to type."""
        args, incomplete = self.get_completion_args()
        # fish replaces the whole word, the others what follows the sign.
        option, sign, _ = incomplete.partition("=") if incomplete.startswith("--") else ("", "", "")
        before = option + sign if self.name == "fish" else ""
        lines = []
        for item in self.get_completions(args, incomplete):
            if item.type == "plain" and not _is_plain(item.value):
                continue
            if item.type == "plain" and not item.value.startswith("-"):
                item.value = before + item.value
            lines.append(self.format_completion(item))
        return "".join(f"{line}\n" for line in lines)


def _is_plain(value: str) -> bool:
    from dedupaudit.display import escape

    return bool(value) and escape(value) == value


class _Bash(_Answer):
    name = "bash"


class _Zsh(_Answer):
    name = "zsh"


class _Fish(_Answer):
    name = "fish"


_ANSWERS: dict[str, type[_Answer]] = {answer.name: answer for answer in (_Bash, _Zsh, _Fish)}


def script(shell: str) -> str:
    """Return the script that teaches a shell to ask."""
    return (Path(__file__).parent / "shells" / f"dedupaudit.{shell}").read_text(encoding="utf-8")


def answer(program: click.Command, instruction: str) -> int:
    """Print the answer to a shell's question, `bash_complete`; nothing where there is none, for whatever reason."""
    shell, _, _ = instruction.partition("_")
    try:
        text = _ANSWERS[shell](program, {}, "dedupaudit", "").complete()
    except Exception:  # noqa: BLE001 (a shell's prompt is no place for an error: the command itself will tell)
        return 0
    click.echo(text, nl=False)
    return 0
