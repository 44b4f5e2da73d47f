"""Who is told: URLs of apprise, checked before the run begins. They hold tokens, and are never shown."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.redact import remember, scrub

if TYPE_CHECKING:
    from apprise import Apprise

    from dedupaudit.config import Options
    from dedupaudit.notifying.message import Message

_PATIENCE = 20.0
"""Seconds that a receiver has to take a message."""
_LARGEST = 65_536
_HINT = (
    "for example mailtos://user:password@example.com, slack://TOKENA/TOKENB/TOKENC, dingtalk://SECRET@TOKEN, "
    "feishu://TOKEN, wecombot://KEY or jsons://host/path"
)
# Shorter words of a URL are those of a language, and no tokens: `***` in their place would hide what errors say.
_SHORTEST = 6


class Receiver:
    """One URL. `name` is for people and shows nothing of it, `ident` tells it from others and gives nothing away."""

    def __init__(self, url: str, name: str, apprise: Apprise) -> None:
        self.name = name
        # Slow on purpose: who reads the history must not try out a short password.
        self.ident = hashlib.pbkdf2_hmac("sha256", url.encode(), b"dedupaudit.notify/1", 100_000).hex()[:32]
        self._apprise = apprise

    def send(self, message: Message) -> str | None:
        """Send a message; return why it was not taken, or None where it was.

        A thread waits for the network, so that a signal ends the waiting at once, and so does the time that there is.
        """
        answers: list[str | None] = []

        def send() -> None:
            with _Complaints() as complaints:
                try:
                    taken = bool(
                        self._apprise.notify(
                            body=message.body, title=message.title, notify_type=message.kind, body_format="text"
                        )
                    )
                except Exception as error:  # noqa: BLE001 (a defect of a library: it must not hide the findings)
                    complaints.last = type(error).__name__
                    taken = False
                answers.append(None if taken else complaints.last or "the message was not taken")

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        thread.join(_PATIENCE)
        if not answers:
            return f"no answer within {_PATIENCE:.0f} seconds"
        return None if answers[0] is None else visible(scrub(answers[0]), 300).removesuffix(".")


class _Complaints(logging.Handler):
    """Hears what apprise logs, in place of everybody else, and keeps the last complaint."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: str | None = None

    def __enter__(self) -> _Complaints:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was complained of."""
        self.last = record.getMessage()


def receivers_of(options: Options) -> tuple[Receiver, ...]:
    """Return who is to be told. Raises UsageError, which shows nothing of a URL, where one is none."""
    if not options.notify:
        return ()
    urls = dict(_urls(options.notify))
    if options.history == "none":
        raise UsageError(
            "--notify tells what is new, and --history none keeps nothing to know it by",
            "leave --history out, or name a file: --history audit.db",
        )
    try:
        import apprise  # noqa: F401 (it is here that it may be missing)
    except ImportError:
        raise UsageError("--notify needs a package that is not installed", "pip install 'dedupaudit[notify]'") from None
    # What it logs may show a URL. Only _Complaints hears it.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return tuple(_receiver(url, name) for url, name in urls.items())


def _receiver(url: str, name: str) -> Receiver:
    from apprise import Apprise, AppriseAsset

    # Not apprise's own name, address and picture; and no threads but ours.
    asset = AppriseAsset(
        app_id="dedupaudit",
        app_desc="dedupaudit",
        app_url="",
        image_url_mask=None,
        image_url_logo=None,
        async_mode=False,
    )
    receivers = Apprise(asset=asset)
    with _Complaints():
        known = receivers.add(url)
    if not known:
        raise UsageError(f"{name}: this is no URL that apprise knows (it is not shown: it may hold a token)", _HINT)
    return Receiver(url, name, receivers)


def _urls(given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each URL, and what it is called; `file:PATH` stands for the URLs in a file, one a line."""
    for number, text in enumerate(given, 1):
        name = "--notify" if len(given) == 1 else f"--notify (number {number})"
        if not text.startswith("file:"):
            _remember(text)
            yield text, name
            continue
        path = text.removeprefix("file:")
        for line, url in _lines(path, name):
            _remember(url)
            yield url, f"{name}: {visible(path)}, line {line}"


def _lines(path: str, name: str) -> list[tuple[int, str]]:
    """Return the numbered lines of a file that hold URLs; `#` begins a remark."""
    place = f"{name}: {visible(path)}"
    try:
        with Path(path).expanduser().open("rb") as stream:
            text = stream.read(_LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{place}: the file is not UTF-8", "it holds one URL a line") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file's name"
        raise UsageError(f"{place}: cannot read the URLs: {reason}", "name a file that this user can read") from None
    found = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    urls = [(number, line) for number, line in found if line and not line.startswith("#")]
    if not urls:
        raise UsageError(f"{place}: there is no URL in the file", "it holds one URL a line")
    return urls


def _remember(url: str) -> None:
    """Have every part of a URL masked that may be a token."""
    rest = url.partition("://")[2]
    if len(rest) >= _SHORTEST:
        remember(url)
    userinfo, at, _place = rest.rpartition("@")
    if at and ":" in userinfo:
        remember(unquote(userinfo.partition(":")[2]))
    for part in re.split(r"[/:@?&=,;#\s]+", rest):
        if len(part) >= _SHORTEST:
            remember(part)
            remember(unquote(part))
