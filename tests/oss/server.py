"""A fake OSS on a free port of the loopback: real protocol, signatures checked, requests counted, faults on order."""

from __future__ import annotations

import base64
import io
import socket
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from tests.oss import errors, faults
from tests.oss.listing import Prerendered
from tests.oss.objects import Bucket
from tests.oss.operations import Store
from tests.oss.signatures import Credentials, verify
from tests.oss.wire import Answer, Dropped, Request, read_request, reset, write_answer

DEFAULT = Credentials("LTAI5tFakeKeyIdOfTheTests", "fake-secret-of-the-tests")
REGION = "cn-hangzhou"


@dataclass(frozen=True)
class Logged:
    """One request that was answered; status 0 where the connection was reset instead."""

    kind: str
    method: str
    bucket: str
    key: str
    query: dict[str, str]
    status: int
    faulty: bool


class FakeOss:
    """The server. It runs inside its `with` block; buckets, credentials and rules may be changed at any time.

    Two things go wrong loudly: what the server itself did wrong is raised at the end of the block, and a rule that is
    never used can be found by its `used`.
    """

    def __init__(
        self,
        bucket: str = "pictures",
        region: str = REGION,
        credentials: Iterable[Credentials] = (DEFAULT,),
        versions: Iterable[int] = (1, 4),
    ) -> None:
        self.store = Store(region)
        self.region = region
        self.credentials = {known.key_id: known for known in credentials}
        self.versions = frozenset(versions)
        self.clock_ahead = timedelta(0)
        self.log: list[Logged] = []
        self.counts: Counter[str] = Counter()
        self.crashes: list[BaseException] = []
        self.bucket = self.add_bucket(bucket)
        self._rules: list[faults.Rule] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._requests = 0
        self._listener: socket.socket | None = None
        self._port = 0

    @property
    def endpoint(self) -> str:
        """Return what a client takes as its endpoint; path-style, because it is an address and no name."""
        return f"http://127.0.0.1:{self._port}"

    def add_bucket(self, name: str) -> Bucket:
        """Make one more bucket."""
        made = self.store.buckets[name] = Bucket(name)
        return made

    def prerender(self, bucket: Bucket | None = None) -> None:
        """Write every page of a bucket's listing now; holds until the bucket changes."""
        target = bucket or self.bucket
        old = self.store.prerendered.get(target.name)
        self.store.prerendered[target.name] = Prerendered(target)
        if old is not None:
            old.close()

    def misbehave(
        self,
        rule: faults.Rule | faults.Action,
        kind: str | Container[str] | None = None,
        key: str | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> faults.Rule:
        """Add a rule, or an action with what it is for, and return the rule."""
        made = rule if isinstance(rule, faults.Rule) else faults.Rule(rule, kind, key=key, nth=nth, times=times)
        with self._lock:
            self._rules.append(made)
        return made

    def behave(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()

    def forget(self) -> None:
        """Empty the log and the counters."""
        with self._lock:
            self.log.clear()
            self.counts.clear()

    def start(self) -> Self:
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._port = self._listener.getsockname()[1]
        self._run(self._accept, self._listener)
        return self

    def stop(self) -> None:
        """End every connection and wait for the threads."""
        self._stopping.set()
        with self._lock:
            sockets = [*self._connections, *([self._listener] if self._listener else [])]
            threads = list(self._threads)
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=10)
        if self._listener:
            self._listener.close()
        for prerendered in self.store.prerendered.values():
            prerendered.close()
        self.store.prerendered.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.crashes and error is None:
            raise ExceptionGroup(
                "the fake OSS server itself failed", [e for e in self.crashes if isinstance(e, Exception)]
            )

    def _run(self, target: Callable[[socket.socket], None], connection: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(connection,), name="fake OSS", daemon=True)
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive() or known.ident is None]
            self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with io.BufferedReader(connection.makefile("rb", 0), 65536) as stream:
                while not self._stopping.is_set():
                    with self._lock:
                        self._requests += 1
                        number = self._requests
                    request = read_request(stream, number)
                    if request is None or not self._answer(connection, request):
                        break
        except OSError:
            pass  # the client went away
        except Exception as error:
            self.crashes.append(error)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Answer one request; says whether the connection goes on."""
        request_id = f"65{request.number:022X}"
        with self._lock:
            known = list(self._rules)
        rules = [rule for rule in known if rule.takes(request)]
        try:
            answer = self._work(request, rules, request_id)
        except Dropped:
            self._note(request, 0, rules)
            reset(connection)
            return False
        self._note(request, answer.status, rules)
        try:
            write_answer(connection, request, answer, request_id, self._stopping.wait)
        except Dropped:
            reset(connection)
            return False
        return not answer.hang_up and request.headers.get("connection", "").lower() != "close"

    def _work(self, request: Request, rules: list[faults.Rule], request_id: str) -> Answer:
        """Make the answer, through the rules whose turn it is; what they change is not what was signed."""

        def proceed(asked: Request, rest: list[faults.Rule]) -> Answer:
            try:
                if rest:
                    return rest[0].action(asked, lambda inner: proceed(inner, rest[1:]))
                verify(request, self.credentials, self.region, datetime.now(UTC) + self.clock_ahead, self.versions)
                return self.store.do(asked)
            except errors.OssError as error:
                return self._refusal(request, error, request_id)

        try:
            return proceed(request, rules)
        except Dropped:
            raise
        except Exception as error:
            self.crashes.append(error)
            return self._refusal(request, errors.internal_error(), request_id)

    def _refusal(self, request: Request, error: errors.OssError, request_id: str) -> Answer:
        body = error.xml(request_id, request.headers.get("host", ""))
        headers = {"Content-Type": "application/xml", "x-oss-ec": error.ec}
        if request.method != "HEAD":
            return Answer(error.status, headers, body)
        return Answer(error.status, headers | {"x-oss-err": base64.b64encode(body).decode()}, length=len(body))

    def _note(self, request: Request, status: int, rules: list[faults.Rule]) -> None:
        entry = Logged(request.kind, request.method, request.bucket, request.key, request.query, status, bool(rules))
        with self._lock:
            self.log.append(entry)
            self.counts[request.kind] += 1
