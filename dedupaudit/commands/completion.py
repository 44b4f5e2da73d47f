"""`dedupaudit completion`: prints the script that lets a shell complete commands, options and tables."""

from __future__ import annotations

import click

from dedupaudit.commands.completing import SHELLS, script

HELP = """\b
Examples:
  dedupaudit completion bash >> ~/.bashrc
  dedupaudit completion zsh > ~/.zfunc/_dedupaudit   # in your $fpath
  dedupaudit completion fish > ~/.config/fish/completions/dedupaudit.fish

Print the script by which a shell completes commands, options, formats, checks, files, and the tables of the
configuration (of the nearest dedupaudit.toml, or of --config FILE); it connects to nothing. To try it in this shell:
eval "$(dedupaudit completion bash)", or zsh, after compinit.
"""


@click.command("completion", help=HELP)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print one script."""
    click.echo(script(shell), nl=False)
    return 0
