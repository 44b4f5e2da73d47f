"""A hot standby of a private PostgreSQL: made by pg_basebackup, and kept up by streaming replication."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults.targets import until
from tests.servers.launching import run_program
from tests.servers.postgresql import PostgresqlServer


class StandbyServer(PostgresqlServer):
    """A server in recovery that follows `primary`."""

    def __init__(self, primary: PostgresqlServer, settings: Mapping[str, str] | None = None) -> None:
        self._primary = primary
        super().__init__(settings={"hot_standby": "on", **(settings or {})})

    def _initialize(self, auth: str) -> None:
        words = [f"--pgdata={self.data}", f"--host={self._primary.folder}", f"--port={self._primary.port}"]
        words += ["--username=postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        run_program([self._bin / "pg_basebackup", *words], self._owner, self.folder)

    def caught_up(self) -> None:
        """Wait until everything that the primary has written by now can be seen here."""
        place = self._primary.execute("SELECT pg_current_wal_lsn()::text")[0][0]
        until(
            lambda: self.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (place,))[0][0],
            "the standby to catch up",
        )
