"""HTTP as the fake OSS speaks it: one request read from a socket, one answer written to it.

A loop of its own: http.server parses headers through the email package, which costs more than a listing page.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import unquote, unquote_plus

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Dropped(Exception):
    """The connection is to be reset instead of answered."""


@dataclass(frozen=True)
class Request:
    """One request, path-style: `/bucket/key?query`; header names are in lower case, values are latin-1 text."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    number: int = 0

    @cached_property
    def kind(self) -> str:
        """What is asked for: the name that the log and the counters use."""
        of_object = self.method in _OBJECT_KINDS and bool(self.key)
        if of_object and "uploadId" in self.query:
            return {"GET": "list_parts", "PUT": "upload_part", "POST": "complete", "DELETE": "abort"}.get(
                self.method, "other"
            )
        if of_object and self.method == "POST":
            return "initiate" if "uploads" in self.query else "other"
        if of_object and self.method == "PUT" and "x-oss-copy-source" in self.headers:
            return "copy"
        if of_object:
            return _OBJECT_KINDS[self.method]
        if self.method == "POST" and "delete" in self.query:
            return "multi_delete"
        if self.method == "GET" and self.bucket:
            named = (name for name in ("uploads", "bucketInfo", "location", "stat") if name in self.query)
            return _BUCKET_KINDS.get(next(named, ""), "list")
        return "other"


_OBJECT_KINDS = {"GET": "get", "HEAD": "head", "PUT": "put", "DELETE": "delete", "POST": "post"}
_BUCKET_KINDS = {"uploads": "list_uploads", "bucketInfo": "bucket_info", "location": "location", "stat": "stat"}


@dataclass
class Answer:
    """One answer. A misbehaviour changes what is sent; `length` differs from the body's for HEAD only."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    cut: int | None = None  # bytes of the body after which the connection is reset
    pieces: int = 1  # the body goes out in so many pieces …
    pause: float = 0.0  # … with so many seconds before each
    hang_up: bool = False  # the connection is closed behind it, though it says keep-alive
    bare: bool = False  # none of the headers by which OSS is known: a proxy's own answer


def parse_query(raw: str) -> dict[str, str]:
    """Read a query string; `+` is a space there, and names without `=` count."""
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def read_request(stream: BinaryIO, number: int) -> Request | None:
    """Read the next request of a connection; None at its end. ValueError for what is no HTTP."""
    line = stream.readline(65536)
    if not line.strip():
        return None
    method, target, _version = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (header := stream.readline(65536)) not in (b"\r\n", b"\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    path, _, raw_query = target.partition("?")
    bucket, _, key = path.lstrip("/").partition("/") if path.startswith("/") else ("", "", "")
    return Request(
        method,
        unquote(bucket),
        unquote(key, errors="surrogateescape"),
        parse_query(raw_query),
        headers,
        _read_body(stream, headers),
        number,
    )


def _read_body(stream: BinaryIO, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return stream.read(int(headers.get("content-length", "0")))
    chunks = []
    while size := int(stream.readline().split(b";")[0], 16):
        chunks.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():
        pass
    return b"".join(chunks)


def write_answer(
    connection: socket.socket, request: Request, answer: Answer, request_id: str, wait: Callable[[float], object]
) -> None:
    """Send an answer; raises Dropped where it is to be cut off, after what was to be sent has been sent."""
    headers = {"Content-Length": str(len(answer.body) if answer.length is None else answer.length)}
    if not answer.bare:
        headers |= {"Server": "AliyunOSS", "x-oss-request-id": request_id, "x-oss-server-time": "1"}
    headers |= {"Date": formatdate(usegmt=True), "Connection": "keep-alive"} | answer.headers
    if answer.status in (204, 304):
        del headers["Content-Length"]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}\r\n{lines}\r\n".encode("latin-1")
    body = b"" if request.method == "HEAD" else answer.body[: answer.cut]
    if answer.pieces == 1 and not answer.pause:
        connection.sendall(head + body)
    else:
        connection.sendall(head)
        step = max(1, -(-len(body) // answer.pieces))
        for start in range(0, len(body), step):
            wait(answer.pause)
            connection.sendall(body[start : start + step])
    if answer.cut is not None:
        raise Dropped


def reset(connection: socket.socket) -> None:
    """Close with a RST, so that the client sees a reset and not an end; what was sent arrives before it."""
    with suppress(OSError):
        for _ in range(500):
            unsent = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]
            if not unsent:
                break
            time.sleep(0.01)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
