"""Real shells: what they offer for a line, and what a program gets when TAB and Return are pressed on a terminal."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.conftest import ROOT

SHELLS = ("bash", "zsh", "fish")
_PATIENCE = 30.0  # seconds that a busy machine may take
_START = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i"), "fish": ("--no-config", "-i")}
_READY = "READY>"
# A program asked for completions is the real one; else it writes down what it was called with.
_PROGRAM = """\
#!/bin/sh
if [ -n "$_DEDUPAUDIT_COMPLETE" ]; then exec {python} -m dedupaudit "$@"; fi
printf '%s\\0' "$@" > "$CALLED.part"
mv "$CALLED.part" "$CALLED"
"""
_OFFERS = {
    # What bash does before it calls the function; its `compopt` works only while it completes.
    "bash": """
compopt() { printf '<%s>\\n' "$*"; }
COMP_LINE=$1 COMP_POINT=${#1}; read -ra COMP_WORDS <<< "$1"; [[ $1 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_dedupaudit_completion
printf '%s\\n' "${COMPREPLY[@]}"
""",
    # What zsh's own functions are told; they work only while it completes.
    "zsh": """
compset() { [[ $words[CURRENT] == --*=* ]] }
compadd() { print -rl -- "${values[@]}" }
_files() { print -r "<files $*>" }
words=(${(z)1}); [[ $1 != *" " ]] || words+=(""); CURRENT=$#words
_dedupaudit
true
""",
    "fish": "complete -C $argv[1]\n",
}


def environment(folder: Path, clean_env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which `dedupaudit` is a program in `folder` that completes, and else notes its call."""
    program = folder / "bin" / "dedupaudit"
    program.parent.mkdir(exist_ok=True)
    program.write_text(_PROGRAM.format(python=shlex.quote(sys.executable)))
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{clean_env['PATH']}"
    called = {"CALLED": str(folder / "called"), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    return {**clean_env, **called, "PATH": path}


def offers(shell: str, line: str, script: Path, env: Mapping[str, str], cwd: Path) -> list[str]:
    """Return what a shell would show for a line."""
    source = f"source {shlex.quote(str(script))}\n"
    # zsh's script registers itself, by what only a terminal has.
    text = f"compdef() {{ }}\n{source}{_OFFERS[shell]}" if shell == "zsh" else source + _OFFERS[shell]
    arguments = ("-c", text, *(() if shell == "fish" else (shell,)), line)
    options = [option for option in _START[shell] if option != "-i"]
    done = subprocess.run((shell, *options, *arguments), env=env, cwd=cwd, capture_output=True, timeout=_PATIENCE)
    assert (done.returncode, done.stderr) == (0, b""), done
    return [offer.partition("\t")[0] for offer in done.stdout.decode().splitlines() if offer]


def typed(shell: str, line: str, script: Path, env: Mapping[str, str], cwd: Path) -> list[str]:
    """Type a line, press TAB and Return, and return the arguments that the program was called with."""
    called = Path(env["CALLED"])
    called.unlink(missing_ok=True)
    setup = {
        "bash": f"PS1='{_READY[:3]}''{_READY[3:]}'",
        "zsh": f"autoload -Uz compinit; compinit -D -u; PS1='{_READY[:3]}''{_READY[3:]}'",
        "fish": f"function fish_prompt; echo -n '{_READY[:3]}''{_READY[3:]}'; end",
    }[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(shell, (shell, *_START[shell]), dict(env))  # noqa: S606
    try:
        screen = _Screen(terminal)
        os.write(terminal, f"{setup}; source {shlex.quote(str(script))}\r".encode())
        screen.wait_for(_READY)
        os.write(terminal, f"{line}\t\r".encode())
        screen.wait_until(called.exists)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return called.read_bytes().decode().split("\0")[:-1]


class _Screen:
    """What a shell writes: read all the while, or it would wait for its reader."""

    def __init__(self, terminal: int) -> None:
        self.terminal, self.text = terminal, ""

    def wait_for(self, text: str) -> None:
        self.wait_until(lambda: text in self.text)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE
        while not happened():
            assert time.monotonic() < until, self.text
            if select.select([self.terminal], [], [], 0.05)[0]:
                self.text += os.read(self.terminal, 65536).decode(errors="replace")
