"""`--mask COLUMN`: reads the key, and makes the mask that hides the columns' values in all that a run can say."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.redact import remember
from dedupaudit.saying import say

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings, Options
    from dedupaudit.masked import Mask

KEY_VARIABLE = "DEDUPAUDIT_MASK_KEY"
_SHORTEST, _LONGEST = 16, 65_536
_MAKE_ONE = "make one: openssl rand -hex 32 > mask.key; then --mask-key-file mask.key"


def mask_of(options: Options, environ: Mapping[str, str], databases: Sequence[DatabaseSettings] = ()) -> Mask | None:
    """Return the mask that the options ask for, or None; `databases` are those whose catalogs it will learn.

    Raises UsageError where a name is blank, or the key is missing, too short, or cannot be read.
    """
    if not options.mask:
        return None
    if any(not name.strip() for name in options.mask):
        raise UsageError(
            "--mask names a column without a name", "give COLUMN or TABLE.COLUMN as the database writes it"
        )
    from dedupaudit.masked import Mask

    return Mask(options.mask, _key(options, environ), [database.name for database in databases])


def _key(options: Options, environ: Mapping[str, str]) -> bytes:
    """Return the hash's key; that of the environment goes before the file's."""
    if KEY_VARIABLE in environ:
        return _checked(environ[KEY_VARIABLE].encode("utf-8", "surrogateescape"), KEY_VARIABLE)
    if options.mask_key_file is None:
        raise UsageError(f"--mask needs a key: neither --mask-key-file nor {KEY_VARIABLE} gives one", _MAKE_ONE)
    path = Path(options.mask_key_file).expanduser()
    shown = f"--mask-key-file {visible(str(path), 400)}"
    try:
        with path.open("rb") as stream:
            text = stream.read(_LONGEST + 1)
            mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a possible file name"
        raise UsageError(f"{shown}: the key cannot be read: {reason}", _MAKE_ONE) from None
    key = _checked(text, shown)
    if mode & stat.S_IROTH and not options.quiet:
        said = f"{shown} can be read by every user: whoever has it can guess the hidden values; chmod 600 it"
        say("remark", said)
    return key


def _checked(text: bytes, where: str) -> bytes:
    """Return the key without its line break; one that can be guessed would hide nothing."""
    key = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(text) > _LONGEST:
        raise UsageError(f"{where}: too large for a key ({_LONGEST:,} bytes at most)", _MAKE_ONE)
    if not key.strip():
        raise UsageError(f"{where}: the key is empty", _MAKE_ONE)
    if len(key) < _SHORTEST:
        raise UsageError(f"{where}: the key is too short: {_SHORTEST} bytes at least", _MAKE_ONE)
    remember(key.decode("utf-8", "surrogateescape"))
    return key
