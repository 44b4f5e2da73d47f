"""Every encoding that the incident's logs came in: the same events, and the encoding is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dedupaudit.sources.logs.encodings import MISREAD
from tests.sources.logs.making import EVENTS, LINES, TEXT, read, short

UNDEFINED = (0x81, 0x8D, 0x8F, 0x90, 0x9D)


def misread(lost: str | None) -> Callable[[str], bytes]:
    """Read UTF-8 as Windows-1252 and save it again; `lost` stands for undefined bytes, None keeps them as controls."""

    def spoil(text: str) -> bytes:
        chars = []
        for byte in text.encode("utf-8"):
            if byte in UNDEFINED:
                chars.append(chr(byte) if lost is None else lost)
            else:
                chars.append(bytes([byte]).decode("cp1252"))
        return "".join(chars).encode("utf-8")

    return spoil


@pytest.mark.parametrize(
    ("encode", "encoding"),
    [
        (lambda text: text.encode("utf-8"), "utf-8"),
        (lambda text: text.encode("utf-8-sig"), "utf-8"),
        (lambda text: text.encode("gb18030"), "gb18030"),
        (lambda text: text.encode("utf-16-le"), "utf-16-le"),
        (lambda text: text.encode("utf-16-be"), "utf-16-be"),
        (lambda text: b"\xff\xfe" + text.encode("utf-16-le"), "utf-16-le"),
        (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), "utf-16-be"),
        (misread(None), MISREAD),
        (misread(""), MISREAD),
        (misread("?"), MISREAD),
        (misread("\ufffd"), MISREAD),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_events_are_the_same_in_every_encoding(
    tmp_path: Path, encode: Callable[[str], bytes], encoding: str, end: str
) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(encode(TEXT.replace("\n", end)))
    events, file = read(log)
    assert file.encoding == encoding
    assert short(events) == EVENTS
    assert (file.lines, file.events, file.bytes, file.damage) == (len(LINES), len(EVENTS), log.stat().st_size, None)
    assert events[0].at == 1_766_563_274_487_000


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le", "utf-16-be"])
def test_an_offset_is_where_the_line_begins_in_the_file(tmp_path: Path, encoding: str) -> None:
    raw = TEXT.encode(encoding)
    log = tmp_path / "app.log"
    log.write_bytes(raw)
    for event in read(log)[0]:
        line = LINES[event.line - 1].encode(encoding)
        assert raw[event.offset : event.offset + len(line)] == line


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_the_encoding_may_show_only_after_megabytes_of_ascii(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"2025-12-24T08:00:00.000Z heartbeat\n" * 200_000 + TEXT.encode(encoding))
    events, file = read(log)
    assert file.encoding == encoding
    assert short(events) == [(line + 200_000, event) for line, event in EVENTS]


def test_invalid_bytes_do_not_make_utf_8_something_else(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"x\xff\xc3 \x80\n" * 2 + TEXT.encode("utf-8"))
    events, file = read(log)
    assert file.encoding == "utf-8"
    assert short(events) == [(line + 2, event) for line, event in EVENTS]


def test_a_damaged_byte_early_in_a_file_decides_nothing(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"torn \xe9s\n" + b"2025-12-24T08:00:00.000Z heartbeat\n" * 20_000 + TEXT.encode("utf-8"))
    events, file = read(log)
    assert file.encoding == "utf-8"
    assert short(events) == [(line + 20_001, event) for line, event in EVENTS]


def test_french_text_is_no_misread_chinese(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("2025-12-24T08:00:00Z déjà reçu: sent activity_1, évènement à traiter\n" * 20, "utf-8")
    assert read(log)[1].encoding == "utf-8"


def test_a_last_line_that_was_cut_in_half_is_a_line(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(TEXT.encode("utf-8") + "2025-12-24T08:03:00.000Z 重新入队 activity_17665".encode() + b"\xe9\x87")
    events, file = read(log)
    assert (short(events), file.lines) == ([*EVENTS, (15, "requeue")], 15)
    assert events[-1].id == "activity_17665"


def test_zeros_in_a_log_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"\0" * 5000 + b"\n" + TEXT.encode("utf-8"))
    events, file = read(log)
    assert (file.encoding, file.damage) == ("utf-8", None)
    assert short(events) == [(line + 1, event) for line, event in EVENTS]


def test_a_log_of_ascii_is_called_so(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("1766563274 sending activity_1\n")
    events, file = read(log)
    assert (file.encoding, short(events), events[0].at) == ("ascii", [(1, "send")], 1_766_563_274_000_000)
