"""What a receiver is told, as short text that reads well in a mail and in a chat."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from dedupaudit.display import visible
from dedupaudit.history.memory import News, Problem, Unlooked
from dedupaudit.model import Base64, KeyValue, Run
from dedupaudit.reports.words import listed, parsed, place, plural

FIRST = 60
"""Problems that are looked at for a message."""

_LARGEST = 1_500
"""Bytes of a message: WeCom's robot takes 2,048."""
_LARGEST_TITLE = 120
_IDS = 5
_ID = 60
_REASON = 160
# What a chat makes of a value: a mention, a link, bold or struck text, a picture, an HTML element.
_ACTED_UPON = re.compile(r"[<>&@#*`~|\[\]]|(?<=:)//")
# An ID that is one word in every shell, and looks the same in every font of a mail.
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Message(NamedTuple):
    """A title, a text, and what apprise calls its kind."""

    title: str
    body: str
    kind: Literal["warning", "success"]


def message_of(news: News, run: Run) -> Message:
    """Return what is said of the news: at most 1,500 bytes, in which no value does anything but stand there."""
    host = _shown(socket.gethostname(), 40)
    facts = [
        f"{plural(news.opened, 'new problem')} ({_by_severity(news)})" if news.opened else "",
        f"{news.closed:,} gone" if news.closed else "",
        f"{_places(news.unlooked)} not checked" if news.unlooked else "",
        f"{_places(news.looked_again)} checked again" if news.looked_again else "",
    ]
    title = f"dedupaudit: {', '.join(fact for fact in facts if fact)}"[:_LARGEST_TITLE]
    foot = ["", f"Run {_shown(run.id, 40)} of `{_shown(run.command, 20)}` on {host}. To see it:"]
    foot += [f"  dedupaudit history show {_shown(run.id, 40)}", *_explain(news)]
    room = _LARGEST - _size([title, *foot])
    # Many new problems must not push out what could not be looked at.
    others = _fitting([*_unlooked(news), *_closed(news)], room // 2 if news.opened else room)
    lines = [*_fitting(_opened(news), room - _size(others)), *others]
    bad = news.opened or news.unlooked
    return Message(title, "\n".join([*lines, *foot]).strip("\n"), "warning" if bad else "success")


def _opened(news: News) -> list[str]:
    if not news.opened:
        return []
    return ["NEW", *_grouped(news.opened_first, news.opened, since=True)]


def _closed(news: News) -> list[str]:
    if not news.closed:
        return []
    return ["", "GONE", *_grouped(news.closed_first, news.closed, since=False)]


def _grouped(problems: Sequence[Problem], total: int, *, since: bool) -> list[str]:
    """Return a line for each severity, check and table, with its first IDs; what is left over is counted."""
    lines = []
    ordered = sorted(problems, key=lambda one: (("high", "medium", "low").index(one.severity), *_where(one)))
    for (severity, check, where), group in groupby(ordered, key=lambda one: (one.severity, *_where(one))):
        found = list(group)
        ids = [_key(one) for one in found if one.key]
        more = f" and {len(ids) - _IDS:,} more" if len(ids) > _IDS else ""
        first = min(one.since for one in found)
        lines.append(
            f"- {severity}: {_shown(check, 40)} on {_shown(where, 120)}"
            + (f": {', '.join(ids[:_IDS])}{more}" if ids else "")
            + (f" (since {_minute(first)})" if since else "")
        )
    if total > len(problems):
        lines.append(f"- and {total - len(problems):,} others")
    return lines


def _where(problem: Problem) -> tuple[str, str]:
    return problem.check, place(problem.source, problem.target)


def _unlooked(news: News) -> list[str]:
    lines = []
    for head, found in (("NOT CHECKED", news.unlooked), ("CHECKED AGAIN", news.looked_again)):
        if not found:
            continue
        lines += ["", head]
        by_place: dict[str, list[Unlooked]] = {}
        for one in found:
            by_place.setdefault(place(one.source, one.target), []).append(one)
        for where, group in by_place.items():
            reason = f": {_shown(group[0].reason, _REASON)}" if found is news.unlooked and group[0].reason else ""
            checks = f" ({plural(len(group), 'check')})" if len(group) > 1 else ""
            lines.append(f"- {_shown(where, 120)}{checks}{reason} (since {_minute(min(one.since for one in group))})")
    return lines


def _explain(news: News) -> list[str]:
    """Return the command that tells the story of the first duplicate, where its ID can be typed as it is shown."""
    for problem in news.opened_first:
        (ident, *others) = [*problem.key.values(), None]
        is_one = others == [None] and problem.check == "duplicate_ids"
        if is_one and isinstance(ident, str | int) and _PLAIN_ID.fullmatch(str(ident)):
            return [f"  dedupaudit explain {ident}"]
    return []


def _by_severity(news: News) -> str:
    return listed({str(name): number for name, number in news.opened_by_severity.items()})


def _places(found: Iterable[Unlooked]) -> str:
    return plural(len({(one.source, one.target) for one in found}), "place")


def _key(problem: Problem) -> str:
    return " ".join(_shown(_value(value), _ID) for value in problem.key.values())


def _value(value: KeyValue) -> object:
    return f"base64:{value.base64}" if isinstance(value, Base64) else value


def _shown(value: object, limit: int) -> str:
    r"""Return a value of which no receiver makes anything else: what a chat would act upon is written as `\x40`."""
    return _ACTED_UPON.sub(lambda match: "".join(f"\\x{ord(one):02x}" for one in match[0]), visible(value, limit))


def _minute(moment: str) -> str:
    found = parsed(moment)
    return f"{found:%Y-%m-%d %H:%M} UTC" if found else _shown(moment, 40)


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)


def _fitting(lines: list[str], room: int) -> list[str]:
    """Return as many lines as there is room for; that some are left out is said."""
    kept: list[str] = []
    cut = "- … and more that does not fit here"
    for number, line in enumerate(lines):
        rest = lines[number + 1 :]
        room -= _size([line])
        if room < (_size([cut]) if rest else 0):
            return [*kept, cut]
        kept.append(line)
    return kept
