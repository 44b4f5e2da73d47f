"""A private PostgreSQL server on a free port of 127.0.0.1, for tests: to be stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg2
import psycopg2.extensions

from tests.servers.launching import (
    Missing,
    account,
    children_of,
    end_process,
    free_port,
    new_folder,
    run_program,
    start_program,
    wait_until_up,
)

# Nothing here must survive a crash of the machine, and tests mind the seconds.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "log_line_prefix": "%m [%p] %a ",
}


def programs() -> Path:
    """Return the folder of initdb and postgres: what PATH has, else the newest that Debian installed."""
    found = shutil.which("initdb")
    if found and (Path(found).parent / "postgres").exists():
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not versions:
        raise Missing("PostgreSQL", "postgresql")
    return versions[-1].parent


class PostgresqlServer:
    """The server. `auth` is what pg_hba.conf says of every connection over TCP; the superuser is `postgres`."""

    def __init__(
        self, *, auth: str = "trust", password: str = "postgres", settings: Mapping[str, str] | None = None
    ) -> None:
        self._bin = programs()
        self._owner = account("postgres")
        self.folder = new_folder("postgresql", self._owner)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_port()
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._connections: dict[str, psycopg2.extensions.connection] = {}
        try:
            self._initialize(auth)
            self._configure(dict(settings or {}))
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _initialize(self, auth: str) -> None:
        secret = self.folder / "secret"
        secret.write_text(self.password)
        if self._owner:
            os.chown(secret, self._owner.pw_uid, self._owner.pw_gid)
        words = ["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        words += [f"--pwfile={secret}", "--auth-local=trust", f"--auth-host={auth}"]
        run_program([self._bin / "initdb", f"--pgdata={self.data}", *words], self._owner, self.folder)

    def _configure(self, settings: dict[str, str]) -> None:
        lines = _SETTINGS | {"unix_socket_directories": str(self.folder), "port": str(self.port)} | settings
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())

    def start(self) -> None:
        """Start the server where it is not running, and wait until it answers."""
        argv = [str(self._bin / "postgres"), "-D", str(self.data)]
        # An immediate shutdown: the postmaster ends its backends, and nobody needs the data any more.
        self._process = start_program(argv, self._owner, self.folder, self.log, signal.SIGQUIT)
        wait_until_up(self._process, self.log, lambda: self.execute("SELECT 1"), psycopg2.OperationalError)

    def stop(self) -> None:
        """End the server in order; sessions are cut."""
        self._forget()
        end_process(self._process, signal.SIGINT)

    def kill(self) -> None:
        """End the server and all its backends by SIGKILL, as the kernel's OOM killer does."""
        self._forget()
        if self._process is not None and self._process.poll() is None:
            # Backends first: a busy one would go on for a while without its postmaster. Stopped, it starts no others.
            self._process.send_signal(signal.SIGSTOP)
            for backend in children_of(self._process.pid):
                os.kill(backend, signal.SIGKILL)
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stop the server in order, and start it again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server and remove its folder."""
        self._forget()
        end_process(self._process, signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg2.extensions.connection:
        """Return a new connection in autocommit, over the socket and so without a password."""
        connection = psycopg2.connect(host=str(self.folder), port=self.port, user=user, dbname=database)
        connection.autocommit = True
        return connection

    def execute(self, sql: str, parameters: Sequence[Any] | None = None, database: str = "postgres") -> list[Any]:
        """Run SQL as the superuser and return its rows."""
        connection = self._connections.get(database)
        if connection is None or connection.closed:
            connection = self._connections[database] = self.connect(database)
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, options: str = "") -> str:
        """Create an empty database, in place of one of that name, and return its URL."""
        self.drop_database(name)
        quoted = '"' + name.replace('"', '""') + '"'
        self.execute(f"CREATE DATABASE {quoted} TEMPLATE template0 {options}")
        return self.url(database=name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, and cut its sessions."""
        connection = self._connections.pop(name, None)
        if connection is not None:
            connection.close()
        quoted = '"' + name.replace('"', '""') + '"'
        self.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")

    def url(self, *, user: str = "postgres", password: str | None = None, database: str = "postgres") -> str:
        """Return the URL that the program takes; with a password where `password` is given."""
        secret = "" if password is None else ":" + quote(password, safe="")
        return f"postgresql://{quote(user, safe='')}{secret}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def _forget(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
