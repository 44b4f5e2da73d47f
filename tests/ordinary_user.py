"""Runs the program as an ordinary user, also where the tests run as root: root may read and write everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, Completed

NOBODY = 65534

# Python and the checkout may lie where that user cannot read (/root): so everything is imported first, by one run of
# the program itself that writes nothing, and then the process gives its rights away for good.
_BOOT = f"""
import importlib, os, pkgutil, sys, traceback
import dedupaudit
from dedupaudit.interrupt import Runtime
from dedupaudit.main import main, run

for module in pkgutil.walk_packages(dedupaudit.__path__, "dedupaudit."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for form in ("json", "terminal"):
    run(["scan", "--db", "sqlite:///" + sys.argv[1], "-f", form, "-o", os.devnull], Runtime())
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
main(sys.argv[2:])
"""


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter and read, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="dedupaudit-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run_as_ordinary_user(env: Mapping[str, str], cwd: Path, warm_db: Path, *args: str | os.PathLike[str]) -> Completed:
    """Run `dedupaudit ARGS` as nobody if this is root, else as who this is; `warm_db` is any database, read first."""
    done = subprocess.run(
        [sys.executable, "-c", _BOOT, warm_db, *[os.fspath(argument) for argument in args]],
        cwd=cwd,
        env={**env, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Completed(done.returncode, done.stdout, done.stderr)
