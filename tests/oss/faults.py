"""Misbehaviour on order: which requests a rule is for, and what is done to their answers.

An action is a function of the request and of `proceed`, which gives the answer that a healthy server would send for
it, or for another request; it may raise OssError, raise Dropped, or return an answer of its own.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.oss import errors
from tests.oss.listing import token_after
from tests.oss.wire import Answer, Dropped, Request

Proceed = Callable[[Request], Answer]
Action = Callable[[Request, Proceed], Answer]

_CONTENTS = re.compile(rb"  <Contents>\n.*?  </Contents>\n", re.DOTALL)


@dataclass
class Rule:
    """An action, and the requests that it is for: those that match everything given here.

    `nth` counts the matching requests from 1; the action is for that one and the `times - 1` after it (None: for all
    after it). Every rule counts for itself; where several have their turn, the first one goes on to the second, and so
    on. `used` tells how often this one had its turn.
    """

    action: Action
    kind: str | Container[str] | None = None
    method: str | None = None
    bucket: str | None = None
    key: str | None = None
    where: Callable[[Request], bool] | None = None
    nth: int = 1
    times: int | None = 1
    used: int = 0
    seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, request: Request) -> bool:
        """Say whether this request is for the action, and count it."""
        kinds = (self.kind,) if isinstance(self.kind, str) else self.kind
        if (
            (kinds is not None and request.kind not in kinds)
            or self.method not in (None, request.method)
            or self.bucket not in (None, request.bucket)
            or self.key not in (None, request.key)
            or (self.where is not None and not self.where(request))
        ):
            return False
        with self._lock:
            self.seen += 1
            mine = self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)
            self.used += mine
        return mine


def fail(error: Callable[[], errors.OssError]) -> Action:
    """Answer with an error of OSS: `fail(errors.unavailable)`."""

    def act(request: Request, proceed: Proceed) -> Answer:
        raise error()

    return act


def no_such_bucket() -> Action:
    """Answer that there is no such bucket."""

    def act(request: Request, proceed: Proceed) -> Answer:
        raise errors.no_such_bucket(request.bucket)

    return act


def clock_skewed(by: timedelta = timedelta(hours=1)) -> Action:
    """Answer as a server whose clock is ahead of the client's."""

    def act(request: Request, proceed: Proceed) -> Answer:
        now = datetime.now(UTC)
        raise errors.too_skewed(now, now + by)

    return act


def plain(status: int, body: bytes = b"", content_type: str = "text/html") -> Action:
    """Answer as something between the client and OSS would: without a header that OSS sends."""

    def act(request: Request, proceed: Proceed) -> Answer:
        return Answer(status, {"Content-Type": content_type} if body else {}, body, bare=True)

    return act


def html(status: int) -> Action:
    """Answer with a proxy's own page."""
    return plain(status, f"<html><body><h1>{status}</h1><hr>proxy</body></html>\n".encode())


def empty(status: int) -> Action:
    """Answer as OSS with this status and no body at all."""

    def act(request: Request, proceed: Proceed) -> Answer:
        return Answer(status)

    return act


def reset() -> Action:
    """Reset the connection before anything is done or answered."""

    def act(request: Request, proceed: Proceed) -> Answer:
        raise Dropped

    return act


def reset_after_doing() -> Action:
    """Do what was asked, then reset the connection without an answer."""

    def act(request: Request, proceed: Proceed) -> Answer:
        proceed(request)
        raise Dropped

    return act


