"""A TCP proxy in front of a server, for tests of a network that is slow, stalls or breaks."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Self

_PIECE = 16_384
# Closing with this sends a reset: what a firewall or a dead host leaves, and not an orderly end.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards 127.0.0.1:`port` to a server's port. What is set holds for bytes that come from the server.

    `delay`: seconds that each piece waits; `rate`: bytes a second of each connection, 0 for no limit; `stalled`: no
    piece goes on; `cut_after`: every connection is cut once this many bytes came from the server, all in all.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self.rate = 0.0
        self.cut_after: int | None = None
        self.stalled = False
        self.forwarded = 0
        self.connections = 0
        self._closed = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse new connections and cut the others."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection that is open; new ones are forwarded again."""
        with self._lock:
            cut, self._sockets = self._sockets, []
        for one in cut:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RD)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                if self._closed:
                    return
                client.close()
                continue
            with self._lock:
                self.connections += 1
                self._sockets += [client, server]
            threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, True), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE if not self.rate else max(1, min(_PIECE, int(self.rate / 10)))):
                while self.stalled and not self._closed:
                    time.sleep(0.01)
                # Who hears this piece may set it for the next one.
                cutting = self.cut_after is not None
                if from_server:
                    piece = self._weigh(piece)
                target.sendall(piece)
                if from_server and cutting and self.cut_after is not None and self.forwarded >= self.cut_after:
                    self.cut()
                    return
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _weigh(self, piece: bytes) -> bytes:
        """Wait as `delay` and `rate` say, and count; return what may still pass."""
        if self.delay:
            time.sleep(self.delay)
        if self.rate:
            time.sleep(len(piece) / self.rate)
        with self._lock:
            if self.cut_after is not None:
                piece = piece[: max(0, self.cut_after - self.forwarded)]
            self.forwarded += len(piece)
        return piece
