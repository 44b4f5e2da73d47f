"""Pieces of a file become blocks of whole lines in UTF-8, with where each line lies in the file.

No line is longer than MAX_LINE bytes: of a longer one the beginning is kept, so that no pattern meets ten megabytes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from dedupaudit.sources.logs.encodings import guess, is_binary, line_starts, mark, says_much, to_utf8
from dedupaudit.sources.logs.protocol import LogFile

MAX_LINE = 1 << 16
_HEAD = 1 << 16


class Block(NamedTuple):
    """Whole lines.

    `starts` is where each begins in the file, None where text and file agree from `offset` on; `places` has number and
    start of each of some lines that were picked out.
    """

    text: bytes
    first_line: int
    offset: int
    starts: list[int] | None = None
    places: list[tuple[int, int]] | None = None

    def place(self, index: int, begin: int) -> tuple[int, int]:
        """Return number and start in the file of the line of this index, which begins there in the text."""
        if self.places is not None:
            return self.places[index]
        return self.first_line + index, self.offset + begin if self.starts is None else self.starts[index]


class Lines:
    """Cuts the pieces of one file into blocks, and fills in what its LogFile says of them."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._decided = False
        self._wide = False
        self._offset = 0

    def blocks(self, pieces: Iterator[bytes]) -> Iterator[Block]:
        """Yield the blocks. A file that is no text yields none."""
        rest = b""
        head = self._head(pieces)
        if is_binary(head) and not self._wide:
            self._file.damage = "not read: it is no text"
            return
        for piece in self._all(head, pieces):
            self._file.bytes += len(piece)
            if self._wide:
                rest += piece
                end = self._last_end(rest)
                if end:
                    yield self._block(rest[:end])
                rest = rest[end:]
            elif end := piece.rfind(b"\n") + 1:
                yield self._block(b"".join((rest, memoryview(piece)[:end])))
                rest = piece[end:]
            else:
                rest += piece
            if len(rest) > 2 * MAX_LINE:
                rest = yield from self._long_line(rest, pieces)
        if rest:
            yield self._block(rest)

    def _head(self, pieces: Iterator[bytes]) -> bytes:
        head = b""
        for piece in pieces:
            head += piece
            if len(head) >= _HEAD:
                break
        encoding, skipped = mark(head)
        if encoding:
            self._file.encoding = encoding
            self._wide = encoding.startswith("utf-16")
            # A byte order mark says UTF-8, and misread text that was saved again may have one too.
            self._decided = self._wide
        self._offset = self._file.bytes = skipped
        return head[skipped:]

    @staticmethod
    def _all(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
        if head:
            yield head
        yield from pieces

    def _last_end(self, data: bytes) -> int:
        """Return where the last whole line of UTF-16 ends."""
        newline, at = self._newline(), len(data)
        while (at := data.rfind(newline, 0, at)) >= 0:
            if at % 2 == 0:
                return at + 2
            at += 1  # the two bytes may overlap with a true one before
        return 0

    def _newline(self) -> bytes:
        return b"\n\0" if self._file.encoding == "utf-16-le" else b"\0\n"

    def _first_end(self, data: bytes) -> int:
        """Return where the first line ends, 0 where it does not."""
        newline, at = (self._newline() if self._wide else b"\n"), -1
        while (at := data.find(newline, at + 1)) >= 0:
            if not self._wide or at % 2 == 0:
                return at + len(newline)
        return 0

    def _long_line(self, data: bytes, pieces: Iterator[bytes]) -> Generator[Block, None, bytes]:
        """Yield the beginning of a line that goes on and on, pass over the rest, and return what follows it."""
        start, size = data[:MAX_LINE], len(data)
        odd = data[size - size % 2 :] if self._wide else b""
        following = b""
        for piece in pieces:
            self._file.bytes += len(piece)
            chunk = odd + piece
            end = self._first_end(chunk)
            if end:
                size += end - len(odd)
                following = chunk[end:]
                break
            size += len(piece)
            odd = chunk[len(chunk) - len(chunk) % 2 :] if self._wide else b""
        yield self._block(start, size)
        return following

    def _block(self, raw: bytes, size: int | None = None) -> Block:
        """Return lines as UTF-8; `size` is how many bytes of the file they stand for, where that is more."""
        file = self._file
        if not self._decided:
            encoding = guess(raw)
            if encoding != "ascii":
                file.encoding, self._decided = encoding, says_much(raw)
        first, offset = file.lines + 1, self._offset
        self._offset += len(raw) if size is None else size
        if size is not None:
            file.lines += 1
            file.long_lines += 1
            return Block(to_utf8(raw, file.encoding).replace(b"\n", b" ")[:MAX_LINE], first, offset, [offset])
        if file.encoding in ("ascii", "utf-8"):
            text, starts = raw, None
        else:
            text, starts = to_utf8(raw, file.encoding), line_starts(raw, file.encoding, offset)
        if has_long_line(text):
            starts = starts or line_starts(raw, file.encoding, offset)
            lines = text.split(b"\n")
            file.long_lines += sum(len(line) > MAX_LINE for line in lines)
            text = b"\n".join([line[:MAX_LINE] for line in lines])
        file.lines += text.count(b"\n") + (not text.endswith(b"\n"))
        return Block(text, first, offset, starts)


def has_long_line(text: bytes) -> bool:
    """Say whether a line is longer than MAX_LINE, by hops from line end to line end."""
    at, size = 0, len(text)
    while at + MAX_LINE < size:
        end = text.rfind(b"\n", at, at + MAX_LINE + 1)
        if end < 0:
            return True
        at = end + 1
    return False
