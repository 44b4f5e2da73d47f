"""A machine for the recipes: its folders below one, the demo's incident to look at, and the program on PATH."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, Completed, Run
from tests.docs.operations_page import at, recipe

_FOLDERS = ("etc/dedupaudit", "var/lib/dedupaudit", "var/www/dedupaudit", "var/lib/prometheus/node-exporter")


@dataclass(frozen=True)
class Machine:
    """The machine: `root` stands for `/`, and `demo` is the folder of the incident."""

    root: Path
    demo: Path

    @property
    def page(self) -> Path:
        """Return where the page is put."""
        return self.root / "var/www/dedupaudit/index.html"

    @property
    def metrics(self) -> Path:
        """Return where node_exporter looks."""
        return self.root / "var/lib/prometheus/node-exporter/dedupaudit.prom"

    @property
    def report(self) -> Path:
        """Return the report that all else is made from."""
        return self.root / "var/lib/dedupaudit/report.json"

    def sh(self, command: str, env: dict[str, str], interpreter: str = "/bin/sh") -> Completed:
        """Run a command as cron does: nothing but these variables, no terminal, no input, in the home folder."""
        home = {"HOME": str(self.root), "LOGNAME": "dedupaudit", "SHELL": "/bin/sh"}
        done = subprocess.run(
            [interpreter, "-c", command],
            env=home | env,
            cwd=self.demo,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=120,
            check=False,
        )
        return Completed(done.returncode, done.stdout, done.stderr)


def set_up(root: Path, run: Run) -> Machine:
    """Make the folders, the incident, and `/usr/local/bin`."""
    for folder in (*_FOLDERS, "usr/local/bin"):
        (root / folder).mkdir(parents=True)
    demo = root / "srv"
    done = run("demo", demo, "-q", "-o", os.devnull)
    assert done.code == 0, done.err
    _executable(root / "usr/local/bin/dedupaudit-nightly", at(root, recipe("dedupaudit-nightly")))
    program = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m dedupaudit "$@"\n'
    _executable(root / "usr/local/bin/dedupaudit", program)
    return Machine(root, demo)


def _executable(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
