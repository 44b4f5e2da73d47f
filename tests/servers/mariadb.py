"""A private MariaDB server on a free port of 127.0.0.1, for tests: to be stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pymysql

from tests.servers.launching import (
    Missing,
    account,
    end_process,
    free_port,
    new_folder,
    run_program,
    start_program,
    wait_until_up,
)

# Nothing here must survive a crash of the machine, and tests mind the seconds.
_SETTINGS = {
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "OFF",
    "innodb-flush-method": "nosync",
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "16M",
    "innodb-fast-shutdown": "2",
    "innodb-buffer-pool-dump-at-shutdown": "OFF",
    "innodb-buffer-pool-load-at-startup": "OFF",
    "aria-log-purge-type": "immediate",
    "key-buffer-size": "8M",
    "max-allowed-packet": "64M",
    "bind-address": "127.0.0.1",
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_general_ci",
    "skip-name-resolve": "ON",
    "skip-log-bin": "",
}


def program(*names: str) -> Path:
    """Return the first of these programs that PATH or Debian's folders have."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/bin"])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    raise Missing("MariaDB", "mariadb-server")


class MariadbServer:
    """The server. `root` has no password; more users are made with `execute`."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        self._mariadbd = program("mariadbd")
        self._owner = account("mysql")
        self.folder = new_folder("mariadb", self._owner)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.socket = self.folder / "socket"
        self.port = free_port()
        self._settings = _SETTINGS | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: pymysql.Connection[Any] | None = None
        try:
            self._initialize()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _initialize(self) -> None:
        words = ["--no-defaults", f"--datadir={self.data}", f"--tmpdir={self.folder}"]
        words += ["--auth-root-authentication-method=normal"]
        words += ["--skip-test-db", "--skip-name-resolve", "--innodb-flush-method=nosync"]
        words += ["--innodb-doublewrite=OFF", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"]
        run_program([program("mariadb-install-db"), *words], self._owner, self.folder)

    def start(self) -> None:
        """Start the server where it is not running, and wait until it answers."""
        words = [f"--datadir={self.data}", f"--socket={self.socket}", f"--port={self.port}", f"--tmpdir={self.folder}"]
        words += [f"--{name}={value}" if value else f"--{name}" for name, value in self._settings.items()]
        argv = [str(self._mariadbd), "--no-defaults", *words]
        self._process = start_program(argv, self._owner, self.folder, self.log, signal.SIGKILL)
        wait_until_up(self._process, self.log, self._reach, OSError)

    def _reach(self) -> None:
        # Not through PyMySQL, which leaves the socket of a connection that fails open.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))

    def stop(self) -> None:
        """End the server in order; sessions are cut."""
        self._forget()
        end_process(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """End the server by SIGKILL, as the kernel's OOM killer does."""
        self._forget()
        end_process(self._process, signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server in order, and start it again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str | None = None, user: str = "root", password: str = "") -> pymysql.Connection[Any]:
        """Return a new connection in autocommit, over the socket."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user=user,
            password=password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def execute(self, sql: str, parameters: Sequence[Any] | None = None, database: str | None = None) -> list[Any]:
        """Run SQL as root and return its rows."""
        if self._connection is None or not self._connection.open:
            self._connection = self.connect()
        if database is not None:
            self._connection.select_db(database)
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def create_database(self, name: str, options: str = "") -> str:
        """Create an empty database, in place of one of that name, and return its URL."""
        quoted = "`" + name.replace("`", "``") + "`"
        self.execute(f"DROP DATABASE IF EXISTS {quoted}")
        self.execute(f"CREATE DATABASE {quoted} {options}")
        return self.url(database=name)

    def url(self, *, user: str = "root", password: str | None = None, database: str = "mysql") -> str:
        """Return the URL that the program takes; with a password where `password` is given."""
        secret = "" if password is None else ":" + quote(password, safe="")
        return f"mariadb://{quote(user, safe='')}{secret}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def _forget(self) -> None:
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None
