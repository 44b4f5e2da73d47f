"""What PostgreSQL's and libpq's failures mean, and what to do about each."""

from __future__ import annotations

import re

import psycopg2

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.redact import scrub

OLDEST = 13

_UNREACHABLE = "cannot connect to PostgreSQL at {at}: "
# What libpq says, in the order in which it is asked about: the words, what they mean, what to do.
_CONNECTING = (
    (r"could not translate host name|Name or service not known|nodename nor servname",
     "no such host", "check the host in the URL, and the name server"),
    (r"Connection refused|could not connect to server: No such file|No such file or directory",
     "nothing listens there", "check host and port; is the server running, and does listen_addresses allow this?"),
    (r"timeout expired|Connection timed out|timed out",
     "no answer in time", "check host, port and firewall; a slow network may need ?connect_timeout=60"),
    (r"No route to host|Network is unreachable",
     "the network does not lead there", "check host, VPN and firewall"),
    (r"received invalid response to (?:SSL|GSSAPI) negotiation|expected authentication request|unsupported frontend",
     "what listens there is not PostgreSQL", "check the port: PostgreSQL's is usually 5432"),
    (r"server does not support SSL",
     "the URL demands TLS, and the server does not offer it", "set ssl = on there; ?sslmode=prefer goes without"),
    (r"certificate verify failed|root certificate file .* does not exist|server certificate for|self.signed certificate"
     r"|certificate has expired",
     "the server's certificate cannot be verified", "name its authority: ?sslmode=verify-full&sslrootcert=ca.pem"),
    (r"could not (?:load|open|read) (?:private key|certificate) file|certificate file .* does not exist"
     r"|private key file",
     "the client's certificate or its key cannot be read",
     "check sslcert and sslkey; a key may be readable to its owner alone"),
    (r"no password supplied",
     "the server asks for a password, and none was given",
     "set DEDUPAUDIT_PASSWORD or password_file, or write a line in ~/.pgpass (which must be readable to you alone)"),
    (r"password authentication failed|authentication failed for user",
     "the server refuses the login: wrong user or password",
     "check user and password (DEDUPAUDIT_PASSWORD, password_file, ~/.pgpass)"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects",
     "the server's pg_hba.conf lets nobody in from here with this user, database and encryption",
     "add a line to pg_hba.conf, or try ?sslmode=require"),
    (r'role "[^"]*" does not exist',
     "no such role", "check the user in the URL"),
    (r'database "[^"]*" does not exist',
     "no such database", "check the name after the last / of the URL; `psql -l` lists them"),
    (r"permission denied for database|not permitted to log in|User does not have CONNECT",
     "the role may not connect to that database", "GRANT CONNECT ON DATABASE … TO …, and the role needs LOGIN"),
    (r"too many (?:clients|connections)|remaining connection slots",
     "the server has no connection left", "try again later, or raise max_connections"),
    (r"starting up|shutting down|in recovery mode|not accepting connections|not yet accepting",
     "the server is starting, stopping or recovering", "try again in a moment; a standby needs hot_standby = on"),
    (r"invalid connection option|invalid (?:sslmode|port|integer) value|definition of service|service file",
     "libpq refuses an option of the URL", "check the options after ? in the URL"),
    (r"session is not read-only|session is read-only|server is (?:not )?in hot standby",
     "no server of the URL is of the kind that target_session_attrs wants", "check the hosts and target_session_attrs"),
)  # fmt: skip

# By SQLSTATE or its class: what it means, what to do.
_SPEAKING = {
    "42501": ("the role may not read it", "GRANT SELECT ON it (and USAGE ON its SCHEMA) TO this role"),
    "42P01": ("the table is gone", "somebody dropped or renamed it: run again"),
    "42703": ("a column is gone", "somebody changed the table during the scan: run again"),
    "42883": (
        "the type of a column lacks what the scan needs",
        "a key needs a type that can be compared: take another key, or a view with a cast",
    ),
    "55P03": ("another session holds a lock on the table for longer than 5 s", "run again when its DDL is done"),
    "22P05": ("a value cannot be shown in UTF-8", "find it with the server's own encoding, and repair it"),
    "22021": ("a value is not valid in the database's encoding", "find it, and repair it"),
    "53100": ("the server's disk is full: a sort could not spill", "free space there, or take --engine snapshot"),
    "53200": ("the server is out of memory", "lower its work_mem, or take --engine snapshot"),
    "53400": ("the server's temp_file_limit is reached", "take --engine snapshot, which spills here"),
    "57P01": ("an administrator ended the connection, or the server stopped", "run again when it is up"),
    "57P02": ("the server crashed", "see its log; run again when it is up"),
    "57P03": ("the server is starting or stopping", "run again when it is up"),
    "57P04": ("the database was dropped", "check the URL"),
    "57P05": ("the server ended an idle session", "raise idle_session_timeout for the audit's role"),
    "25P03": (
        "the server ended the session while the audit worked on what it had read",
        "raise the role's time limits",
    ),
    "25P04": ("the server's transaction_timeout is over", "raise transaction_timeout for the audit's role"),
    "0A000": (
        "the server cannot answer this question about it",
        "is it a view or a foreign table? audit what is below it",
    ),
    "55000": ("it cannot be read as it is", "a materialized view must be refreshed once"),
    "XX001": ("the table is corrupt", "take a backup; see what pg_amcheck says"),
    "XX002": ("an index is corrupt", "REINDEX it; run again with --distrust-indexes"),
    "58030": ("the server could not read a file", "see its log and its disk"),
}


