"""A file's bytes, unpacked as they stream by: as far as they go, and then why they stopped."""

from __future__ import annotations

import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from dedupaudit.display import visible
from dedupaudit.sources.logs.protocol import Compression, LogFile

# Bytes, unpacked, that are handed on at once: what is looked at several times had better stay in the cache.
_PIECE = 1 << 18
_PACKED_PIECE = 1 << 16
# A block of zstd is up to 128 KB from as little as 4 bytes, and its decompressor knows no limit of output.
_ZSTD_PIECE = 1 << 11
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def pieces(file: LogFile, path: str, standard_input: BinaryIO | None = None) -> Iterator[bytes]:
    """Yield the unpacked bytes; `file` learns the compression and, where they end early, the damage.

    A file that grows is read to the size it had when it was opened.
    """
    try:
        if standard_input is not None:
            yield from _unpacked(file, _Limited(standard_input, None))
            return
        with open(path, "rb", buffering=0, opener=_open_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISDIR(status.st_mode):
                file.damage = "not read: it is a folder"
                return
            size = status.st_size if stat.S_ISREG(status.st_mode) else None
            yield from _unpacked(file, _Limited(stream, size))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        file.damage = f"{'read in part' if file.bytes else 'not read'}: {visible(reason)}"


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe without a writer would hold the run for ever."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    return fd


class _Limited:
    """Reads a stream to the size that it had at first."""

    def __init__(self, stream: BinaryIO | io.FileIO, size: int | None) -> None:
        self._stream, self._left = stream, size

    def read(self, count: int) -> bytes:
        if self._left is not None:
            count = min(count, self._left)
        data = self._stream.read(count) if count else b""
        if self._left is not None:
            self._left -= len(data or b"")
        return data or b""


def _unpacked(file: LogFile, stream: _Limited) -> Iterator[bytes]:
    head = stream.read(_PACKED_PIECE)
    while 0 < len(head) < 8 and (more := stream.read(_PACKED_PIECE)):
        head += more
    file.compression = next((name for magic, name in _MAGIC if head.startswith(magic)), "none")
    if file.compression == "none":
        while head:
            yield head
            head = stream.read(_PIECE)
    elif file.compression == "zstd":
        yield from _zstd(file, stream, head)
    else:
        make = _gzip if file.compression == "gzip" else lzma.LZMADecompressor
        yield from _members(file, stream, head, make)


def _gzip() -> Any:
    return zlib.decompressobj(wbits=31)


def _members(file: LogFile, stream: _Limited, data: bytes, make: Callable[[], Any]) -> Iterator[bytes]:
    """Yield what gzip or xz hold: several members may follow each other, and zeros may fill the end."""
    magic = data[:3]
    unpacker: Any = make()
    while True:
        try:
            out = unpacker.decompress(data, _PIECE)
        except (zlib.error, lzma.LZMAError) as error:
            file.damage = f"read in part: damaged {file.compression} data ({visible(str(error))})"
            return
        if out:
            yield out
        if unpacker.eof:
            data = (unpacker.unused_data or stream.read(_PACKED_PIECE)).lstrip(b"\0")
            while not data and (more := stream.read(_PACKED_PIECE)):
                data = more.lstrip(b"\0")
            if not data:
                return
            if not data.startswith(magic[: len(data)]):
                file.damage = f"read in part: something that is no {file.compression} follows the packed data"
                return
            unpacker = make()
            continue
        data = getattr(unpacker, "unconsumed_tail", b"")
        if not data and (getattr(unpacker, "needs_input", True)):
            data = stream.read(_PACKED_PIECE)
            if not data and not out:
                file.damage = f"read in part: the {file.compression} data is cut off"
                return


def _zstd(file: LogFile, stream: _Limited, data: bytes) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        file.damage = "not read: it is packed with zstd; install dedupaudit[zstd], or unpack it: zstd -d FILE"
        return
    unpacker: Any = zstandard.ZstdDecompressor().decompressobj()
    started = False
    while data:
        for start in range(0, len(data), _ZSTD_PIECE):
            piece = data[start : start + _ZSTD_PIECE]
            while piece:
                try:
                    out = unpacker.decompress(piece)
                except zstandard.ZstdError as error:
                    file.damage = f"read in part: damaged zstd data ({visible(str(error))})"
                    return
                started = True
                if out:
                    yield out
                piece = b""
                if unpacker.eof:
                    piece = unpacker.unused_data
                    unpacker, started = zstandard.ZstdDecompressor().decompressobj(), False
        data = stream.read(_PACKED_PIECE)
    if started:
        file.damage = "read in part: the zstd data is cut off"
