"""Hostile tables for hypothesis: keys that look alike, are blank, broken, huge, or of another type."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from hypothesis import strategies as st

from dedupaudit.config import TableSettings
from tests.conformance.databases import Col, Database, RawText, Stored, Tab, Type

TEXTS = (
    "", " ", "\t", "\u00a0", "\u3000", " \n ", "a", "A", "a ", " a", "ａ", "Ａ", "a\u200b",
    "é", "e\u0301", "É", "ß", "ss", "SS", "ﬁ", "fi", "İ", "i\u0307", "ſ", "s", "😀", "😀 ",
    "a\nb", "a\r\nb", "'", '"', "''", "\\", "a\0b", "A\0B", "\0", "x" * 255, "X" * 255, "é" * 255,
    "1", "01", "1.0", "1e0", "9223372036854775808", "\x1b[31m", "{table}", "%s", "?", "x||y", "z", "x", "y||z",
    "NULL", "=cmd()", "<script>", "[bold]", str(uuid.UUID(int=10)), str(uuid.UUID(int=10)).upper(),
)  # fmt: skip
NUMBERS = (
    0,
    1,
    -1,
    2**53,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    1.0,
    1.5,
    -0.0,
    0.1,
    9007199254740992.0,
    1e300,
    float("inf"),
)
BYTES = (b"", b"a", b"A", b"1", b"\0", b"\xff", uuid.UUID(int=10).bytes)
BROKEN = (RawText(b"\xff"), RawText(b"a\xff"), RawText(b"A\xff"), RawText(b"\xc3"), RawText(b"\xed\xa0\x80"))
JSONS = (
    "1", "1.0", '"1"', '{"a":1,"b":[1,2]}', '{"b": [1.0, 2], "a": 1e0}', '{"b":[2,1],"a":1}', '{"a":1,"a":1}',
    '{"a":1, "a":1}', "NaN", "[true]", "[1]", "null", '"\\u0061"', '"a"', "{", "[" * 300 + "]" * 300,
    '{"k":"' + "y" * 300 + '"}', '{ "k": "' + "y" * 300 + '" }', "y" * 257, "Y" * 257,
)  # fmt: skip
# Equal to some database or folding, and not to another.
FAMILIES: tuple[tuple[Stored, ...], ...] = (
    ("a", "A", "a ", "A ", " a", "\uff41"),
    ("\u00e9", "e\u0301", "\u00c9", "E\u0301"),
    ("\u00df", "ss", "SS", "\u1e9e", "\u017fs"),
    ("", " ", "\t", "\u3000", None),
    ("1", "1 ", "01", 1, 1.0, 1.5, "1.0", b"1"),
    (2**53, 2**53 + 1, 9007199254740992.0, "9007199254740993"),
    (0, -0.0, "0", b"\0", "\0", None),
    (RawText(b"a\xff"), RawText(b"A\xff"), RawText(b"a\xff "), b"a\xff", "a\ufffd"),
    ("a\0b", "A\0B", "a\0", "a"),
    ("x" * 255, "X" * 255, "x" * 254),
)
DAY = 86_400_000
NOON = 1_766_577_600_000
OF_TYPE: dict[Type, tuple[Stored, ...]] = {
    "text": (*TEXTS, *BROKEN),
    "integer": tuple(number for number in NUMBERS if isinstance(number, int)),
    "real": tuple(map(float, NUMBERS)),
    "bytes": BYTES,
    "any": (*TEXTS, *NUMBERS, *BYTES, *BROKEN),
    "json": JSONS,
}


@dataclass(frozen=True)
class Case:
    """A table, how it is stored, and how it is configured."""

    table: Tab
    variant: str
    located: tuple[str, ...]
    key: tuple[Col, ...]
    compared: tuple[Col, ...]
    where: bool

    @property
    def settings(self) -> TableSettings:
        """The configuration that says which columns are what; created_at has its usual name."""
        return TableSettings(
            name=self.located,
            key=tuple(column.name for column in self.key),
            group="kind",
            where="shown = 1" if self.where else False,
        )


@st.composite
def cases(draw: st.DrawFn, database: Database, variant: str) -> Case:
    """Draw a table of a few rows, most of which repeat an earlier key or nearly so."""
    key = tuple(
        draw(st.lists(_key_columns(database, variant), min_size=1, max_size=2, unique_by=lambda column: column.name))
    )
    kind = Col("kind", "text", draw(st.sampled_from(database.collations(variant))))
    payload = Col("payload", "text" if variant == "strict" else draw(st.sampled_from(["text", "json"])))
    columns = (*key, kind, Col("created_at", "integer"), payload, Col("shown", "integer"))
    # Few values a table, or nothing would repeat.
    values = [_values(draw, database, variant, column) for column in key]
    possible = [value for value in JSONS if database.can_store(value, payload, variant)]
    payloads = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=3))
    row = st.tuples(
        *(st.sampled_from(known) for known in values),
        st.sampled_from(["click", "CLICK", "key", "", None]),
        st.none() | st.integers(-2, 2).map(lambda number: NOON + number * DAY // 2 + number),
        st.sampled_from([*payloads, payloads[0], payloads[0]]),
        st.sampled_from([1, 1, 1, 0]),
    )
    rows = tuple(draw(st.lists(row, min_size=draw(st.sampled_from([0, 4, 8])), max_size=14)))
    names = tuple(column.name for column in key)
    indexed = draw(st.booleans())
    table = Tab("t", columns, rows, indexes=(("by key", names),) if indexed else ())
    compared = (*key, kind, payload, Col("shown", "integer"))
    return Case(table, variant, database.located(table, variant), key, compared, draw(st.booleans()))


def _key_columns(database: Database, variant: str) -> st.SearchStrategy[Col]:
    kinds = [kind for kind in ("text", "text", "any", "integer", "real", "bytes") if kind in database.types]
    return st.builds(
        Col,
        name=st.sampled_from(["id", "device id"]),
        type=st.sampled_from(kinds),
        collation=st.sampled_from(database.collations(variant)),
    )


def _values(draw: st.DrawFn, database: Database, variant: str, column: Col) -> list[Stored]:
    possible = [value for value in OF_TYPE[column.type] if database.can_store(value, column, variant)]
    known = {(type(value), value) for value in possible} | {(type(None), None)}
    family = [
        value
        for value in draw(st.sampled_from(FAMILIES))
        if database.can_store(value, column, variant)
        and (column.type in ("text", "any") or (type(value), value) in known)
    ]
    if column.type == "text":
        family = [value for value in family if isinstance(value, str | RawText | None)]
    if len(family) < 2 or draw(st.integers(0, 3)) == 0:
        family = draw(st.lists(st.sampled_from([*possible, None]), min_size=1, max_size=4))
    begin = draw(st.integers(0, max(0, len(family) - 3)))
    return family[begin : begin + 3]
