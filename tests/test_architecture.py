"""The rules of the house that ruff, mypy and import-linter cannot check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dedupaudit"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# The driver of each database and store, and the only modules that may know it. A new database adds its line.
DRIVERS = {
    "sqlite3": (
        "sources/tables/sqlite*.py",
        "repair/databases/sqlite*.py",
        "migrate/databases/sqlite*.py",
        "demo/*.py",
        "history/*.py",
        "drill/scratch/sqlite.py",
        "drill/against/sqlite.py",
        "drill/engines.py",
        "ingest/violations.py",  # its names of SQLite's error codes
    ),
    "psycopg2": (
        "sources/tables/postgresql*.py",
        "repair/databases/postgresql*.py",
        "migrate/databases/postgresql*.py",
        "drill/scratch/postgresql.py",
        "drill/against/postgresql*.py",
        "drill/engines.py",
    ),
    "pymysql": (
        "sources/tables/mysql*.py",
        "repair/databases/mysql*.py",
        "migrate/databases/mysql*.py",
        "drill/scratch/mysql.py",
        "drill/against/mysql*.py",
        "drill/engines.py",
    ),
    "oss2": ("sources/objects/oss*.py",),
    "requests": ("sources/objects/oss*.py",),
    "zstandard": ("sources/logs/unpacking.py",),
}
# Each database's own modules, by the stem that they share.
DIALECTS = ("sqlite", "postgresql", "mysql")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text("utf-8"), module)


def imported(module: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, late imports and relative ones too."""
    package = ["dedupaudit", *Path(module).parent.parts]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def exits(module: str) -> list[int]:
    """Return the lines that end the process, or raise what ends it."""
    names = {"sys.exit", "os._exit", "os.abort", "SystemExit", "exit", "quit"}
    used = (n for n in ast.walk(tree(module)) if isinstance(n, ast.Attribute | ast.Name))
    lines = [node.lineno for node in used if ast.unparse(node) in names]
    if {"sys.exit", "os._exit", "os.abort"} & set(imported(module)):
        lines.append(1)
    return lines


def test_there_are_modules_to_check() -> None:
    assert "model/__init__.py" in MODULES


def test_main_ends_the_process_itself() -> None:
    assert exits("main.py")


# What runs in the drill's backends is forked, and must not run the endings of the process that it was forked from.
MAY_END = ("main.py", "drill/serving.py")


def test_only_main_ends_the_process() -> None:
    assert not {module: lines for module in MODULES if module not in MAY_END and (lines := exits(module))}


def test_a_driver_is_known_to_its_own_database_only() -> None:
    assert not [
        (module, driver)
        for module in MODULES
        for driver in sorted(DRIVERS.keys() & {name.partition(".")[0] for name in imported(module)})
        if not any(fnmatchcase(module, home) for home in DRIVERS[driver])
    ]


# Folders with a file a database; two small files know all of them, because what differs there is a line or two.
OF_DATABASES = ("sources/tables/", "repair/databases/", "migrate/databases/", "drill/scratch/", "drill/against/")
OF_ALL = ("drill/engines.py", "ingest/constraints.py")
OUTSIDE = [module for module in MODULES if not module.startswith(OF_DATABASES) and module not in OF_ALL]


def test_no_database_is_named_outside_its_source() -> None:
    own = tuple(f"dedupaudit.sources.tables.{dialect}" for dialect in DIALECTS)
    assert not [(module, name) for module in OUTSIDE for name in imported(module) if name.startswith(own)]


def test_files_and_functions_stay_short() -> None:
    assert not [module for module in MODULES if (PACKAGE / module).read_text("utf-8").count("\n") >= 400]
    assert not [
        (module, found.name)
        for module in MODULES
        for found in ast.walk(tree(module))
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
        and found.end_lineno
        and found.end_lineno - found.lineno + 1 >= 60
    ]


def test_a_module_says_what_it_is_for_unless_it_is_empty() -> None:
    assert not [module for module in MODULES if tree(module).body and not ast.get_docstring(tree(module))]


CHANGING_VERBS = {"PUT", "POST", "DELETE", "PATCH"}


def asked_with(module: str) -> list[str]:
    """Return the verbs that a module sends by a keyword `method`, however they are written."""
    calls = (node for node in ast.walk(tree(module)) if isinstance(node, ast.Call))
    return [ast.unparse(word.value) for call in calls for word in call.keywords if word.arg == "method"]


def test_an_audit_asks_an_object_store_for_nothing_that_changes_it() -> None:
    modules = [module for module in MODULES if module.startswith("sources/objects/")]
    assert len(modules) > 10
    for module in modules:
        texts = {node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Constant)}
        assert not CHANGING_VERBS & texts, module


def test_only_the_stores_send_verbs_that_change_an_object_store() -> None:
    ours = [module for module in MODULES if "sources.objects" in " ".join(imported(module))]
    verbs = {module: asked_with(module) for module in ours}
    assert sorted(verbs.pop("stores/oss.py")) == ["'DELETE'", "'POST'", "'PUT'"]
    assert {verb for sent in verbs.values() for verb in sent} == {"'HEAD'"}


def test_sql_files_begin_with_a_header() -> None:
    files = list(ROOT.glob("sql/**/*.sql"))
    assert files
    assert not [str(path) for path in files if not path.read_text("utf-8").startswith("--")]
