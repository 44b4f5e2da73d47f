"""`dedupaudit drill`: concurrent writers against each protection, on a scratch schema that is taken away again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.completing import strategy_names
from dedupaudit.commands.options import Lines, Names, option, settings_of, shared
from dedupaudit.display import visible
from dedupaudit.errors import RunFailed, UsageError
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings, Settings
    from dedupaudit.drill.protocol import Strategy
    from dedupaudit.drill.run import DrillRequest

HELP = """\b
Examples:
  dedupaudit drill --db sqlite:///app.db
  dedupaudit drill --db postgresql://drill@staging/app --redis redis://cache
  dedupaudit drill --db postgresql://drill@staging/app --against activities
  dedupaudit drill --strategy unique,check-then-act --ids 100 -f json
  dedupaudit drill --clean --db postgresql://drill@staging/app

Which protection holds on this server? Clients that lose answers, time out, send again and overlap; backends that are
killed in mid-upload, stopped and woken up, cut off after their COMMIT: against each strategy, in a scratch schema that
the drill makes and removes. `scan` and `crosscheck` judge what is left. The textbook's versions run beside those that
dedupaudit recommends, and show their holes.

Nothing of yours is changed or read; --against copies the shape of TABLE alone, and asks whether a retry would duplicate
there today. But it is load: --writers sessions, as fast as the server can. Not on the production primary at noon.

Exit 0: every recommended strategy held (--against: a retry would not duplicate). 6: one did not (it would), or the
drill failed in its middle. 3: something cannot be reached, or refuses; with --against: it cannot be said.