class RecoveryConflict(SourceError):
    """A standby ended a query because it had to replay what the primary did: a new snapshot may have more luck."""


def too_old(version: int) -> str | None:
    """Return the sentence that refuses a server, or None; `version` is libpq's number: 150018 is 15.18."""
    if version >= OLDEST * 10_000:
        return None
    shown = f"{version // 10_000}.{version % 10_000}"
    if version < 100_000:
        shown = f"{version // 10_000}.{version // 100 % 100}.{version % 100}"
    return f"PostgreSQL {shown} is too old: dedupaudit supports PostgreSQL {OLDEST}+"


def explain_connecting(text: str, at: str) -> SourceError:
    """Return why no connection came about; `text` is libpq's, `at` says where without any secret."""
    for words, what, hint in _CONNECTING:
        if re.search(words, text, re.IGNORECASE):
            return SourceError(_UNREACHABLE.format(at=at) + f"{what}{_quoted(text)}", hint)
    said = visible(scrub(" ".join(text.split())), 300) or "it gave no reason"
    return SourceError(_UNREACHABLE.format(at=at) + said, "run again with -v for the details")


def explain(error: psycopg2.Error, about: str) -> SourceError:
    """Return what a failure of a statement means; `about` names the table or the database."""
    state, text = error.pgcode or "", first_line(error)
    if state in ("40001", "40P01", "57P01") and "recovery" in text:
        return RecoveryConflict(
            f"{about}: the standby ended the query to go on with its recovery",
            "raise max_standby_streaming_delay there, or set hot_standby_feedback = on",
        )
    if "row-level security" in text:
        return SourceError(
            f"{about}: row-level security would hide rows from this role",
            "audit with a role that sees all rows: the owner's, or one with BYPASSRLS",
        )
    if state == "57014":
        return SourceError(f"{about}: somebody cancelled the query on the server", "ask who did, and run again")
    if is_lost(error):
        what = _SPEAKING.get(state, ("", "see the server's log; run again"))
        return SourceError(
            f"{about}: the connection to the server is lost{': ' + what[0] if what[0] else ''}{_quoted(text)}", what[1]
        )
    if state in _SPEAKING:
        what = _SPEAKING[state]
        return SourceError(f"{about}: {what[0]}{_quoted(text)}", what[1])
    return SourceError(f"{about}: PostgreSQL says: {_shown(text)}", "run again with -v for the details")


def standby_hung_up(error: psycopg2.Error, about: str) -> RecoveryConflict:
    """Return what a connection that a standby ended without a word means, most likely."""
    return RecoveryConflict(
        f"{about}: the connection to the server is lost{_quoted(first_line(error))}: most likely the standby ended the"
        " query to go on with its recovery",
        "raise max_standby_streaming_delay there, or set hot_standby_feedback = on; its log says more",
    )


def no_new_session(error: SourceError, at: str) -> RecoveryConflict:
    """Return what it means that a standby ended a query and then let nobody in."""
    return RecoveryConflict(
        f"{at}: the standby ended the query to go on with its recovery, and then: {error.message}",
        "raise max_standby_streaming_delay there, or set hot_standby_feedback = on; its log says more",
    )


def is_lost(error: psycopg2.Error) -> bool:
    """Say whether the error ended the connection, and not only a statement."""
    if (error.pgcode or "")[:4] in ("57P0", "25P0", "08") or (error.pgcode or "").startswith("08"):
        return True
    return error.pgcode is None and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)


def first_line(error: BaseException) -> str:
    """Return what the server says in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _quoted(text: str) -> str:
    shown = _shown(text)
    return f" ({shown})" if shown else ""


def _shown(text: str) -> str:
    return visible(scrub(" ".join(text.split())), 300)
