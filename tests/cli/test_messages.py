"""Every error says what happened, where, and what to do next: those of the command line, and those in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.reading import said
from tests.conftest import ROOT, Run, SqliteDb

# Errors whose message says itself what to do next, by file; each was read.
SAY_IT_THEMSELVES = {
    ("dedupaudit/commands/migrate/plan.py", "Refused(told)"),  # the reasons and their hints stand above it
}


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("scan --formt json", "there is no option --formt", "did you mean --format?"),
        ("scan --nosuch", "there is no option --nosuch", "`dedupaudit scan --help` lists the options"),
        ("scan -f jsn", "-f/--format: 'jsn' is not one of its values", "did you mean json? It takes terminal, json,"),
        ("migrate plan --strategy fast", "--strategy: 'fast' is not one of its values", "it takes small or guarded"),
        ("scan -f", "-f has no value", "write -f [terminal|json|"),
        ("repair apply p --confirm", "--confirm has no value", "write --confirm TABLE"),
        ("scan --exit-zero=1", "--exit-zero takes no value", "write --exit-zero alone"),
        ("explain", "ID is missing", "write dedupaudit explain [OPTIONS] ID; `dedupaudit explain --help` has examples"),
        ("repair plan", "TABLE is missing", "write dedupaudit repair plan [OPTIONS] TABLE;"),
        ("schema", "WHAT is missing", "it is report, plan or config"),
        ("completion tcsh", "SHELL: 'tcsh' is not one of its values", "it takes bash, zsh or fish"),
        ("demo a b", "too many arguments: got unexpected extra argument (b)", "write dedupaudit demo [OPTIONS] [DIR];"),
        ("scan --max-findings x", "--max-findings: 'x' is not a whole number", "a whole number of at least 0"),
        ("scan --max-findings -1", "--max-findings: -1 is out of range", "write a whole number of at least 0"),
        ("crosscheck --threads 99", "--threads: 99 is out of range", "write a whole number from 1 to 64"),
        ("crosscheck --qps fast", "--qps: 'fast' is not a number", "write one such as 10 or 2.5"),
        ("crosscheck --qps inf", "--qps: expected a number of requests a second, above 0", "correct it where you"),
        ("sacn", "there is no command sacn; did you mean scan?", "see `dedupaudit --help`"),
        ("repair nosuch", "there is no command nosuch", "see `dedupaudit repair --help`"),
        ("--nosuch", "there is no option --nosuch", "`dedupaudit --help` lists the options"),
    ],
)
def test_a_wrong_command_line_says_what_and_what_to_type(run: Run, line: str, what: str, hint: str) -> None:
    done = run(*line.split())
    assert (done.code, done.out) == (2, b"")
    first, second = said(done).split("\n  hint: ")
    assert what in first
    assert second.startswith(hint) or hint in second


def test_what_was_typed_moves_no_cursor(run: Run) -> None:
    for arguments in (["scan", "--x\x1b[2J"], ["scan", "-f", "\x1b]0;x\x07\n"], ["\x1b[2J"], ["demo", "a", "\x1b[2J"]):
        done = run(*arguments)
        assert done.code == 2
        assert b"\x1b" not in done.err
        assert b"\x07" not in done.err


@pytest.mark.parametrize("folder", ["nonesuch", "file"])
def test_a_tmpdir_that_is_no_folder_is_said_and_not_passed_over(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path, folder: str
) -> None:
    database = sqlite_db("CREATE TABLE activities (activity_id TEXT PRIMARY KEY, created_at INTEGER);")
    (tmp_path / "file").touch()
    done = run("scan", "--db", f"sqlite:///{database}", env={"TMPDIR": str(tmp_path / folder)})
    assert done.code == 2
    assert f"TMPDIR names {tmp_path / folder}, which is no folder" in said(done)
    assert "unset TMPDIR" in said(done)


def test_every_error_in_the_code_has_a_hint() -> None:
    errors, found = _error_classes(), 0
    without = set()
    for path, call in _calls():
        name = _name(call.func)
        if name not in errors:
            continue
        found += 1
        hints = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "hint")]
        if not hints or (isinstance(hints[0], ast.Constant) and not str(hints[0].value).strip()):
            without.add((path, ast.unparse(call)))
    assert found > 300
    assert without == SAY_IT_THEMSELVES


def test_no_hint_leaves_the_reader_where_he_was() -> None:
    errors = _error_classes()
    vague = {"try again", "nothing was changed", "do it by hand", "see the log", "error"}
    found = [
        (path, ast.unparse(call))
        for path, call in _calls()
        if _name(call.func) in errors - {"Busy"}  # it is tried again by itself
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
        and call.args[1].value in vague
    ]
    assert found == []


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "dedupaudit").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path, tree in _trees():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def _error_classes() -> set[str]:
    """Return the names of AuditError and of all that is made of it and still takes a message and a hint."""
    bases = {
        node.name: {_name(base) for base in node.bases}
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    errors = {"AuditError"}
    while more := {name for name, above in bases.items() if name not in errors and above & errors}:
        errors |= more
    return errors


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
