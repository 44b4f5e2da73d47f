"""A private Redis server on a free port of 127.0.0.1, for tests: to be stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

import redis

from tests.servers.launching import Missing, end_process, free_port, new_folder, start_program, wait_until_up


def program() -> Path:
    """Return redis-server: what PATH or Debian's folder has."""
    found = shutil.which("redis-server", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/bin"]))
    if not found:
        raise Missing("redis-server", "redis-server")
    return Path(found)


class RedisServer:
    """The server. It keeps nothing on disk: after `stop` or `kill` it starts empty."""

    def __init__(self) -> None:
        self._program = program()
        self.folder = new_folder("redis", None)
        self.log = self.folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL that the program takes, of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server where it is not running, and wait until it answers."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        words += ["--save", "", "--appendonly", "no"]
        self._process = start_program(
            [str(self._program), *words], None, self.folder, self.log, farewell=signal.SIGKILL
        )
        wait_until_up(self._process, self.log, self._reach, OSError)

    def _reach(self) -> None:
        # Not through redis-py, which leaves the socket of a connection that fails to the garbage collector.
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
            probe.sendall(b"PING\r\n")
            if probe.recv(7) != b"+PONG\r\n":
                raise OSError("not yet")

    def stop(self) -> None:
        """End the server in order; clients are cut."""
        end_process(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """End the server by SIGKILL, as the kernel's OOM killer does."""
        end_process(self._process, signal.SIGKILL)

    def pause(self) -> None:
        """Let it answer nothing, and keep its connections, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a paused server answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop the server in order, and start it again, empty, on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, *, decode_responses: bool = False, timeout: float = 10.0) -> redis.Redis:
        """Return a new client; close it."""
        return redis.Redis.from_url(
            self.url, decode_responses=decode_responses, socket_timeout=timeout, socket_connect_timeout=timeout
        )
