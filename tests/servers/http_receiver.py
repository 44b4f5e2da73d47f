"""Whoever is told: a web server that keeps what is posted to it, and a mail server that keeps what is sent to it."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass
class Post:
    """One request: its path, its type and its body."""

    path: str
    type: str
    body: bytes


@dataclass
class Web:
    """A web server: what was posted, and what it answers. While `holds` is clear it answers nothing."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    status: int = 200
    statuses: dict[str, int] = field(default_factory=dict)
    holds: Event = field(default_factory=Event)
    asked: Event = field(default_factory=Event)

    def url(self, scheme: str = "json", path: str = "hook") -> str:
        """Return apprise's URL of this server."""
        return f"{scheme}://127.0.0.1:{self.port}/{path}"


@contextmanager
def web_receiver() -> Iterator[Web]:
    """Serve on a port of its own during the block."""
    web = Web()
    web.holds.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            web.asked.set()
            web.holds.wait(60)
            status = web.statuses.get(self.path, web.status)
            if status < 300:
                web.posts.append(Post(self.path, self.headers["Content-Type"], body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.port = server.server_address[1]
    with _serving(server):
        try:
            yield web
        finally:
            web.holds.set()


@dataclass
class Mail:
    """A mail server: each mail as it came, with its envelope's receivers."""

    port: int = 0
    mails: list[tuple[list[str], bytes]] = field(default_factory=list)


@contextmanager
def mail_receiver() -> Iterator[Mail]:
    """Speak as much SMTP as a mail takes, on a port of its own, during the block."""
    mail = Mail()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            to: list[str] = []
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    to.append(line.decode().partition(":")[2].strip().strip("<>"))
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    mail.mails.append((to, b"".join(lines)))
                    to = []
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mail.port = server.server_address[1]
    with _serving(server):
        yield mail


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
