"""Secrets never become text: who learns one remembers it here, and all that goes to stderr is scrubbed here."""

from __future__ import annotations

import re
from threading import Lock

MASK = "***"

_SENSITIVE = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credential|signature|api[_-]?key|access[_-]?key)"
_SECRET_WORD = re.compile(rf"(?:{_SENSITIVE}|^auth$)", re.IGNORECASE)
# `scheme://user:PASSWORD@`: up to the last @ of the word, since a password typed raw may hold : / ? # and @.
_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s:/?#@]*:)[^\s]*(?=@)")
# `?password=…` in a URL, and `password=…` or `password='…'` as drivers write it.
_IN_QUERY = re.compile(
    rf"((?<![A-Za-z0-9])[A-Za-z0-9_.-]{{0,40}}{_SENSITIVE}[A-Za-z0-9_.-]{{0,40}}=)(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s&;'\"]+)",
    re.IGNORECASE,
)
_SHORT = 4

_lock = Lock()
_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def is_secret_name(name: str) -> bool:
    """Say whether a parameter of this name holds a secret: `password`, `sslpassword`, `access_key_secret`."""
    # `passfile` and `password_file` name a file: the path is no secret, and an error has to name it.
    return bool(_SECRET_WORD.search(name)) and not name.lower().endswith("file")


def remember(secret: str | None) -> None:
    """Have `scrub` replace this secret from now on; None, an empty text and the mask itself are no secrets."""
    global _pattern
    if not secret or not secret.strip("*"):
        return
    with _lock:
        if secret not in _secrets:
            _secrets.add(secret)
            _pattern = None


def forget() -> None:
    """Drop all remembered secrets: for tests, and for programs that embed the tool and outlive a run."""
    global _pattern
    with _lock:
        _secrets.clear()
        _pattern = None


def scrub(text: str) -> str:
    """Return the text with every known secret, and whatever looks like a password in a URL, replaced by `***`."""
    text = _IN_URL.sub(lambda match: match[1] + MASK, text)
    text = _IN_QUERY.sub(_mask_value, text)
    pattern = _compiled()
    return pattern.sub(MASK, text) if pattern else text


def _compiled() -> re.Pattern[str] | None:
    """Return one pattern of all secrets in all their forms: compiled when something is to be scrubbed, mostly never."""
    global _pattern
    with _lock:
        if _pattern is None and _secrets:
            forms = {form for known in _secrets for form in _forms(known)}
            # The longest first: otherwise a secret that begins like another would leave its tail behind.
            _pattern = re.compile("|".join(map(_as_pattern, sorted(forms, key=lambda form: (-len(form), form)))))
        return _pattern


def _mask_value(match: re.Match[str]) -> str:
    name = re.split(r"[^A-Za-z0-9_-]", match[1].rstrip("="))[-1]
    return match[1] + MASK if is_secret_name(name) else match[0]


def _forms(secret: str) -> set[str]:
    """Return one secret as libraries print it: as it is, percent-encoded, and escaped by repr or JSON."""
    import json
    from urllib.parse import quote, quote_plus

    encoded = {quote(secret, safe="", errors="surrogateescape"), quote(secret, errors="surrogateescape")}
    encoded.add(quote_plus(secret, errors="surrogateescape"))
    lowered = {re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in encoded}
    escaped = {repr(secret)[1:-1], ascii(secret)[1:-1]}
    escaped |= {json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    # Inside a longer text that holds both kinds of quotes, repr escapes the single one.
    quoted = {re.sub(r"(?<!\\)'", r"\\'", form) for form in escaped}
    return {secret, *encoded, *lowered, *escaped, *quoted}


def _as_pattern(form: str) -> str:
    escaped = re.escape(form)
    # One to three characters occur inside ordinary words: there, only a word of its own can be the secret.
    return escaped if len(form) >= _SHORT else rf"(?<!\w){escaped}(?!\w)"
