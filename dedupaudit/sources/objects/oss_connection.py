"""Asks OSS: requests signed by oss2, on one pool of connections, again where that can help, no faster than agreed.

What a request means is known by those who ask.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import oss2
import requests
import urllib3
from oss2.http import Request

from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.oss_errors import WRITING, Action, Answer, OssRefusal, Place, details, lost, refusal
from dedupaudit.sources.objects.oss_page import MalformedPage
from dedupaudit.sources.objects.protocol import Asking, Requests

if TYPE_CHECKING:
    from dedupaudit.sources.objects.oss_credentials import Keys
    from dedupaudit.sources.objects.oss_endpoint import Endpoint

T = TypeVar("T")

_LARGEST = 64_000_000
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {"RequestTimeout", "InternalError", "ServiceUnavailable", "ServerBusy", "QpsLimitExceeded"}
_EXPIRED_CODES = {"SecurityTokenExpired", "InvalidSecurityToken", "InvalidToken", "InvalidAccessKeyId"}
# requests wraps what fails before the body; what fails within it comes from below.
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)


class Closed(Exception):
    """The source was closed while one of its threads wanted to ask."""


class Pace:
    """Lets at most so many requests a second begin, evenly, whichever threads ask."""

    def __init__(self, qps: float | None) -> None:
        self._gap = 1 / qps if qps else 0.0
        self._lock = Lock()
        self._next = 0.0

    def turn(self) -> float:
        """Return the seconds to wait before the request that takes this turn."""
        if not self._gap:
            return 0.0
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self._gap
            return begin - now


class OssConnection:
    """A bucket that can be asked, by several threads at once."""

    def __init__(
        self, bucket: str, endpoint: Endpoint, keys: Keys, place: Place, asking: Asking, interrupt: Interrupt
    ) -> None:
        self._bucket = bucket
        self._endpoint = endpoint
        self._keys = keys
        self.place = place
        self._patience = asking.patience
        self._interrupt = interrupt
        self._pace = Pace(asking.qps)
        self._auth = oss2.ProviderAuthV4(keys) if asking.signature == "v4" else oss2.ProviderAuth(keys)
        # One connection for each thread that lists, and one for whoever looks meanwhile.
        self._session: requests.Session = oss2.Session(pool_size=asking.threads + 1).session
        # The environment is read once and not at each request; and .netrc would replace the signature.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        address = endpoint.url(bucket, "")
        self._proxies = requests.utils.get_environ_proxies(address)
        self._verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._answered = False
        self._closed = Event()
        self._lock = Lock()
        self.requests = Requests()

    def ask(
        self,
        action: Action,
        read: Callable[[Answer], T],
        params: Mapping[str, str] | None = None,
        key: str = "",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> T:
        """Return what `read` makes of the answer; it may raise MalformedPage, and is then asked for again.

        `read` gets every answer that asking again would not change, refusals too. Asking again sends headers and body
        again, which is for requests that may be done twice. Raises SourceError when the patience is at its end,
        Cancelled, and Closed.
        """
        attempt = 0
        while True:
            pause = self._pace.turn()
            if pause:
                self._sleep(pause)
            self._check()
            attempt += 1
            last = attempt >= (self._patience.attempts if self._answered else self._patience.first_attempts)
            wish = 0.0
            try:
                answer = self._send(action, method, key, params or {}, headers or {}, body)
                if not self._is_transient(answer, action, last):
                    return read(answer)
                wish = _retry_after(answer)
            except MalformedPage as error:
                if last:
                    raise self._malformed(error, attempt) from None
            except _FAILURES as error:
                # A server that never answered has no TLS, or a certificate that asking again makes no better.
                if last or (isinstance(error, requests.exceptions.SSLError) and not self._answered):
                    raise lost(error, attempt, self.place) from None
            self._sleep(max(wish, self._backoff(attempt)))

    def refused(self, answer: Answer, action: Action) -> OssRefusal:
        """Return the error that an answer other than a success is."""
        return refusal(answer, action, self.place)

    def _send(
        self,
        action: Action,
        method: str,
        key: str,
        params: Mapping[str, str],
        given: Mapping[str, str],
        content: bytes,
    ) -> Answer:
        url = self._endpoint.url(self._bucket, key)
        region = self._endpoint.region
        signed = Request(method, url, params=dict(params), headers=dict(given), region=region, product="oss")
        self._auth._sign_request(signed, self._bucket, key)
        # requests would write a space as +, which not everybody reads as one.
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items())
        headers = {name: value for name, value in signed.headers.items() if value is not None}
        address = f"{url}?{query}" if query else url
        prepared = requests.Request(method, address, headers=headers, data=content or None).prepare()
        self._count(action)
        response = self._session.send(
            prepared,
            stream=True,
            timeout=(self._patience.connect_timeout, self._patience.read_timeout),
            allow_redirects=False,
            proxies=self._proxies,
            verify=self._verify,
        )
        with response:
            body = b"" if method == "HEAD" else self._body(response)
        self._answered = True
        return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)

    @staticmethod
    def _body(response: requests.Response) -> bytes:
        raw: Any = response.raw
        body: bytes = raw.read(_LARGEST, decode_content=True)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and "Content-Encoding" not in response.headers and len(body) != int(length):
            raise MalformedPage("it is shorter or longer than it says")
        return body

    def stream(self, key: str, take: Callable[[bytes], object]) -> None:
        """Read one whole object, piece by piece; raises SourceError where OSS refuses, OSError where it breaks off.

        It is not begun again here: `take` has had its pieces.
        """
        self._check()
        with self._session.send(
            self._prepared_get(key),
            stream=True,
            timeout=(self._patience.connect_timeout, self._patience.read_timeout),
            allow_redirects=False,
            proxies=self._proxies,
            verify=self._verify,
        ) as response:
            if response.status_code != 200:
                headers = {name.lower(): value for name, value in response.headers.items()}
                raise self.refused(Answer(response.status_code, headers, response.raw.read(65_536)), "get")
            for piece in response.iter_content(1 << 20):
                self._check()
                take(piece)

    def _prepared_get(self, key: str) -> requests.PreparedRequest:
        url = self._endpoint.url(self._bucket, key)
        signed = Request("GET", url, region=self._endpoint.region, product="oss")
        self._auth._sign_request(signed, self._bucket, key)
        self._count("get")
        return requests.Request(
            "GET", url, headers={n: v for n, v in signed.headers.items() if v is not None}
        ).prepare()

    def _count(self, action: Action) -> None:
        with self._lock:
            if action == "list":
                self.requests.list += 1
            elif action == "head":
                self.requests.head += 1
            else:
                self.requests.other += 1

    def _is_transient(self, answer: Answer, action: Action, last: bool) -> bool:
        """Say whether to ask again; raises SourceError where that has been done often enough."""
        if answer.status < 400:
            return False
        told = details(answer)
        code = told.get("Code", "")
        if code in _EXPIRED_CODES and not last:
            return self._keys.renew()
        if answer.status not in _TRANSIENT and code not in _TRANSIENT_CODES:
            return False
        if last:
            raise SourceError(
                f"{self.place.endpoint} went on failing with {answer.status}{' ' + code if code.isalnum() else ''}"
                f" while bucket {self.place.bucket} was {'written' if action in WRITING else 'read'}",
                "try again later, or ask less often: --qps 10",
            )
        return True

    def _malformed(self, error: MalformedPage, attempts: int) -> SourceError:
        return SourceError(
            f"{self.place.endpoint} answered {attempts} times with what is no whole answer of OSS: {error}",
            "check --oss-endpoint and any proxy before it",
        )

    def _backoff(self, attempt: int) -> float:
        longest = min(self._patience.longest_pause, self._patience.pause * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spreads requests; nothing depends on its secrecy)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check()
            self._closed.wait(min(left, 0.1))

    def _check(self) -> None:
        self._interrupt.check()
        if self._closed.is_set():
            raise Closed

    def close(self) -> None:
        """Let no further request begin."""
        self._closed.set()
        self._session.close()


def _retry_after(answer: Answer) -> float:
    told = answer.headers.get("retry-after", "")
    return min(float(told), 30.0) if told.isdecimal() else 0.0
