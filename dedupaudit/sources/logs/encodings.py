"""In which encoding a log is, found on a sample, and its lines as UTF-8, in which words are looked for."""

from __future__ import annotations

import codecs
import re

from dedupaudit.sources.logs.protocol import Encoding

MISREAD: Encoding = "utf-8 misread as windows-1252"
SAMPLE = 1 << 18
_MUCH = 64  # bytes that are not ASCII
_BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HIGH = re.compile(rb"[\x80-\xff]")
_NUL_RUN = re.compile(rb"\x00{16,}")
_CONTROL = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_FOREIGN_MAGIC = (
    b"\x7fELF",
    b"\x89PNG",
    b"PK\x03\x04",
    b"SQLite format 3\x00",
    b"%PDF-",
    b"\xff\xd8\xff",
    b"MZ\x90\x00",
)
# Windows-1252 as the web reads it: what it leaves undefined stands for the control of the same number.
_BYTE_OF = {ord(bytes([b]).decode("cp1252", "replace")): b for b in range(0x80, 0x100)} | {
    b: b for b in range(0x80, 0x100)
}
_BYTE_OF.pop(0xFFFD, None)
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
_LEADS = "".join(chr(c) for c, b in _BYTE_OF.items() if 0xC2 <= b <= 0xF4)
_TRAILS = "".join(chr(c) for c, b in _BYTE_OF.items() if 0x80 <= b <= 0xBF) + "?\ufffd"
_UNDO = {char: byte for char, byte in _BYTE_OF.items() if char != byte}
_WIDE = re.compile("[^\x00-\xff]+")
_PAIR = re.compile(f"[{re.escape(_LEADS)}][{re.escape(_TRAILS)}]")


def mark(head: bytes) -> tuple[Encoding | None, int]:
    """Return the encoding that the first bytes prove (a mark, the zeros of UTF-16), and the length of the mark."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding, len(bom)
    sample = head[:2048]
    half = len(sample) // 2
    if half >= 4:
        # ASCII in UTF-16, such as a time: every second byte is zero, and the others hardly ever are.
        odd, even = sample[1::2].count(0), sample[::2].count(0)
        if odd > half * 0.1 and even < half * 0.02:
            return "utf-16-le", 0
        if even > half * 0.1 and odd < half * 0.02:
            return "utf-16-be", 0
    return None, 0


def is_binary(head: bytes) -> bool:
    """Say whether the first bytes are no text. Runs of zeros, as a power cut leaves them, do not count."""
    if head.startswith(_FOREIGN_MAGIC):
        return True
    sample = _NUL_RUN.sub(b"", head[:65536])
    return len(_CONTROL.findall(sample)) > len(sample) * 0.05


def guess(block: bytes) -> Encoding:
    """Return the encoding of text that is not UTF-16; ASCII where nothing in it is anything else."""
    first = _HIGH.search(block)
    if first is None:
        return "ascii"
    start = block.rfind(b"\n", 0, first.start()) + 1
    sample = block[start : start + SAMPLE]
    sample = sample[: sample.rfind(b"\n") + 1] or sample
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd") - sample.count(b"\xef\xbf\xbd")
    foreign = sum(char > "\x7f" for char in text) - text.count("\ufffd")
    if wrong == 0 or foreign > 2 * wrong:
        return MISREAD if _is_misread(text) else "utf-8"
    chinese = sample.decode("gb18030", "replace")
    return "gb18030" if chinese.count("\ufffd") * 4 < wrong else "utf-8"


def says_much(block: bytes) -> bool:
    """Say whether a guess from this block holds for the whole file: a few damaged bytes look like anything."""
    return len(_HIGH.findall(block)) >= _MUCH


def _is_misread(text: str) -> bool:
    foreign = [char for char in text if char > "\x7f" and char != "\ufffd"]
    mappable = sum(ord(char) in _BYTE_OF for char in foreign)
    return bool(foreign) and mappable >= 0.9 * len(foreign) and len(_PAIR.findall(text)) >= 0.2 * len(foreign)


def to_utf8(raw: bytes, encoding: Encoding) -> bytes:
    """Return whole lines as UTF-8, as many as there were; what does not decode becomes U+FFFD.

    ASCII and UTF-8 are left as they are, wrong bytes too.
    """
    if encoding in ("ascii", "utf-8"):
        return raw
    if encoding == MISREAD:
        return _undone(raw)
    text = raw.decode(encoding, "replace")
    if encoding == "gb18030" and text.count("\n") != raw.count(b"\n"):
        text = "\n".join(line.decode(encoding, "replace") for line in raw.split(b"\n"))
    return text.encode("utf-8", "replace")


def line_starts(raw: bytes, encoding: Encoding, base: int) -> list[int]:
    """Return where each line of a block begins, in the file's own bytes; `base` is where the block does."""
    if encoding == "utf-16-le":
        return [base, *(base + m.start() + 2 for m in re.finditer(rb"\n(?=\x00)", raw) if m.start() % 2 == 0)]
    if encoding == "utf-16-be":
        return [base, *(base + m.end() for m in re.finditer(rb"(?<=\x00)\n", raw) if m.start() % 2 == 1)]
    return [base, *(base + m.end() for m in re.finditer(rb"\n", raw))]


def _undone(raw: bytes) -> bytes:
    """Return the bytes that were once read as Windows-1252; those that were lost stay lost (see words.lossy)."""
    text = raw.decode("utf-8", "replace").translate(_UNDO)
    return _WIDE.sub(lambda wide: wide[0].encode("utf-8", "replace").decode("latin-1"), text).encode("latin-1")
