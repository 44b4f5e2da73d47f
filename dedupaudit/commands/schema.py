"""`dedupaudit schema`: prints the JSON Schema of what the program writes and reads."""

from __future__ import annotations

import json

import click

HELP = """\b
Examples:
  dedupaudit schema report > report.schema.json
  dedupaudit schema plan
  dedupaudit schema config

Print the JSON Schema (draft 2020-12) of the report that -f json writes, of a line of a plan, or of dedupaudit.toml.
"""


@click.command("schema", help=HELP)
@click.argument("what", type=click.Choice(("report", "plan", "config")))
def command(what: str) -> int:
    """Print one schema."""
    if what == "report":
        from dedupaudit.reports.schema import report_schema as schema
    elif what == "plan":
        from dedupaudit.repair.schema import plan_schema as schema
    else:
        from dedupaudit.config import config_schema as schema
    click.echo(json.dumps(schema(), indent=2))
    return 0
