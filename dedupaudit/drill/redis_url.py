"""The URL of a Redis: looked at before anything is connected, and shown without its secrets."""

from __future__ import annotations

from urllib.parse import urlsplit

from dedupaudit.errors import UsageError
from dedupaudit.redact import MASK
from dedupaudit.urls import remember_what_may_be_secret

FORMS = "redis://host:6379/0, rediss://host or unix:///run/redis.sock"
_SCHEMES = ("redis", "rediss", "unix")


def check_redis_url(text: str) -> None:
    """Raise UsageError where this is no URL of a Redis; its secrets are remembered for `redact.scrub`.

    The text never repeats what was typed: in a URL that does not parse, any part may be secret.
    """
    remember_what_may_be_secret(text)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise UsageError("the URL of Redis begins with none of redis://, rediss:// and unix://", f"write {FORMS}")
    try:
        parts = urlsplit(text)
        is_whole = not parts.fragment and "@" not in parts.path and (parts.port is None or parts.port > 0)
    except ValueError:
        is_whole = False
    # An / or # in a password that is not percent-encoded ends the host, and the rest would be shown as a path.
    if not is_whole or not (parts.path if scheme.lower() == "unix" else parts.hostname) or not text.isprintable():
        hint = f"write {FORMS}, and in user and password : as %3A, / as %2F, ? as %3F, # as %23, @ as %40"
        raise UsageError("the URL of Redis does not say where it is", hint)


def shown_redis(text: str) -> str:
    """Return the URL for people: without user, password and options."""
    parts = urlsplit(text)
    user, _, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{f'{MASK}@' if user else ''}{place}{parts.path}"
