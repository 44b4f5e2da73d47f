"""Names become the files that they mean, rotated ones in the order in which they were written."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Sequence

from dedupaudit.display import visible
from dedupaudit.errors import UsageError

STDIN = "-"
_PACKED = r"(?:\.(?:gz|xz|zst|zstd))?"
# What logrotate and its like make of `app.log`: a count (the higher the older), or a date (the later the newer).
_COUNTED = re.compile(rf"(?P<stem>.+?)\.(?P<number>\d{{1,4}}){_PACKED}", re.DOTALL)
_DATED = re.compile(
    rf"(?P<stem>.+?)[-._](?P<date>\d{{4}}-?\d\d-?\d\d(?:[-_T.]?\d{{2,10}})?)(?P<rest>\.(?!gz|xz|zst)[A-Za-z]+)?{_PACKED}",
    re.DOTALL,
)
_PLAIN = re.compile(rf"(?P<stem>.+?){_PACKED}", re.DOTALL)


def find_logs(names: Sequence[str]) -> tuple[str, ...]:
    """Return the paths that names, patterns and folders mean: each file once, rotated files oldest first.

    A folder means the files in it (not those in folders below). `-` is standard input. A name that exists is that
    file, whatever characters it holds. Raises UsageError where a name or a pattern means no file.
    """
    found: dict[str, str] = {}
    for name in names:
        for path in _meant(name):
            found.setdefault(path if path == STDIN else os.path.realpath(path), path)
    return tuple(sorted(found.values(), key=age))


def age(path: str) -> tuple[str, int, tuple[int, str], str]:
    """Return what sorts files by stream, and within one from the oldest to the one that is being written to."""
    folder, name = os.path.split(path)
    if counted := _COUNTED.fullmatch(name):
        return os.path.join(folder, counted["stem"]), 1, (-int(counted["number"]), ""), name
    if dated := _DATED.fullmatch(name):
        stem = dated["stem"] + (dated["rest"] or "")
        return os.path.join(folder, stem), 0, (0, re.sub(r"\D", "", dated["date"])), name
    plain = _PLAIN.fullmatch(name)
    return os.path.join(folder, plain["stem"] if plain else name), 2, (0, ""), name


def _meant(name: str) -> list[str]:
    if name == STDIN:
        return [name]
    if "\0" in name:
        raise UsageError(f"{visible(name)} cannot be a file's name", "name log files, folders, or patterns")
    if os.path.isdir(name):
        try:
            paths = [entry.path for entry in os.scandir(name) if entry.is_file() and not entry.name.startswith(".")]
        except OSError as error:
            reason = visible(error.strerror or str(error))
            raise UsageError(f"the folder {visible(name)} cannot be read: {reason}", "name its files") from None
        if not paths:
            raise UsageError(f"no files are in the folder {visible(name)}", "name log files, or a pattern in quotes")
        return paths
    if os.path.lexists(name):
        return [name]
    if not glob.has_magic(name):
        raise UsageError(f"there is no file {visible(name)}", "name log files, folders, or patterns: 'logs/*.log*'")
    paths = [path for path in glob.glob(name, recursive=True) if _is_readable_kind(path)]
    if not paths:
        raise UsageError(f"no file matches {visible(name)}", "name log files, folders, or patterns: 'logs/*.log*'")
    return paths


def _is_readable_kind(path: str) -> bool:
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return True  # it is named in the report as unreadable
