"""A lock in Redis around each write: the losers wait there and not in the database.

The lock can be lost at any moment (a pause longer than its time, a restart, a failover, and Redis tells nobody), so it
decides nothing: the unique constraint and the compare-and-swap beneath do, with it and without it.
"""

from __future__ import annotations

import hashlib
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeVar

from dedupaudit.display import visible
from dedupaudit.ingest import telling
from dedupaudit.ingest.errors import Unavailable, Unprotected
from dedupaudit.ingest.protections.protocol import Key
from dedupaudit.ingest.protections.renewal import Renewal
from dedupaudit.ingest.protections.unique import UniqueConstraint

if TYPE_CHECKING:
    import redis
    from sqlalchemy import Connection

    from dedupaudit.ingest.tables import Described

_T = TypeVar("_T")
_LOG = logging.getLogger("dedupaudit.ingest")

# Each compares the token in the same step that trusts it. Taking is safe to repeat: a client that lost the answer
# asks again, and must not wait for itself.
_TAKE: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_EXTEND: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.1
_SILENCE = 1.0
"""Seconds for which a Redis that failed is not asked again: a request must not wait for its timeout each time."""


def connect(url: str, *, timeout: float = 1.0) -> redis.Redis:
    """Return a client fit for locks: what does not answer within `timeout` seconds is gone. Nothing is asked yet.

    redis-py's own default is 5 s, and in older versions for ever. Raises Unprotected where redis-py is missing.
    """
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise Unprotected(
            "a lock in Redis needs a package that is not installed", "pip install 'dedupaudit[redis]'"
        ) from None
    # Once again at once: a connection that rested in the pool may have been closed by the server meanwhile.
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 1))


class RedisLock:
    """One lock a key: a random token, compared whenever it is renewed or released.

    `client` is a redis.Redis whose timeouts are short (`connect` makes one). `ttl`: seconds after which the lock of a
    process that died is free; a living one renews it every third of them, whatever the upload takes. `wait`: seconds to
    wait for a lock that another holds; then the write goes on without it, and what lies beneath decides. `on_failure`:
    without Redis "proceed" lets what lies beneath decide, with one warning in the log; "raise" raises Unavailable
    before anything is written. Writers of two tables whose keys may be equal take a `prefix` each.
    """

    name: ClassVar[str] = "redis-lock"
    limits: ClassVar[str] = (
        "Needs Redis, two round trips a write, and the unique constraint all the same: a lock ends unnoticed when its"
        " process is paused or Redis restarts or fails over; it only keeps the losers out of the database."
    )

    def __init__(
        self,
        client: redis.Redis,
        *,
        prefix: str = "dedupaudit:",
        ttl: float = 10.0,
        wait: float = 10.0,
        on_failure: Literal["proceed", "raise"] = "proceed",
    ) -> None:
        if ttl < 0.001 or wait < 0 or on_failure not in ("proceed", "raise"):
            raise ValueError("ttl is at least 0.001 s, wait is not negative, on_failure is proceed or raise")
        self._beneath = UniqueConstraint()
        self._prefix = prefix
        self._wait = wait
        self._raises = on_failure == "raise"
        self._milliseconds = round(ttl * 1000)
        self._take = client.register_script(_TAKE)
        self._extend = client.register_script(_EXTEND)
        self._release = client.register_script(_RELEASE)
        self._failures = _failures()
        self._mutex = Lock()
        self._gone = False
        self._silent_until = 0.0
        self._renewal = Renewal(ttl / 3, self._renew, self._lost)

    def prepare(self, table: Described) -> None:
        """Ask for the unique constraint: the lock does not replace it. Raises Unprotected."""
        self._beneath.prepare(table)

    @contextmanager
    def held(self, key: Key) -> Iterator[None]:
        """Hold the key's lock, and renew it; without it where Redis is gone or another holds it for too long.

        Raises Unavailable where Redis is gone and `on_failure` is "raise".
        """
        name, token = self._name(key), secrets.token_hex(16)
        if not self._taken(name, token):
            yield
            return
        shown = visible(key[0] if len(key) == 1 else key)
        try:
            self._renewal.add(name, token, shown)
            yield
        finally:
            still = self._renewal.remove(token)
            freed = self._asked(lambda: self._release(keys=[name], args=[token]))
            if still and freed == 0:
                self._lost(shown)

    def insert(self, connection: Connection, table: Described, values: Mapping[str, object]) -> bool:
        """Insert one row; the constraint decides. False: a row of its key is there."""
        return self._beneath.insert(connection, table, values)

    def claim(self, connection: Connection, table: Described, key: Key, lease: float) -> int | None:
        """Claim a picture; the compare-and-swap decides. None for the losers."""
        return self._beneath.claim(connection, table, key, lease)

    def _name(self, key: Key) -> str:
        # Keys are of any length and content: `repr` quotes, and escapes what no encoding has.
        return self._prefix + hashlib.sha256(repr(key).encode("utf-8")).hexdigest()

    def _taken(self, name: str, token: str) -> bool:
        deadline = time.monotonic() + self._wait
        pause = _FIRST_PAUSE
        while True:
            taken = self._asked(lambda: self._take(keys=[name], args=[token, self._milliseconds]))
            if taken is None and self._raises:
                raise Unavailable(
                    "Redis cannot be reached, and this writer does not write without its lock",
                    "send the event again; nothing was written",
                )
            left = deadline - time.monotonic()
            if taken is None or taken or left <= 0:
                return bool(taken)
            time.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - only keeps waiters apart
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _renew(self, name: str, token: str) -> bool | None:
        """Renew a lock; False: it is not ours any more; None: Redis did not answer."""
        answer = self._told(lambda: self._extend(keys=[name], args=[token, self._milliseconds]))
        return None if answer is None else bool(answer)

    def _lost(self, shown: str) -> None:
        line = "[Redis] the lock of %s ended before its write did; the unique constraint decides"
        _LOG.warning(line, telling.Shown(shown, line))

    def _asked(self, question: Callable[[], _T]) -> _T | None:
        """Ask Redis; None: it is gone, or was a moment ago. One of many threads tries a silent one again."""
        if self._gone:
            with self._mutex:
                now = time.monotonic()
                if now < self._silent_until:
                    return None
                self._silent_until = now + _SILENCE
        return self._told(question)

    def _told(self, question: Callable[[], _T]) -> _T | None:
        try:
            answer = question()
        except self._failures as error:
            with self._mutex:
                first, self._gone = not self._gone, True
                self._silent_until = time.monotonic() + _SILENCE
            if first:
                what = "writers refuse" if self._raises else "the unique constraint decides alone"
                # Not its text: an audit would take "timeout" in it for a client's.
                _LOG.warning("[Redis] gone: %s; %s until it is back", type(error).__name__, what)
            return None
        if self._gone:
            with self._mutex:
                back, self._gone = self._gone, False
            if back:
                _LOG.info("[Redis] back: locks are taken again")
        return answer


def _failures() -> tuple[type[Exception], ...]:
    """Return what a client raises where Redis is gone, refuses, or has become a replica."""
    try:
        from redis.exceptions import RedisClusterException, RedisError
    except ImportError:
        return (OSError,)
    return (OSError, RedisError, RedisClusterException)
