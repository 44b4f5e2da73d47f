"""Listeners that are no database, and ones that say they are an old one: each answers on a port of its own."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

Conversation = Callable[[socket.socket], None]

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_CAPABILITIES = 0x00FFF7DF  # of an old MySQL server, without TLS
_UTF8MB4 = 45


@contextmanager
def listening(converse: Conversation) -> Iterator[int]:
    """Hold the conversation with everybody who connects to the port that this yields."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:  # closed: the test is over
                    return
                taken.append(connection)
                Thread(target=hold, args=(connection,), daemon=True).start()

        def hold(connection: socket.socket) -> None:
            with suppress(OSError, EOFError):
                converse(connection)

        acceptor = Thread(target=serve, daemon=True)
        acceptor.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            acceptor.join(10)
            for connection in taken:
                connection.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def nonsense(connection: socket.socket) -> None:
    """Greet like a web server, whatever is said."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nno database here\r\n")
    connection.close()


def silence(connection: socket.socket) -> None:
    """Take what comes and never answer."""
    while connection.recv(65536):
        pass


def hanging_up(connection: socket.socket) -> None:
    connection.close()


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


# ---- PostgreSQL, protocol 3


def old_postgresql(version: str) -> Conversation:
    """Let everybody in, and say that the server has this version."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def row(text: str) -> bytes:
        name = b"version\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
        value = text.encode()
        described = message(b"T", struct.pack("!h", 1) + name)
        return described + message(b"D", struct.pack("!hi", 1, len(value)) + value) + message(b"C", b"SELECT 1\0")

    def converse(connection: socket.socket) -> None:
        while True:
            size, code = struct.unpack("!ii", _read(connection, 8))
            _read(connection, size - 8)
            if code not in (_SSL_REQUEST, _GSS_REQUEST):
                break
            connection.sendall(b"N")
        ready = message(b"Z", b"I")
        settings = {
            "server_version": version,
            "server_encoding": "UTF8",
            "client_encoding": "UTF8",
            "DateStyle": "ISO, MDY",
            "integer_datetimes": "on",
            "standard_conforming_strings": "on",
            "TimeZone": "UTC",
        }
        said = b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items())
        connection.sendall(message(b"R", struct.pack("!i", 0)) + said + message(b"K", b"\0" * 8) + ready)
        while True:
            kind = _read(connection, 1)
            body = _read(connection, struct.unpack("!i", _read(connection, 4))[0] - 4)
            if kind == b"X":
                return
            if kind == b"Q":
                asks = body.upper().lstrip().startswith((b"SELECT", b"SHOW"))
                connection.sendall((row(version) if asks else message(b"C", b"SET\0")) + ready)

    return converse


# ---- MySQL, protocol 10


def old_mysql(version: str) -> Conversation:
    """Let everybody in, and say that the server has this version."""

    def packet(number: int, body: bytes) -> bytes:
        return struct.pack("<I", len(body))[:3] + bytes([number]) + body

    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    fine = b"\0\0\0\x02\0\0\0"

    def result(columns: int) -> bytes:
        column = b"".join(map(text, (b"def", b"", b"", b"", b"version()", b"")))
        column += b"\x0c" + struct.pack("<HIBHBH", _UTF8MB4, 255, 0xFD, 0, 0, 0)
        end = b"\xfe\0\0\x02\0"
        row = text(version.encode()) + text(b"0") * (columns - 1)
        bodies = (bytes([columns]), *[column] * columns, end, row, end)
        return b"".join(packet(number, body) for number, body in enumerate(bodies, 1))

    def greeting() -> bytes:
        low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
        head = b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 7) + b"12345678\0"
        head += struct.pack("<HBHHB", low, _UTF8MB4, 2, high, 21) + b"\0" * 10
        return packet(0, head + b"123456789012\0mysql_native_password\0")

    def received(connection: socket.socket) -> bytes:
        size = int.from_bytes(_read(connection, 4)[:3], "little")
        return _read(connection, size)

    def converse(connection: socket.socket) -> None:
        connection.sendall(greeting())
        received(connection)
        connection.sendall(packet(2, fine))
        while True:
            command = received(connection)
            if command[:1] == b"\x01":
                return
            asks = command[1:].upper().lstrip().startswith((b"SELECT", b"SHOW"))
            connection.sendall(result(command.count(b",") + 1) if asks else packet(1, fine))

    return converse
