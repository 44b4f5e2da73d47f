"""The lock in Redis by itself: one holder a key, whatever happens to the lock, to Redis and to the network."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
import redis as redis_py
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from dedupaudit.ingest.errors import Unavailable, Unprotected
from dedupaudit.ingest.protections import redis_lock
from dedupaudit.ingest.protections.redis_lock import RedisLock, connect
from dedupaudit.sources.logs.words import classifier
from tests.faults.targets import until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer

HOSTILE: tuple[tuple[object, ...], ...] = (
    ("activity_1",), ("Activity_1",), ("",), (" ",), ("a\x00b",), ("\ud800",), ("a\nb\x1b[2J",), ("../../x",),
    ("x" * 10_000_000,), ("d", "x"), ("d', 'x",), ("d, x",), (1,), ("1",), (b"1",), (None,), ("None",),
)  # fmt: skip


@pytest.fixture(params=[False, True], ids=["bytes", "texts"])
def client(redis: RedisServer, request: pytest.FixtureRequest) -> Iterator[redis_py.Redis]:
    with closing(redis.client(decode_responses=request.param)) as made:
        yield made


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """Return a server of the test's own, to be stopped."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def prefix() -> str:
    return f"lock_{uuid4().hex}:"


def locks_of(client: redis_py.Redis, prefix: str) -> list[Any]:
    return list(client.scan_iter(f"{prefix}*"))


def renewals() -> int:
    return sum(thread.name == "dedupaudit renewal" for thread in threading.enumerate())


def eager(client: redis_py.Redis, prefix: str = "dedupaudit:") -> RedisLock:
    """Return a lock that renews long before it has to: a busy machine must not let it end."""
    lock = RedisLock(client, prefix=prefix, ttl=60, wait=60)
    lock._renewal._interval = 0.05
    return lock


def warned(caplog: pytest.LogCaptureFixture, words: str) -> int:
    classify = classifier(lossy=False)
    for record in caplog.records:
        assert classify(record.getMessage().encode("utf-8")) == (), "an audit would take this line for an event"
    return sum(record.levelno == logging.WARNING and words in record.getMessage() for record in caplog.records)


def test_one_at_a_time_holds_a_key(client: redis_py.Redis, prefix: str) -> None:
    lock = RedisLock(client, prefix=prefix, ttl=60, wait=60)
    inside, seen = 0, []

    def work() -> None:
        nonlocal inside
        for _ in range(20):
            with lock.held(("activity_1",)):
                inside += 1
                seen.append(inside)
                inside -= 1

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 160
    assert not locks_of(client, prefix)


def test_each_key_has_a_lock_of_its_own_of_a_fixed_length(client: redis_py.Redis, prefix: str) -> None:
    lock = RedisLock(client, prefix=prefix, ttl=60, wait=0)
    names = set()
    for key in HOSTILE:
        with lock.held(key):
            (name,) = locks_of(client, prefix)
            names.add(name)
    assert len(names) == len(HOSTILE)
    assert {len(name) for name in names} == {len(prefix) + 64}