def reset_in_body(share: float = 0.5) -> Action:
    """Reset the connection after a part of the body; Content-Length tells of the whole."""

    def act(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        return replace(answer, cut=int(len(answer.body) * share))

    return act


def cut_xml(share: float = 0.5) -> Action:
    """Send a part of the body as if it were the whole: Content-Length is right, the document is not."""

    def act(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        return replace(answer, body=answer.body[: int(len(answer.body) * share)])

    return act


def slow(pause: float, pieces: int = 1) -> Action:
    """Send the body in pieces, with a pause of so many seconds before each."""

    def act(request: Request, proceed: Proceed) -> Answer:
        return replace(proceed(request), pause=pause, pieces=pieces)

    return act


def late(seconds: float) -> Action:
    """Begin to work on the request only after so many seconds."""

    def act(request: Request, proceed: Proceed) -> Answer:
        time.sleep(seconds)
        return proceed(request)

    return act


def hang_up() -> Action:
    """Answer rightly and close the connection, though the answer says keep-alive: the next request on it fails."""

    def act(request: Request, proceed: Proceed) -> Answer:
        return replace(proceed(request), hang_up=True)

    return act


def short_pages(most: int) -> Action:
    """Send at most so many objects a page, whatever was asked for: that is a server's right."""

    def act(request: Request, proceed: Proceed) -> Answer:
        return proceed(replace(request, query=request.query | {"max-keys": str(most)}))

    return act


def before(hook: Callable[[], object]) -> Action:
    """Call a hook before the request is worked on: an object appears or vanishes just before it is looked for."""

    def act(request: Request, proceed: Proceed) -> Answer:
        hook()
        return proceed(request)

    return act


def after(hook: Callable[[], object]) -> Action:
    """Call a hook after the answer was made and before it is sent: it is out of date when it arrives."""

    def act(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        hook()
        return answer

    return act


def edited(edit: Callable[[bytes], bytes]) -> Action:
    """Change the body; Content-Length follows."""

    def act(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        return replace(answer, body=edit(answer.body))

    return act


def out_of_order() -> Action:
    """Send a page of a listing with its first and its last key in each other's place."""

    def swap(body: bytes) -> bytes:
        found = _CONTENTS.findall(body)
        begin, end = body.index(found[0]), body.index(found[-1]) + len(found[-1])
        return body[:begin] + b"".join([found[-1], *found[1:-1], found[0]]) + body[end:]

    return edited(swap)


def emptied(more: bool = True) -> Action:
    """Send a page without its objects, which so are lost; with `more` it says that more follows, behind them."""

    def strip(body: bytes) -> bytes:
        body = re.sub(rb"<KeyCount>\d+<", b"<KeyCount>0<", _CONTENTS.sub(b"", body))
        if more:
            return body.replace(b"<IsTruncated>false<", b"<IsTruncated>true<")
        return _says_no_more(body)

    return edited(strip)


def empty_page() -> Action:
    """Send a page without objects, that says that more follows and whose token leads to them: nothing is lost."""

    def act(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        token = request.query.get("continuation-token") or token_after(request.query.get("start-after", ""))
        body = re.sub(rb"<KeyCount>\d+<", b"<KeyCount>0<", _CONTENTS.sub(b"", _says_no_more(answer.body)))
        more = f"<IsTruncated>true</IsTruncated>\n  <NextContinuationToken>{token}</NextContinuationToken>"
        return replace(answer, body=body.replace(b"<IsTruncated>false</IsTruncated>", more.encode()))

    return act


def ended_early() -> Action:
    """Send a page as if it were the last."""
    return edited(_says_no_more)


def without_token() -> Action:
    """Send a page that says more follows, but not how to ask for it."""

    def strip(body: bytes) -> bytes:
        body = body.replace(b"<IsTruncated>false<", b"<IsTruncated>true<")
        return re.sub(rb"  <(NextContinuationToken|NextMarker)>.*\n", b"", body)

    return edited(strip)


def _says_no_more(body: bytes) -> bytes:
    body = body.replace(b"<IsTruncated>true<", b"<IsTruncated>false<")
    return re.sub(rb"  <(NextContinuationToken|NextMarker)>.*\n", b"", body)


def first_page_again() -> Action:
    """Answer as if the continuation token were not there: the first page of the listing comes again."""

    def act(request: Request, proceed: Proceed) -> Answer:
        query = {name: value for name, value in request.query.items() if name not in ("continuation-token", "marker")}
        return proceed(replace(request, query=query))

    return act


def page_before_again() -> Action:
    """Send, from the second matching request on, the page before once more; set the rule's `times` to two or more."""
    bodies: list[Answer] = []

    def act(request: Request, proceed: Proceed) -> Answer:
        if bodies:
            return bodies[-1]
        bodies.append(proceed(request))
        return bodies[-1]

    return act


def in_turn(*actions: Action) -> Action:
    """Do the first action the first time, the second the second time, and so on over again."""
    turns = itertools.cycle(actions)
    lock = threading.Lock()

    def act(request: Request, proceed: Proceed) -> Answer:
        with lock:
            action = next(turns)
        return action(request, proceed)

    return act
