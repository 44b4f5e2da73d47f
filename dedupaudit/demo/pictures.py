"""The demo's pictures: real JPEG files of one grey pixel, told apart by a comment inside."""

from __future__ import annotations


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


_JFIF = _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
# ITU T.81, annex B: one quantisation table of ones, one component of 1x1, and Huffman tables with one code each.
_QUANTISATION = _segment(0xDB, b"\x00" + b"\x01" * 64)
_FRAME = _segment(0xC0, bytes((8, 0, 1, 0, 1, 1, 1, 0x11, 0)))
_ONE_CODE = bytes((1, *([0] * 15), 0))
_HUFFMAN = _segment(0xC4, b"\x00" + _ONE_CODE) + _segment(0xC4, b"\x10" + _ONE_CODE)
_SCAN = _segment(0xDA, bytes((1, 1, 0, 0, 63, 0))) + b"\x3f"


def jpeg(subject: str) -> bytes:
    """Return a valid JPEG file whose bytes and size depend on `subject` alone."""
    comment = _segment(0xFE, subject.encode("utf-8"))
    return b"\xff\xd8" + _JFIF + comment + _QUANTISATION + _FRAME + _HUFFMAN + _SCAN + b"\xff\xd9"
