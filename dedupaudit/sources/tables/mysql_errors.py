"""What failures of MySQL and MariaDB mean, and what to do about them."""

from __future__ import annotations

import pymysql

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, StatementStopped
from dedupaudit.redact import scrub

LOST = frozenset({0, 1053, 1927, 2006, 2013, 2014, 2055, 4031})
INTERRUPTED = frozenset({1317, 1028})
TIMED_OUT = frozenset({1969, 3024, 1907})
REFUSED_BY_SERVER = (pymysql.err.ProgrammingError, pymysql.err.OperationalError, pymysql.err.InternalError)

_STATEMENTS = {
    1037: ("the server ran out of memory for a sort", "give it a larger sort_buffer_size, or use --engine snapshot"),
    1038: ("the server ran out of memory for a sort", "give it a larger sort_buffer_size, or use --engine snapshot"),
    1021: ("the server's disk for temporary files is full", "free space in its tmpdir, or use --engine snapshot"),
    3: ("the server could not write a temporary file", "free space in its tmpdir, or use --engine snapshot"),
    1114: ("the server's disk for temporary tables is full", "free space in its tmpdir, or use --engine snapshot"),
    1205: ("another session kept the table locked", "try again when its ALTER or LOCK TABLES is done"),
    1213: ("the server ended the transaction to resolve a deadlock", "try again"),
    1412: (
        "the table was changed (ALTER, or another DDL) while it was read: its snapshot is gone",
        "scan again when the change is done",
    ),
    1146: ("the table is gone, or was renamed, since the catalog was read", "scan again when the change is done"),
    1044: ("the role may not use this database", "GRANT SELECT on the audited tables to it"),
    1142: ("the role may not read this table", "GRANT SELECT on the audited tables to it"),
    1143: ("the role may not read a column of this table", "GRANT SELECT on all of its columns to it"),
    1356: ("the view refers to what does not exist, or may not be read", "repair the view, or audit its tables"),
    1194: ("the table is marked as crashed", "repair it (REPAIR TABLE), then scan again"),
    1030: ("the storage engine failed", "look into the server's log"),
    1034: ("an index file is corrupt", "CHECK TABLE says more; rebuild the index"),
    1153: ("a value is larger than max_allowed_packet", "raise max_allowed_packet on the server for the audit"),
    1301: ("a value is larger than max_allowed_packet", "raise max_allowed_packet on the server for the audit"),
    1267: ("the key's collations cannot be compared with each other", "audit its columns one by one"),
}
_LOGINS = {
    1045: ("wrong user or password", "check the user, the password, and from which host the user may connect"),
    1698: (
        "the server lets this user in over its own socket only",
        "use another user, or ?unix_socket=/path on the host",
    ),
    1049: ("no such database", "check the name after the last / of the URL; SHOW DATABASES lists them"),
    1044: ("the role may not use this database", "GRANT SELECT on the audited tables to it"),
    1040: ("the server has too many connections already", "try again later, or raise max_connections"),
    1203: (
        "this user has too many connections already",
        "try again later; the audit needs one, and another to cancel",
    ),
    1226: ("this user has reached a limit of its account", "try again later, or raise the limit"),
    1129: ("the server blocks this host after many failed connections", "FLUSH HOSTS on the server, then try again"),
    1130: ("the server lets nobody in from this host", "create the user for this host"),
    1820: ("the user's password has expired", "set a new one, then try again"),
    1862: ("the user's password has expired", "set a new one, then try again"),
    3118: ("the user's account is locked", "unlock it, or use another user"),
    4151: ("the user's account is locked", "unlock it, or use another user"),
    3159: ("the server demands TLS", "leave ssl_mode=DISABLED out of the URL"),
    1251: ("the server uses a way to log in that this client does not have", "ALTER USER … to another plugin"),
    2059: ("the server uses a way to log in that this client does not have", "ALTER USER … to another plugin"),
    2061: ("the server uses a way to log in that this client does not have", "ALTER USER … to another plugin"),
}
_NOT_MYSQL = ("it does not answer as MySQL or MariaDB does", "check host and port: MySQL's usual port is 3306")


