"""What a postgresql:// URL means to libpq: its parts and options as connection parameters, and nothing else."""

from __future__ import annotations

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.urls import DatabaseUrl

OPTIONS = (
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "gssencmode", "gsslib",
    "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname",
    "load_balance_hosts", "options", "passfile", "password", "port", "require_auth", "requirepeer", "service",
    "servicefile", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression",
    "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslpassword", "sslrootcert", "sslsni", "target_session_attrs",
    "tcp_user_timeout", "user",
)  # fmt: skip

_DEFAULTS = {
    "application_name": "dedupaudit",
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# Decided by the audit itself: what it reads depends on it.
_OWN = ("client_encoding",)


def connection_parameters(url: DatabaseUrl) -> dict[str, str]:
    """Return libpq's parameters. A password that the URL lacks is libpq's to find: .pgpass, PGPASSFILE, PGPASSWORD.

    Raises UsageError for an option that libpq does not have.
    """
    for name in url.query:
        if name not in OPTIONS:
            guess = nearest(name, OPTIONS)
            raise UsageError(
                f"the database URL has the option {visible(name)}, which PostgreSQL does not know",
                f"did you mean {guess}?" if guess else "the options are libpq's, such as sslmode and connect_timeout",
            )
    # A service file may name what the URL leaves out, also the timeout: defaults would go before it.
    defaults = {"application_name": "dedupaudit"} if "service" in url.query else _DEFAULTS
    parts = {
        "host": url.host,
        "port": str(url.port) if url.port else None,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
    }
    named = {name: value for name, value in url.query.items() if name not in _OWN}
    return {**defaults, **{name: value for name, value in parts.items() if value is not None}, **named}
