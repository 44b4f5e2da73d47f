"""Writes into the demo's folder, and nowhere else: nothing that the demo did not make is changed."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dedupaudit.demo.paths import shown
from dedupaudit.demo.truth import TRUTH_SCHEMA
from dedupaudit.display import visible
from dedupaudit.errors import OutputError, Refused, UsageError

MARK = "truth.json"
_UNFINISHED_MARK = "truth.json.part"
_MARK_BEGINS = f'{{"schema": "{TRUTH_SCHEMA}"'
# What SQLite puts beside a database that is in use, or was when the program was killed: useless without it, and
# harmful to the next one.
SIDE_FILES = ("app.db-journal", "app.db-wal", "app.db-shm")

_OURS = re.compile(
    r"app\.db(-journal|-wal|-shm)?|dedupaudit\.toml|truth\.json(\.part)?"
    r"|logs/[a-z-]+\.log(\.\d\d?)?(\.gz)?|objects/screenshots/[a-z0-9-]+/[A-Za-z0-9_]+\.jpg"
)
_ELSEWHERE = "choose a new folder: dedupaudit demo DIR"
_AGAIN = "run the same command again: it replaces what the demo made, and nothing else"
_WRONG_PATH = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EINVAL})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DemoFolder:
    """A folder that is new, empty, or was made by `demo`; `replaced` are the files that an earlier demo made."""

    def __init__(self, root: Path, names: Sequence[str], replaced: Sequence[str]) -> None:
        self.root = root
        self._names = tuple(names)
        self._replaced = tuple(replaced)

    @classmethod
    def check(cls, directory: Path, names: Sequence[str]) -> DemoFolder:
        """Look whether all of `names` can be written there. Changes nothing.

        Raises Refused where something stands there that the demo did not make, UsageError for a wrong path and
        OutputError where it cannot be read.
        """
        with explained(directory):
            root = _resolved(directory)
            if not os.path.lexists(root):
                return cls(root, names, ())
            if not root.is_dir():
                raise UsageError(f"{shown(directory)} is a file, not a folder", _ELSEWHERE)
            replaced = _replaceable(root)
            _refuse_foreign(root, names, replaced)
            return cls(root, names, replaced)

    def begin(self) -> None:
        """Mark the folder as a demo that is being built, then remove what an earlier one made.

        The mark lists the old files and the new ones, so that a build that is killed can be done again.
        """
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            files = sorted({*self._replaced, *self._names, *SIDE_FILES, _UNFINISHED_MARK})
            self._mark(_MARK_BEGINS + ', "complete": false, "files": ' + json.dumps(files) + "}\n")
            for name in {*self._replaced, *SIDE_FILES} - {MARK, _UNFINISHED_MARK}:
                with suppress(FileNotFoundError):
                    (self.root / name).unlink()

    def create(self, name: str) -> Path:
        """Make an empty file and return its path. Raises Refused where something is there by now."""
        path = self.root / name
        with explained(path):
            self._parents(path)
            os.close(_open_new(path))
        return path

    def write(self, name: str, content: bytes, modified: int | None = None) -> None:
        """Make a file with this content, last modified then (epoch milliseconds)."""
        path = self.root / name
        with explained(path):
            self._parents(path)
            with os.fdopen(_open_new(path), "wb") as file:
                file.write(content)
            if modified is not None:
                os.utime(path, ns=(modified * 1_000_000, modified * 1_000_000))

    def finish(self, truth: str) -> None:
        """Put the whole truth in the place of the mark: the demo is complete."""
        self._mark(truth)

    def _mark(self, text: str) -> None:
        unfinished = self.root / _UNFINISHED_MARK
        with explained(self.root / MARK):
            with suppress(FileNotFoundError):
                unfinished.unlink()
            with os.fdopen(_open_new(unfinished), "wb") as file:
                file.write(text.encode("utf-8"))
            unfinished.replace(self.root / MARK)

    def _parents(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.resolve() != path.parent:
            raise Refused(f"{shown(path.parent)} is a link: the demo does not write through it", _ELSEWHERE)


def _open_new(path: Path) -> int:
    """Open a file that must not exist: nothing is overwritten and no link is followed, whatever happens meanwhile."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)


