"""How values of MySQL and MariaDB travel: what SQL reads a column's bytes, and what Python makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.payload import LONG
from dedupaudit.sources.tables.protocol import Undecodable, Value

LONGEST_JSON = 65_536
Decode = Callable[[bytes], Value]

_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year", "bit", "boolean"}
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_UNBOUNDED = {"tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob", "json"}
_NUMBERED = {"enum", "set", "bit"}
# Character sets whose ASCII characters are the bytes of ASCII, and Python's codec for each.
_CODECS = {
    "utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "ascii": "ascii", "latin1": "cp1252",
    "latin2": "iso8859_2",
    "latin5": "iso8859_9", "latin7": "iso8859_13", "greek": "iso8859_7", "hebrew": "iso8859_8", "cp1250": "cp1250",
    "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257", "cp850": "cp850", "cp852": "cp852", "cp866": "cp866",
    "koi8r": "koi8_r", "koi8u": "koi8_u", "tis620": "tis_620", "gbk": "gbk", "gb2312": "gb2312", "gb18030": "gb18030",
    "big5": "big5", "euckr": "euc_kr", "ujis": "euc_jp", "eucjpms": "euc_jp", "sjis": "shift_jis", "cp932": "cp932",
}  # fmt: skip
_WIDE = {"ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be"}


@dataclass(frozen=True)
class Kind:
    """What a column is, for reading: its base type and, of text, the character set."""

    base: str
    charset: str
    unsigned: bool = False

    @property
    def text(self) -> bool:
        """Whether its values are text in some character set."""
        return self.base in _TEXTS and self.charset != "binary"

    @property
    def bytes(self) -> bool:
        """Whether its values are bytes, and not text or numbers."""
        return self.base in _BYTES or (self.base in _TEXTS and self.charset == "binary")

    @property
    def integer(self) -> bool:
        """Whether its values are integers."""
        return self.base in _INTEGERS

    @property
    def real(self) -> bool:
        """Whether its values are floating-point numbers."""
        return self.base in ("float", "double", "real")

    @property
    def number(self) -> bool:
        """Whether it is compared as a number."""
        return self.integer or self.real or self.base in ("decimal", "numeric", "dec", "fixed")

    @property
    def unbounded(self) -> bool:
        """Whether a value may be too long to sort or to hash with all the rest."""
        return self.base in _UNBOUNDED

    @property
    def numbered(self) -> bool:
        """Whether unique indexes compare a number that stands for the value."""
        return self.base in _NUMBERED

    @property
    def moment(self) -> bool:
        """Whether it is TIMESTAMP, which the session reads in UTC."""
        return self.base == "timestamp"

    @property
    def opaque(self) -> bool:
        """Whether it is none of the known types: geometry, vectors, what a later version adds."""
        known = self.text or self.bytes or self.number or self.base in _UNBOUNDED
        return not known and self.base not in ("date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6")

    @property
    def wide(self) -> bool:
        """Whether an ASCII character is more than one byte."""
        return self.charset in _WIDE


def kind_of(column: Column) -> Kind:
    """Return what the catalog's `declared` and `collation` say: `bigint(20) unsigned`, `utf8mb4_general_ci`."""
    words = column.declared.lower().replace("(", " ").split()
    return Kind(words[0] if words else "", column.collation.partition("_")[0].lower(), "unsigned" in words)


def read(column: Column, name: str) -> str:
    """Return SQL for a column's whole value, as bytes that `decoder` understands."""
    kind = kind_of(column)
    if kind.text:
        return f"CAST({name} AS BINARY)"
    if kind.real:
        # A FLOAT's own text shows 16777200 for 16777218.
        return f"({name} + 0e0)"
    if kind.base == "bit":
        return f"({name} + 0)"
    if kind.base in ("uuid", "inet4", "inet6", "json"):
        return f"CAST(CAST({name} AS CHAR) AS BINARY)"
    return f"CAST({name} AS BINARY)" if kind.opaque else name


def compared(column: Column, name: str, salt: str) -> str:
    """Return SQL for a value to compare: a long one as a hash that no stored value can be, since the salt is secret."""
    kind = kind_of(column)
    if not (kind.text or kind.bytes or kind.opaque or kind.base == "json"):
        return read(column, name)
    longest = LONGEST_JSON if column.json else LONG
    held = f"CAST({name} AS CHAR)" if kind.base == "json" else f"CAST({name} AS BINARY)" if kind.opaque else name
    measure = f"CHAR_LENGTH({held})" if kind.text or kind.base == "json" else f"LENGTH({held})"
    # Hashed twice: CONCAT with the value itself would copy it, and is NULL above max_allowed_packet.
    hashed = f"CAST(SHA2(CONCAT('{salt}', SHA2({held}, 256)), 256) AS BINARY)"
    return f"CASE WHEN {measure} > {longest} THEN {hashed} ELSE {read(column, name)} END"


def decoder(column: Column) -> Decode:
    """Return what turns the bytes that `read` or `compared` asked for into a value."""
    kind = kind_of(column)
    if kind.text:
        return text_decoder(kind.charset)
    if kind.bytes or kind.opaque:
        return bytes
    if kind.integer:
        return int
    if kind.real:
        return float
    return text_decoder("utf8mb4")


def moment_decoder(column: Column) -> Callable[[bytes], object]:
    """Return what turns a column's bytes into what `parse_time` takes."""
    kind = kind_of(column)
    if kind.moment:
        return lambda raw: raw.decode("ascii", "replace") + "+00:00"
    if kind.base in ("decimal", "numeric"):
        return lambda raw: int(Decimal(raw.decode("ascii")))
    decode = decoder(column)
    return lambda raw: None if isinstance(value := decode(raw), Undecodable | bytes) else value


def text_decoder(charset: str) -> Decode:
    """Return what decodes text of a character set; what does not decode is kept as the bytes it is."""
    if charset == "latin1":
        return _from_latin1
    codec = _CODECS.get(charset) or _WIDE.get(charset, "ascii")

    def decode(raw: bytes) -> Value:
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            return Undecodable(raw)

    return decode


def encode(value: Value, charset: str) -> bytes | None:
    """Return the bytes that decode to a text, or None where the character set has none for it."""
    if isinstance(value, Undecodable):
        return value.raw
    if not isinstance(value, str):
        return None
    if charset == "latin1":
        return _to_latin1(value)
    codec = _CODECS.get(charset) or _WIDE.get(charset, "ascii")
    try:
        return value.encode(codec)
    except UnicodeEncodeError:
        return None


def _from_latin1(raw: bytes) -> str:
    """Decode MySQL's latin1: cp1252, with the five bytes that it leaves open as the control characters they are."""
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(_LATIN1[byte] for byte in raw)


def _to_latin1(text: str) -> bytes | None:
    try:
        return bytes(_FROM_LATIN1[character] for character in text)
    except KeyError:
        return None


def _latin1_character(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


_LATIN1 = [_latin1_character(byte) for byte in range(256)]
_FROM_LATIN1 = {character: byte for byte, character in enumerate(_LATIN1)}
