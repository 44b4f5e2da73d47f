"""The wheel holds all that the program needs, and works in an empty folder far from the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from dedupaudit import __version__

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = f"dedupaudit-{__version__}.data/data/share/doc/dedupaudit/"

# One worker builds and uses the wheel.
pytestmark = pytest.mark.xdist_group("wheel")


def execute(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600
    )


def install(wheel: Path, venv: Path, env: Mapping[str, str], *, borrow: bool) -> Path:
    """Install the wheel into a new environment and return the program's path.

    `borrow` takes the dependencies from this environment by a path file. Path files in there are not read, so the
    editable install that runs these tests stays out.
    """
    python = venv / "bin" / "python"
    made = execute(sys.executable, "-m", "venv", *(["--without-pip"] if borrow else []), venv, cwd=venv.parent, env=env)
    assert made.returncode == 0, made.stderr
    if borrow:
        (packages,) = venv.glob("lib/python*/site-packages")
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    else:
        pip = [python, "-m", "pip", "install", "--constraint", ROOT / "constraints.txt"]
    done = execute(*pip, "--quiet", wheel, cwd=venv.parent, env=env)
    assert done.returncode == 0, done.stderr
    return venv / "bin" / "dedupaudit"


def check_the_main_job(program: Path, folder: Path, env: Mapping[str, str]) -> None:
    """Run `demo` in an empty folder and `scan` on what it made, and check that the duplicates are found."""
    folder.mkdir()
    demo = execute(program, "demo", cwd=folder, env=env)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    made = folder / "dedupaudit-demo"
    assert {path.name for path in made.iterdir()} >= {"app.db", "objects", "logs", "truth.json", "dedupaudit.toml"}

    scan = execute(program, "scan", "--db", "sqlite:///dedupaudit-demo/app.db", "-f", "json", cwd=folder, env=env)
    assert scan.returncode == 1, scan.stdout + scan.stderr
    report = json.loads(scan.stdout)
    assert report["complete"] is True
    assert report["summary"]["by_check"]["duplicate_ids"] > 0


@pytest.fixture
def pip_env(clean_env: dict[str, str]) -> dict[str, str]:
    """Return the clean environment, with the user's own home: pip's settings and its cache are there."""
    return {name: value for name, value in clean_env.items() if name not in {"HOME", "XDG_CONFIG_HOME"}}


def test_wheel_holds_every_sql_file_of_the_checkout(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".sql")}
    beside = {f"dedupaudit/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("sql/**/*.sql")}
    assert beside
    assert inside == beside


def test_wheel_holds_the_parts_of_the_html_page(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("dedupaudit/reports/web/")}
    beside = {f"dedupaudit/reports/web/{path.name}" for path in ROOT.glob("dedupaudit/reports/web/*")}
    assert {Path(name).suffix for name in inside} == {".html", ".css", ".js"}
    assert inside == beside


def test_wheel_holds_the_package_and_its_types_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "dedupaudit/py.typed" in names
    assert {f"dedupaudit/{path.relative_to(ROOT / 'dedupaudit')}" for path in ROOT.glob("dedupaudit/**/*.py")} == {
        name for name in names if name.endswith(".py") and not name.startswith(DOCUMENTS)
    }
    assert {name.partition("/")[0] for name in names if not name.startswith(DOCUMENTS)} == {
        "dedupaudit",
        f"dedupaudit-{__version__}.dist-info",
    }


def test_wheel_holds_the_documents_that_hints_name(wheel: Path) -> None:
    inside = {name.removeprefix(DOCUMENTS) for name in zipfile.ZipFile(wheel).namelist() if name.startswith(DOCUMENTS)}
    assert {"repair.md", "migrate.md", "grants.md", "recipes/crontab"} <= inside
    assert inside == {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*") if path.is_file()}


def test_installed_wheel_runs_the_main_job_in_an_empty_folder(
    wheel: Path, tmp_path: Path, clean_env: dict[str, str]
) -> None:
    program = install(wheel, tmp_path / "venv", clean_env, borrow=True)
    where = execute(
        program.with_name("python"), "-c", "import dedupaudit; print(dedupaudit.__file__)", cwd=tmp_path, env=clean_env
    )
    assert Path(where.stdout.strip()).is_relative_to(tmp_path / "venv")
    check_the_main_job(program, tmp_path / "empty", clean_env)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fresh_install_with_the_pinned_versions_runs_the_main_job(
    wheel: Path, tmp_path: Path, clean_env: dict[str, str], pip_env: dict[str, str]
) -> None:
    program = install(wheel, tmp_path / "venv", pip_env, borrow=False)
    check_the_main_job(program, tmp_path / "empty", clean_env)