def code_of(error: BaseException) -> int:
    """Return the server's or the driver's number of an error; 0 where it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def explain(error: BaseException, place: str, what: str = "") -> SourceError:
    """Return what a failed statement means. `what` names the table, for people."""
    code, said = code_of(error), f"{place}{f', {what}' if what else ''}"
    if is_lost(error):
        return SourceError(
            f"{said}: the connection to the server was lost", "look into the server's log, then scan again"
        )
    if code in TIMED_OUT:
        return StatementStopped(
            f"{said}: a statement took longer than --timeout (or a limit of the server's own) allows",
            "allow more, or add an index on the key",
        )
    if code in INTERRUPTED:
        return SourceError(f"{said}: the audit's statement was cancelled on the server (KILL)", "scan again")
    if code in _STATEMENTS:
        message, hint = _STATEMENTS[code]
        return SourceError(f"{said}: {message}", hint)
    return SourceError(f"{said}: the server says: {text_of(error)}", f"error {code}: look it up in the server's manual")


def explain_login(error: BaseException, place: str, timeout: int, *, tls: bool) -> SourceError:
    """Return why no session could be opened."""
    code, text = code_of(error), str(error)
    message, hint = _NOT_MYSQL
    if code in _LOGINS:
        message, hint = _LOGINS[code]
        if code == 1045 and not tls:
            hint += "; some users may connect over TLS only, and this connection has none"
    elif isinstance(error, RuntimeError) and "cryptography" in text:
        message = "the server wants the password encrypted, by TLS or by an RSA key"
        hint = "connect over TLS (ssl_mode=REQUIRED), or install the Python package cryptography"
    elif code == 2026 or "SSL" in text or "certificate" in text.lower():
        message, hint = _explain_tls(text)
    elif code == 2003 or "timed out" in text:
        message, hint = _explain_socket(error, text, timeout)
    elif code in LOST - {0}:
        message = "the server ended the connection before the login was done"
        hint = "check that this port is MySQL's; otherwise its log says why"
    elif isinstance(error, pymysql.err.MySQLError) and code:
        message, hint = f"the server says: {text_of(error)}", f"error {code}: look it up in the server's manual"
    return SourceError(f"{place}: {message}", hint)


def _explain_socket(error: BaseException, text: str, timeout: int) -> tuple[str, str]:
    cause = getattr(error, "original_exception", None)
    if "Name or service not known" in text or "getaddrinfo" in text or type(cause).__name__ == "gaierror":
        return "no such host", "check the host's name in the URL"
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens there: the connection was refused", "check host and port, and that the server runs"
    if isinstance(cause, TimeoutError) or "timed out" in text:
        return (
            f"no answer within {timeout} s",
            "check host, port and firewalls (and that it is MySQL's port); ?connect_timeout= waits longer",
        )
    if isinstance(cause, FileNotFoundError):
        return "no such socket", "check unix_socket in the URL, and that the server runs"
    if isinstance(cause, PermissionError):
        return "the socket may not be used", "check its permissions"
    reason = getattr(cause, "strerror", None) or "the connection failed"
    return visible(str(reason)), "check host and port in the URL"


def _explain_tls(text: str) -> tuple[str, str]:
    if "doesn't support" in text or "does not support" in text:
        return "TLS is demanded, and the server does not offer it", "switch TLS on there, or leave ssl_mode out"
    if "self-signed" in text or "self signed" in text or "unable to get" in text:
        return (
            "the server's certificate is signed by nobody that is trusted here",
            "name its authority by ssl_ca=/path/ca.pem, or take ssl_mode=REQUIRED to encrypt without proof",
        )
    if "Hostname mismatch" in text or "not valid for" in text or "IP address mismatch" in text:
        return "the server's certificate is for another host", "use its name in the URL, or ssl_mode=VERIFY_CA"
    return f"TLS failed: {visible(scrub(text), 300)}", "check the ssl_… options of the URL"


def is_lost(error: BaseException) -> bool:
    """Say whether the connection is gone: nothing can be asked on it any more."""
    if isinstance(error, pymysql.err.InterfaceError):
        return True
    if isinstance(error, pymysql.err.InternalError) and code_of(error) == 0:
        return True  # packets out of order
    if isinstance(error, pymysql.err.MySQLError):
        return code_of(error) in LOST
    return True


def text_of(error: BaseException) -> str:
    """Return the server's own words, harmless."""
    return visible(scrub(str(error.args[1] if len(error.args) > 1 else error)), 300)