def test_a_holder_renews_its_lock_for_as_long_as_it_works(
    client: redis_py.Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    until(lambda: not renewals(), "the last renewal thread to end")
    lock = eager(client, prefix)
    with lock.held(("slow",)), lock.held(("slow too",)):
        for _ in range(2):
            for name in locks_of(client, prefix):
                client.pexpire(name, 30_000)
            until(
                lambda: [int(client.pttl(name)) > 30_000 for name in locks_of(client, prefix)] == [True, True],
                "both to be renewed",
            )
        assert renewals() == 1
    assert not locks_of(client, prefix)
    assert not caplog.records


def test_who_waits_gets_the_lock_when_it_is_released(client: redis_py.Redis, prefix: str) -> None:
    lock = RedisLock(client, prefix=prefix, ttl=60, wait=60)
    entered, order = Event(), []

    def wait() -> None:
        entered.set()
        with lock.held(("activity_1",)):
            order.append("second")

    with lock.held(("activity_1",)):
        waiter = Thread(target=wait)
        waiter.start()
        assert entered.wait(60)
        order.append("first")
    waiter.join()
    assert order == ["first", "second"]


def test_when_the_wait_is_over_the_write_goes_on_and_the_others_lock_stays(client: redis_py.Redis, prefix: str) -> None:
    with RedisLock(client, prefix=prefix, ttl=60).held(("activity_1",)):
        before = [(name, client.get(name)) for name in locks_of(client, prefix)]
        reached = False
        with RedisLock(client, prefix=prefix, ttl=60, wait=0.02).held(("activity_1",)):
            reached = True
        assert reached
        assert [(name, client.get(name)) for name in locks_of(client, prefix)] == before


def test_a_lost_lock_is_told_once_and_the_next_holders_is_neither_released_nor_renewed(
    client: redis_py.Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    with eager(client, prefix).held(("activity_\x1b[31m1",)):
        (name,) = locks_of(client, prefix)
        client.set(name, "somebody else's", px=50_000)
        until(lambda: warned(caplog, r"the lock of activity_\x1b[31m1 ended"), "the loss to be told")
        assert int(client.pttl(name)) > 1000
    assert client.get(name) in ("somebody else's", b"somebody else's")
    assert warned(caplog, "ended") == 1


def test_a_lock_that_ended_between_renewals_is_told_at_its_release(
    client: redis_py.Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisLock(client, prefix=prefix, ttl=60).held(("activity_1",)):
        client.delete(*locks_of(client, prefix))
    assert warned(caplog, "the lock of activity_1 ended") == 1


def test_an_error_within_is_raised_and_the_lock_is_released(client: redis_py.Redis, prefix: str) -> None:
    with pytest.raises(KeyError), RedisLock(client, prefix=prefix, ttl=60).held(("activity_1",)):
        raise KeyError
    assert not locks_of(client, prefix)


def test_a_redis_that_restarts_empty_loses_the_lock_and_stops_nothing(
    own: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(connect(own.url, timeout=10)) as client:
        lock = eager(client)
        with lock.held(("activity_1",)):
            own.restart()
            until(lambda: warned(caplog, "ended"), "the loss to be told")
        with lock.held(("activity_1",)):
            assert client.exists(*locks_of(client, "dedupaudit:"))
    assert warned(caplog, "ended") == 1


def test_without_redis_the_constraint_decides_alone_and_that_is_told_once(
    own: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(redis_lock, "_SILENCE", 0.0)
    with closing(connect(own.url, timeout=10)) as client:
        lock = RedisLock(client)
        with lock.held(("during",)):
            own.kill()
            for number in range(20):
                with lock.held((number,)):
                    pass
        assert warned(caplog, "gone: ConnectionError; the unique constraint decides alone until it is back") == 1
        own.start()
        with lock.held(("after",)):
            assert len(locks_of(client, "dedupaudit:")) == 1
        assert caplog.records[-1].getMessage() == "[Redis] back: locks are taken again"
        own.kill()
        with lock.held(("again",)):
            pass
    assert warned(caplog, "gone") == 2


def test_a_silent_redis_is_not_asked_by_every_request(own: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_lock, "_SILENCE", 3600.0)
    with closing(connect(own.url, timeout=0.2)) as client:
        lock = RedisLock(client)
        own.pause()
        with lock.held(("first",)):
            pass
        own.go_on()
        with lock.held(("second",)):
            assert not locks_of(client, "dedupaudit:")


def test_without_redis_a_writer_may_refuse(own: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with closing(connect(own.url)) as client:
        lock = RedisLock(client, on_failure="raise")
        own.kill()
        for _ in range(2):
            with pytest.raises(Unavailable, match="Redis cannot be reached"), lock.held(("activity_1",)):
                raise AssertionError("it went on")
    assert warned(caplog, "writers refuse until it is back") == 1


def test_what_was_held_when_redis_went_ends_without_an_error_even_where_a_writer_would_refuse(own: RedisServer) -> None:
    with closing(connect(own.url)) as client:
        finished = False
        with RedisLock(client, on_failure="raise").held(("activity_1",)):
            own.kill()
            finished = True
        assert finished


def test_a_redis_that_may_not_be_written_is_gone(own: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with closing(connect(own.url)) as client:
        client.replicaof("127.0.0.1", 1)
        with RedisLock(client).held(("activity_1",)):
            pass
    assert warned(caplog, "gone: ReadOnlyError") == 1


def test_a_cluster_that_cannot_be_reached_is_gone(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is no RedisError, and went to whoever wrote."""

    def unreachable(**_asked: object) -> None:
        raise RedisClusterException("Redis Cluster cannot be connected")

    with closing(redis.client()) as client:
        lock = RedisLock(client)
        monkeypatch.setattr(lock, "_take", unreachable)
        with lock.held(("activity_1",)):
            pass
    assert warned(caplog, "gone: RedisClusterException") == 1


def test_who_lost_the_answer_does_not_wait_for_itself(redis: RedisServer, prefix: str) -> None:
    held = Event()
    with closing(redis.client()) as direct, Proxy(redis.port) as proxy:
        client = redis_py.Redis(port=proxy.port, retry=Retry(ConstantBackoff(0.02), 500))

        def hold() -> None:
            with RedisLock(client, prefix=prefix, ttl=600, wait=600).held(("activity_1",)):
                held.set()

        with closing(client):
            client.script_load(redis_lock._TAKE)
            proxy.cut_after = proxy.forwarded
            thread = Thread(target=hold, daemon=True)
            thread.start()
            until(lambda: locks_of(direct, prefix), "the lock to be taken")
            proxy.cut_after = None
            assert held.wait(60)
            thread.join()
        assert not locks_of(direct, prefix)


def test_thousands_of_locks_leave_no_thread_behind(redis: RedisServer, prefix: str) -> None:
    until(lambda: not renewals(), "the last renewal thread to end")
    with closing(redis.client()) as client:
        lock = RedisLock(client, prefix=prefix, ttl=0.3)
        most = 0
        for number in range(10_000):
            with lock.held((number,)):
                most = max(most, renewals())
        until(lambda: not renewals(), "the last renewal thread to end")
        # One may still be ending while the next begins.
        assert most in (1, 2)
        with lock.held(("again",)):
            assert renewals() == 1
        assert not locks_of(client, prefix)
        until(lambda: not renewals(), "the last renewal thread to end")


def test_connect_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(Unprotected) as caught:
        connect("redis://127.0.0.1:1/0")
    assert caught.value.hint == "pip install 'dedupaudit[redis]'"


@pytest.mark.parametrize("options", [{"ttl": 0}, {"ttl": -1}, {"wait": -1}, {"on_failure": "ignore"}])
def test_impossible_options_are_refused_at_once(redis: RedisServer, options: dict[str, Any]) -> None:
    with closing(redis.client()) as client, pytest.raises(ValueError, match="ttl is at least"):
        RedisLock(client, **options)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of it, and rightly
def test_a_forked_child_does_not_renew_what_its_parent_holds(redis: RedisServer, prefix: str) -> None:
    """It would keep the lock for ever, should the parent die; nor may it wait for a thread that it has not."""
    with closing(redis.client()) as client:
        lock = RedisLock(client, prefix=prefix, ttl=600, wait=60)
        with lock.held(("parent's",)), lock._renewal._mutex:
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                os._exit(0 if not lock._renewal._held and lock._renewal._mutex.acquire(timeout=50) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert not locks_of(client, prefix)