docs/drill.md says what it does to a server, which login it needs, and how to read its table.
"""
_OWN = ("redis", "strategy", "writers", "ids", "seed", "against", "value")


@click.command("drill", help=HELP)
@option("--redis", metavar="URL", help="redis://host:6379/0, rediss://… or unix:///…: for the strategies that need it.")
@option(
    "--strategy",
    multiple=True,
    type=Names(),
    metavar="NAME",
    shell_complete=strategy_names,
    help="Only this one, or all; also with commas. Repeatable.  [default: all]",
)
@option(
    "--writers",
    type=click.IntRange(2, 256),
    default=32,
    show_default=True,
    metavar="N",
    help="Backends: each is a process with one session.",
)
@option(
    "--ids", type=click.IntRange(min=1), default=500, show_default=True, metavar="N", help="Events a strategy gets."
)
@option("--seed", type=click.IntRange(min=0), metavar="N", help="Send what the drill of this seed sent.")
@option("--against", metavar="TABLE", help="Drill the shape of this table: would a retry duplicate today?")
@option(
    "--value",
    multiple=True,
    type=Lines(),
    metavar="COLUMN=TEXT",
    help="With --against: what a column needs to be accepted. Repeatable.",
)
@option("--clean", is_flag=True, help="Remove what killed drills left behind, and do nothing else.")
@shared("database", "store", "answer", "talk")
@click.pass_obj
def command(runtime: Runtime, /, clean: bool, **given: Any) -> int:
    """Drill, or clean, and return the exit code."""
    # Only where it was asked for: a configured bucket is production's.
    in_store = given["objects"] is not None
    asked = {name: given.pop(name) for name in _OWN}
    settings = settings_of(given)
    return (_clean if clean else _drill)(settings, asked, runtime, in_store=in_store)


def _drill(settings: Settings, asked: dict[str, Any], runtime: Runtime, *, in_store: bool) -> int:
    from dedupaudit.commands.answering import answer, refuse_output, where
    from dedupaudit.commands.running import announcing, collect_seldom, progress_for
    from dedupaudit.drill.answering import drill_json, exit_code
    from dedupaudit.drill.run import drill
    from dedupaudit.drill.scratch.sessions import refuse_too_many
    from dedupaudit.drill.telling import BESIDES, drill_lines, offer

    request = _request(settings, asked, in_store=in_store)
    refuse_output(settings)
    refuse_too_many(request.database, request.writers + BESIDES)
    announcing(settings.options)(offer(request))
    collect_seldom()
    with ExitStack() as stack:
        progress = progress_for(settings.options, stack)
        result = drill(request, interrupt=runtime.interrupt, progress=progress)
    answer(settings, lambda width: drill_lines(result, width, where()), lambda: drill_json(result))
    if result.remains:
        raise RunFailed("the drill came to its end, and could not be removed", "; ".join(result.remains))
    return exit_code(result)


def _clean(settings: Settings, asked: dict[str, Any], runtime: Runtime, *, in_store: bool) -> int:
    from dedupaudit.commands.answering import answer, refuse_output
    from dedupaudit.drill.answering import cleaned_json
    from dedupaudit.drill.cleaning import clean
    from dedupaudit.drill.telling import cleaned_lines

    database, redis = _database(settings), _redis(asked["redis"])
    refuse_output(settings)
    removed = clean(database, settings.objects if in_store else None, redis, runtime.interrupt)
    answer(
        settings,
        lambda width: cleaned_lines([one.shown for one in removed], width),
        lambda: cleaned_json([one.name for one in removed]),
    )
    return 0


def _request(settings: Settings, asked: dict[str, Any], *, in_store: bool) -> DrillRequest:
    """Return what is asked for; raises UsageError."""
    from dedupaudit.commands.options import refuse_bytes
    from dedupaudit.drill.run import DrillRequest

    against, redis = asked["against"], _redis(asked["redis"])
    values = _values(asked["value"], against)
    if against is not None:
        refuse_bytes((against,))
        if asked["strategy"]:
            raise UsageError("--against drills a table as it is, and --strategy how to write", "leave out one of them")
    return DrillRequest(
        database=_database(settings),
        strategies=() if against is not None else _strategies(asked["strategy"], redis),
        redis=redis,
        objects=settings.objects if in_store else None,
        writers=asked["writers"],
        ids=asked["ids"],
        seed=secrets.randbelow(2**31) if asked["seed"] is None else asked["seed"],
        against=None if against is None else (against, settings.tables.get(against)),
        values=values,
    )


def _database(settings: Settings) -> DatabaseSettings:
    databases = settings.require_databases()
    if len(databases) > 1:
        shown = ", ".join(visible(database.name) for database in databases)
        raise UsageError(f"a drill is of one database, and there are several: {shown}", "name one by --db URL")
    return databases[0]


def _strategies(typed: Sequence[str], redis: str | None) -> tuple[Strategy, ...]:
    """Return the strategies that are named; raises UsageError where one of them lacks its Redis."""
    from dedupaudit.drill.strategies import ALL, chosen

    names = [name for text in typed for name in re.split(r"[,\s]+", text) if name] or [ALL]
    strategies = chosen(names)
    lacking = [one.name for one in strategies if one.needs_redis and redis is None and one.name in names]
    if lacking:
        raise UsageError(
            f"{' and '.join(lacking)} {'needs' if len(lacking) == 1 else 'need'} a Redis",
            "name one by --redis redis://host:6379/0, or by DEDUPAUDIT_REDIS",
        )
    return strategies


def _redis(url: str | None) -> str | None:
    """Return the URL of Redis, looked at; raises UsageError."""
    from dedupaudit.drill.redis_url import check_redis_url

    if url is None:
        return None
    check_redis_url(url)
    if find_spec("redis") is None:
        raise UsageError("the client of Redis is not installed", "pip install 'dedupaudit[redis]'")
    return url


def _values(typed: Sequence[str], against: str | None) -> dict[str, str]:
    """Return what --value says, by column; raises UsageError."""
    if typed and against is None:
        raise UsageError("--value says what a column of --against has, and there is no --against", "name the table")
    values: dict[str, str] = {}
    for text in typed:
        column, equals, value = text.partition("=")
        if not equals or not column or column in values:
            what = "names a column twice" if equals and column else "is not COLUMN=TEXT"
            raise UsageError(f"--value {visible(text)} {what}", "write --value COLUMN=TEXT, once for each column")
        values[column] = value
    return values
