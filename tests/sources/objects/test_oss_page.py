"""The fast parser and the strict one read the same, or refuse: a page is never read in part."""

from __future__ import annotations

import re
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.sources.objects import oss_page
from dedupaudit.sources.objects.oss_page import MalformedPage, parse, parse_strict

KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=1, max_size=8)


def page(keys: list[str], gap: str = "\n  ", tail: str = "<KeyCount>{n}</KeyCount>") -> bytes:
    contents = "".join(
        f"<Contents>{gap}<Key>{quote(key, safe='')}</Key>{gap}<LastModified>2026-02-{day:02}T23:59:5{day % 10}.000Z"
        f'</LastModified>{gap}<ETag>"{day:032X}"</ETag>{gap}<Type>{"Normal" if day % 2 else "Multipart"}</Type>{gap}'
        f"<Size>{day * 10**day}</Size>{gap}<StorageClass>IA</StorageClass>{gap}</Contents>{gap}"
        for day, key in enumerate(keys, 1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult>{gap}<Name>b</Name>{gap}<Prefix/>{gap}'
        f"<EncodingType>url</EncodingType>{gap}<IsTruncated>true</IsTruncated>{gap}"
        f"<NextContinuationToken>x%2F</NextContinuationToken>{gap}{contents}{tail.format(n=len(keys))}</ListBucketResult>"
    ).encode()


@given(KEYS, st.sampled_from(["", "\n    "]))
def test_both_parsers_agree_with_the_keys_and_with_elementtree(keys: list[str], gap: str) -> None:
    body = page(keys, gap)
    fast = oss_page._parse_fast(body)
    assert fast is not None
    assert fast == parse_strict(body)
    assert [fact.key for fact in fast.objects] == keys
    root = ElementTree.fromstring(body)  # noqa: S314 (made above)
    assert [str(fact.size) for fact in fast.objects] == [each.text for each in root.iter("Size")]
    assert [fact.etag for fact in fast.objects] == [(each.text or "").strip('"') for each in root.iter("ETag")]
    assert [fact.is_md5 for fact in fast.objects] == [each.text == "Normal" for each in root.iter("Type")]


@given(KEYS, st.data())
def test_a_page_that_is_cut_anywhere_is_refused(keys: list[str], data: st.DataObject) -> None:
    body = page(keys)
    with pytest.raises(MalformedPage):
        parse(body[: data.draw(st.integers(0, len(body) - 1))])


@given(KEYS, st.data())
def test_whatever_the_fast_parser_takes_the_strict_one_reads_alike(keys: list[str], data: st.DataObject) -> None:
    body = page(keys, tail="")
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 40)))
    patch = data.draw(
        st.sampled_from(
            [b"", b"<", b"&", b"%", b"%zz", b"<x/>", b"<!--", b"</Contents>", b"\xff", b"\0", b"\f", b"]]>", b"7"]
        )
    )
    changed = body[:start] + patch + body[end:]
    try:
        fast = oss_page._parse_fast(changed)
    except (ValueError, KeyError):
        return
    if fast is not None:
        assert fast == parse_strict(changed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<KeyCount>2<", b"<KeyCount>3<"),
        (b"<IsTruncated>true<", b"<IsTruncated>perhaps<"),
        (b"<IsTruncated>true</IsTruncated>", b""),
        (b"<Key>b</Key>", b"<Key>%ff</Key>"),
        (b"<Key>b</Key>", b"<Key>%zz</Key>"),
        (b"<Key>b</Key>", b""),
        (b"<Key>b</Key>", b"<Key>b</Key><Key>c</Key>"),
        (b"2026-02-02T", b"2026-02-31T"),
        (b"23:59:52", b"23:59:60"),
        (b"<Size>200<", b"<Size>-1<"),
        (b'<?xml version="1.0" encoding="UTF-8"?>', b"<!DOCTYPE x [<!ENTITY y 'z'>]>"),
        (b"ListBucketResult", b"Error"),
        (b"<Name>b</Name>", b"<Name>b</Name><Name>c</Name>"),
        (b"<Prefix/>", b"<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes>"),
    ],
)
def test_a_page_that_contradicts_itself_is_refused(old: bytes, new: bytes) -> None:
    body = page(["a", "b"])
    assert old in body
    with pytest.raises(MalformedPage):
        parse(body.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        (b"<EncodingType>url</EncodingType>", b"", ["a", "%25"]),
        (b"<Key>a</Key>", "<Key>ä &amp; b</Key>".encode(), ["ä & b", "%"]),
        (b"<ListBucketResult>", b'<ListBucketResult xmlns="http://x">', ["a", "%"]),
        (b"<StorageClass>IA<", b"<RestoreInfo>ongoing</RestoreInfo><StorageClass>IA<", ["a", "%"]),
        (b".000Z", b".123Z", ["a", "%"]),
    ],
)
def test_unusual_pages_are_read_too(old: bytes, new: bytes, keys: list[str]) -> None:
    body = page(["a", "%"])
    assert re.search(re.escape(old), body)
    assert [fact.key for fact in parse(body.replace(old, new)).objects] == keys
