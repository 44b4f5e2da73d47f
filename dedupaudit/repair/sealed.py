"""Plan files: JSON Lines, ended by a count and a hash, so that what is applied is what was planned."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self, TypeVar

from pydantic import BaseModel, ValidationError

from dedupaudit.display import json_safe, visible
from dedupaudit.errors import Refused, UsageError
from dedupaudit.repair.plan import PLAN_SCHEMA, End

_LONGEST = 256_000_000
_Line = TypeVar("_Line", bound=BaseModel)


def written(out: BinaryIO, header: BaseModel, lines: Iterable[_Line]) -> Iterator[_Line]:
    """Write a plan, and give each line on once it is written. The plan is whole when the last one was taken."""
    digest, count = hashlib.sha256(), 0

    def write(line: BaseModel) -> None:
        raw = json_safe(line.model_dump_json(by_alias=True)).encode() + b"\n"
        digest.update(raw)
        out.write(raw)

    write(header)
    for line in lines:
        write(line)
        count += 1
        yield line
    write(End(count=count, sha256=digest.hexdigest()))


class SealedFile(ABC):
    """A plan that was read to its end once, and found whole.

    The file stays open: what is applied is what was looked at, whatever takes its name meanwhile. Raises UsageError for
    a file that cannot be read, Refused for one that is not what somebody planned.
    """

    kind: ClassVar[str]
    """What its header calls itself."""

    def __init__(self, path: Path) -> None:
        self.shown = visible(str(path))
        self.count = 0
        self._has_header = False
        try:
            self._file = path.open("rb")
        except (OSError, ValueError) as error:
            raise self._unreadable(getattr(error, "strerror", None) or "not a possible file name") from None
        try:
            if not self._file.seekable():
                raise self._unreadable("it is a pipe, and a plan is read more than once")
            self._check()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return the plan, to be closed at the end of the block."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    @abstractmethod
    def take_header(self, raw: bytes) -> None:
        """Read the first line."""

    @abstractmethod
    def take(self, raw: bytes, number: int) -> None:
        """Read a line between the first and the last, whose number counts from 1, and see that it says one thing.

        A hash holds for a line that somebody made up, too.
        """

    @abstractmethod
    def finish(self) -> None:
        """Hold the lines against the header, when all were read."""

    def _unreadable(self, reason: str) -> UsageError:
        return UsageError(
            f"cannot read the plan {self.shown}: {reason}", f"name the file that `{self.kind} plan -o` wrote"
        )

    def _check(self) -> None:
        """Read all of it once: every line is what it should be, and the hash and the counts are right."""
        digest, end = hashlib.sha256(), None
        for number, raw in enumerate(self._lines()):
            if end is not None:
                raise self.broken("lines follow its end")
            if number == 0:
                self._refuse_other(raw)
                self.take_header(raw)
                self._has_header = True
            elif b'"type":"end"' in raw[:40]:
                end = self.parsed(End, raw, number)
                if end.count != self.count or end.sha256 != digest.hexdigest():
                    raise self.broken("its lines are not those that were written: somebody changed them")
            else:
                self.count += 1
                self.take(raw, number)
            digest.update(raw)
        if end is None:
            raise self.broken("its end is missing" if self._has_header else "it is empty")
        self.sha256 = end.sha256
        self.finish()

    def _lines(self) -> Iterator[bytes]:
        while raw := self._file.readline(_LONGEST):
            if not raw.endswith(b"\n"):
                raise self.broken("its last line is cut off")
            yield raw

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines between the first and the last again, with their numbers from 1."""
        self._file.seek(0)
        for number, raw in enumerate(self._file):
            if 0 < number <= self.count:
                yield number, raw

    def _refuse_other(self, raw: bytes) -> None:
        start = raw[:400].replace(b" ", b"")
        is_plan = f'"{PLAN_SCHEMA}"'.encode() in start
        if is_plan and f'"kind":"{self.kind}"'.encode() in start:
            return
        for other, what in (("migrate", "a migration"), ("repair", "a repair")):
            if is_plan and f'"kind":"{other}"'.encode() in start:
                raise self.broken(f"it is the plan of {what}", f"apply it with `dedupaudit {other} apply`")
        raise self.broken(f"its first line is not the header of a {self.kind} plan")

    def parsed(self, model: type[_Line], raw: bytes, number: int) -> _Line:
        """Return a line; raises Refused for what is none."""
        try:
            return model.model_validate_json(raw)
        except ValidationError:
            pass
        raise self.broken(f"line {number + 1} is not what a plan has there")

    @property
    def again(self) -> str:
        """What to do about a plan that is none."""
        return f"make it again with `dedupaudit {self.kind} plan`"

    def broken(self, why: str, hint: str = "") -> Refused:
        """Return what is raised for a file that cannot be applied."""
        return Refused(f"{self.shown} is no plan that can be applied: {why}", hint or self.again)