def _resolved(directory: Path) -> Path:
    try:
        return directory.resolve()
    except (ValueError, RuntimeError) as error:
        # A NUL in the name, a name that cannot be encoded, and (before Python 3.13) a loop of links.
        where = shown(directory)
        raise UsageError(f"{where} cannot be a demo's folder: {visible(str(error))}", _ELSEWHERE) from error


def _replaceable(root: Path) -> tuple[str, ...]:
    """Return the files that an earlier demo made in a folder that exists."""
    entries = {entry.name for entry in os.scandir(root)}
    if not entries or entries == {_UNFINISHED_MARK} and _is_broken_off(root / _UNFINISHED_MARK):
        return ()
    foreign = f"{shown(root)} is not empty, and the demo did not make what is in it"
    mark = root / MARK
    if not _is_file(mark):
        raise Refused(foreign, _ELSEWHERE)
    try:
        content = json.loads(mark.read_bytes())
    except (ValueError, RecursionError):
        raise Refused(f"{foreign}: its {MARK} is not ours", _ELSEWHERE) from None
    if not isinstance(content, dict) or content.get("schema") != TRUTH_SCHEMA:
        raise Refused(f"{foreign}: its {MARK} is not ours", _ELSEWHERE)
    files = content.get("files")
    if not isinstance(files, list) or not all(isinstance(name, str) and _OURS.fullmatch(name) for name in files):
        raise Refused(f"{shown(mark)} lists files that the demo never makes: it was changed", _ELSEWHERE)
    return tuple(files)


def _is_broken_off(mark: Path) -> bool:
    """Say whether this is the beginning of a mark, all that a build leaves that is killed at its very start."""
    if not _is_file(mark):
        return False
    with mark.open("rb") as file:
        begins = file.read(len(_MARK_BEGINS))
    return _MARK_BEGINS.encode().startswith(begins)


def _refuse_foreign(root: Path, names: Sequence[str], replaced: Sequence[str]) -> None:
    """Raise Refused for anything in the way of `names` that is no file of ours."""
    ours = {*replaced, *SIDE_FILES} if replaced else set()
    if _is_broken_off(root / _UNFINISHED_MARK):
        ours.add(_UNFINISHED_MARK)
    for name in sorted({*names, *ours, _UNFINISHED_MARK}):
        path = root / name
        for folder in reversed(path.relative_to(root).parents):
            if os.path.lexists(root / folder) and not _is_folder(root / folder):
                where = shown(root / folder)
                raise Refused(f"{where} is in the way: it is a link or a file, not a folder", _ELSEWHERE)
        if os.path.lexists(path) and not (name in ours and _is_file(path)):
            where = shown(path)
            raise Refused(f"{where} is in the way, and the demo did not make it", f"move it away, or {_ELSEWHERE}")


def _is_file(path: Path) -> bool:
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)


def _is_folder(path: Path) -> bool:
    # The root itself has been resolved, so it is a folder here even where the user named it by a link.
    return stat.S_ISDIR(path.lstat().st_mode)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's errors about `path` into ours."""
    try:
        yield
    except FileExistsError as error:
        where = shown(path)
        raise Refused(f"{where} is in the way: it appeared while the demo was being built", _ELSEWHERE) from error
    except OSError as error:
        where = shown(error.filename or path)
        if error.errno in _FULL:
            what = f"{where} could not be written in full: {error.strerror}"
            raise OutputError(what, f"make room, and {_AGAIN}") from error
        if error.errno in _WRONG_PATH:
            raise UsageError(f"{where} cannot be a demo's folder: {error.strerror}", _ELSEWHERE) from error
        hint = "choose a folder that you may write in: dedupaudit demo DIR"
        raise OutputError(f"{where} cannot be written: {error.strerror}", hint) from error
