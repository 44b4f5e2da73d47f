"""What the commands about the history share: the file, opened for one question, and options given before the name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dedupaudit.errors import UsageError
from dedupaudit.history.store import Connection, Store, history_path

if TYPE_CHECKING:
    from dedupaudit.config import Settings

Answer = TypeVar("Answer")


def ask(settings: Settings, question: Callable[[Connection], Answer]) -> tuple[Store, Answer | None]:
    """Return the history, and its answer; None where there is no file yet. A damaged one is refused.

    Raises UsageError where nothing is to be kept.
    """
    path = history_path(settings.options, os.environ)
    if path is None:
        raise UsageError("no history is kept: --history none", "name the file by --history FILE")
    store = Store(path, named=settings.options.history is not None)
    return store, store.ask(question)


def with_parents(given: dict[str, Any]) -> dict[str, Any]:
    """Return a command's options, with those that stand before its name: `history --history FILE show last`."""
    context = click.get_current_context().parent
    before = context.params if context else {}
    return {name: before.get(name) if value in (None, ()) else value for name, value in given.items()}
