"""The fake OSS as oss2, the real client, sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import oss2
import pytest

from tests.oss.clients import bucket_of
from tests.oss.objects import StoredObject, described, stored
from tests.oss.server import FakeOss

HOSTILE = [
    "%",
    "%2F",
    "a b",
    "a+b",
    "a//b",
    "../a",
    "./a",
    "a/../b",
    "a&b=c?d#e",
    "<&>\"'",
    "tab\tnew\nline",
    "control\x01\x7f",
    "\U0001f4f7.jpg",
    "\uffef",
    "照片/图.jpg",
    "e\u0301",
    "\u00e9",
    "~-_.",
    "k" * 1023,
]


@pytest.fixture(params=[1, 4])
def client(request: pytest.FixtureRequest, oss: FakeOss) -> Iterator[oss2.Bucket]:
    with bucket_of(oss, version=request.param) as made:
        yield made


def keys(client: oss2.Bucket, **given: object) -> list[str]:
    return [found.key for found in oss2.ObjectIteratorV2(client, **given)]


def test_an_object_comes_back_as_it_was_put(oss: FakeOss, client: oss2.Bucket) -> None:
    client.put_object("a/b.jpg", b"picture", headers={"x-oss-meta-owner": "ann", "Content-Type": "image/jpeg"})
    md5 = hashlib.md5(b"picture").hexdigest().upper()  # noqa: S324 - OSS's own ETag
    got = client.get_object("a/b.jpg")
    assert (got.read(), got.content_length, got.object_type, got.etag) == (b"picture", 7, "Normal", md5)
    head = client.head_object("a/b.jpg")
    assert (head.headers["x-oss-meta-owner"], head.content_type) == ("ann", "image/jpeg")
    assert head.headers["ETag"] == f'"{md5}"'
    assert client.get_object("a/b.jpg", byte_range=(2, 4)).read() == b"ctu"
    assert client.get_object("a/b.jpg", byte_range=(None, 2)).read() == b"re"
    assert client.get_object("a/b.jpg", byte_range=(5, None)).read() == b"re"
    assert oss.counts == {"put": 1, "get": 4, "head": 1}


@pytest.mark.parametrize("key", HOSTILE)
def test_every_key_is_one_object_and_listed_as_it_is(client: oss2.Bucket, key: str) -> None:
    client.put_object(key, key.encode())
    assert client.get_object(key).read() == key.encode()
    assert keys(client) == keys(client, prefix=key) == [key]
    assert keys(client, start_after=key) == []
    client.copy_object(client.bucket_name, key, "copy")
    assert client.head_object("copy").content_length == len(key.encode())
    if "\x01" in key:  # oss2 sends it as it is, and no XML 1.0 can hold it
        with pytest.raises(oss2.exceptions.MalformedXml):
            client.batch_delete_objects([key])
        client.delete_object(key)
    else:
        assert client.batch_delete_objects([key]).deleted_keys == [key]
    assert not client.object_exists(key)


def test_a_listing_is_in_the_order_of_bytes(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.bucket.fill(HOSTILE)
    assert keys(client, max_keys=3) == sorted(HOSTILE, key=str.encode)
    assert oss.counts["list"] == -(-len(HOSTILE) // 3)


def test_a_listing_tells_what_head_tells(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.bucket.put("a", b"picture", modified=1700000000)
    oss.bucket.put("b", StoredObject(5, "0" * 32 + "-2", 1700000001, kind="Multipart", storage_class="IA"))
    for found in oss2.ObjectIteratorV2(client):
        head = client.head_object(found.key)
        assert (found.etag, found.size, found.last_modified) == (head.etag, head.content_length, head.last_modified)
        assert (found.type, found.storage_class) == (head.object_type, head.headers["x-oss-storage-class"])


def test_a_listing_can_be_split_at_any_key(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.bucket.fill([f"p/{number:04}" for number in range(2500)] + ["o", "q"])
    for split in ("p/", "p/0999", "p/0999x", "p/2499", "q"):
        beyond = keys(client, prefix="p/", start_after=split, max_keys=1000)
        assert beyond == [key for key in oss.bucket.keys if key.startswith("p/") and key > split]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_delimiter_folds_what_lies_below_it(oss: FakeOss, client: oss2.Bucket, size: int) -> None:
    oss.bucket.fill(["p/", "p/a", "p/b/1", "p/b/2", "p/b/c/3", "p/b0", "p/d/1", "q"])
    found = [(each.key, each.is_prefix()) for each in oss2.ObjectIteratorV2(client, "p/", "/", max_keys=size)]
    assert found == [("p/", False), ("p/a", False), ("p/b/", True), ("p/b0", False), ("p/d/", True)]
    assert [each.key for each in oss2.ObjectIterator(client, "p/", "/", max_keys=size)] == [key for key, _ in found]


@pytest.mark.parametrize("url", ["", "url"])
def test_prerendered_pages_are_the_pages(oss: FakeOss, client: oss2.Bucket, url: str) -> None:
    oss.bucket.fill([*HOSTILE[4:10], *(f"p/{number:04}" for number in range(1234))])

    def page(after: str) -> object:
        params = {"list-type": "2", "start-after": after, "encoding-type": url}
        return client._do("GET", client.bucket_name, "", params=params).read()

    places = ("", "a", "p/0500", "q")
    lazily = [page(after) for after in places]
    oss.prerender()
    assert [page(after) for after in places] == lazily
    oss.bucket.put("p/0500x")
    assert keys(client, start_after="p/05", max_keys=1000)[1] == "p/0500x"


def test_quiet_deletion_says_nothing(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.bucket.fill(["a", "b", "c"])
    body = b"<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>none</Key></Object></Delete>"
    headers = {"Content-MD5": oss2.utils.content_md5(body)}
    answer = client._do("POST", client.bucket_name, "", data=body, params={"delete": ""}, headers=headers)
    assert answer.read() == b""
    client.delete_object("b")
    client.delete_object("b")
    assert oss.bucket.keys == ["c"]


def test_a_multipart_object_has_no_md5_for_an_etag(oss: FakeOss, client: oss2.Bucket) -> None:
    first, second = b"x" * 102400, b"end"
    upload = client.init_multipart_upload("照片 1").upload_id
    parts = [
        oss2.models.PartInfo(number, client.upload_part("照片 1", upload, number, content).etag)
        for number, content in enumerate((first, second), 1)
    ]
    assert [(each.key, each.upload_id) for each in oss2.MultipartUploadIterator(client)] == [("照片 1", upload)]
    assert [part.size for part in client.list_parts("照片 1", upload).parts] == [102400, 3]
    assert keys(client) == []
    digests = hashlib.md5(first).digest() + hashlib.md5(second).digest()  # noqa: S324 - OSS's own ETag
    whole = hashlib.md5(digests).hexdigest().upper() + "-2"  # noqa: S324 - OSS's own ETag
    assert client.complete_multipart_upload("照片 1", upload, parts).etag == whole
    head = client.head_object("照片 1")
    assert (head.object_type, head.etag, head.content_length) == ("Multipart", whole, 102403)
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        client.abort_multipart_upload("照片 1", upload)


def test_interrupted_uploads_are_listed_by_key_then_upload(oss: FakeOss, client: oss2.Bucket) -> None:
    left = [oss.bucket.leave_upload(key, [1, 2], initiated=1700000000) for key in ("b", "a", "a", "a+ c", "b")]
    wanted = sorted((upload.key, upload.upload_id) for upload in left)
    for size in (1, 2, 1000):
        found = list(oss2.MultipartUploadIterator(client, max_uploads=size))
        assert [(each.key, each.upload_id) for each in found] == wanted
    assert [part.size for part in oss2.PartIterator(client, "b", left[0].upload_id, max_parts=1)] == [1, 2]
    client.abort_multipart_upload("b", left[0].upload_id)
    assert len(oss.bucket.uploads) == 4


def test_a_copy_may_refuse_to_overwrite(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.bucket.put("a", b"1", modified=1)
    client.copy_object(client.bucket_name, "a", "b", headers={"x-oss-forbid-overwrite": "true"})
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        client.copy_object(client.bucket_name, "a", "b", headers={"x-oss-forbid-overwrite": "true"})
    assert (refused.value.status, refused.value.code) == (409, "FileAlreadyExists")
    with pytest.raises(oss2.exceptions.NoSuchKey):
        client.copy_object(client.bucket_name, "none", "b")
    assert oss.bucket.get("b").modified > 1


def test_a_wrong_content_md5_is_refused_and_nothing_stored(oss: FakeOss, client: oss2.Bucket) -> None:
    with pytest.raises(oss2.exceptions.InvalidDigest):
        client.put_object("a", b"1", headers={"Content-MD5": oss2.utils.content_md5(b"2")})
    assert oss.bucket.keys == []


def test_conditions_are_kept(oss: FakeOss, client: oss2.Bucket) -> None:
    etag = oss.bucket.put("a", b"1").etag
    assert client.head_object("a", headers={"If-Match": f'"{etag}"'}).etag == etag
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        client.head_object("a", headers={"If-Match": '"0"'})
    with pytest.raises(oss2.exceptions.NotModified):
        client.get_object("a", headers={"If-None-Match": f'"{etag}"'})


def test_what_is_not_there_is_told_with_its_code_for_head_too(oss: FakeOss, client: oss2.Bucket) -> None:
    for look in (client.head_object, client.get_object):
        with pytest.raises(oss2.exceptions.NoSuchKey) as missing:
            look("none")
        assert missing.value.request_id
        assert missing.value.details["Key"] == "none"
    with bucket_of(oss, name="elsewhere") as other, pytest.raises(oss2.exceptions.NoSuchBucket):
        other.head_object("none")
    assert [entry.status for entry in oss.log] == [404, 404, 404]


@pytest.mark.parametrize(
    "params",
    [{"max-keys": "1001"}, {"max-keys": "0"}, {"continuation-token": "?"}, {"encoding-type": "base64"}],
)
def test_arguments_that_make_no_sense_are_refused(client: oss2.Bucket, params: dict[str, str]) -> None:
    with pytest.raises(oss2.exceptions.InvalidArgument):
        client._do("GET", client.bucket_name, "", params={"list-type": "2", **params})


@pytest.mark.parametrize("key", ["/a", "\\a", "k" * 1024])
def test_names_that_oss_does_not_allow_are_refused(client: oss2.Bucket, key: str) -> None:
    with pytest.raises(oss2.exceptions.InvalidObjectName):
        client.put_object(key, b"")


def test_a_bucket_tells_about_itself(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.bucket.fill(["a", "bcd"])
    oss.bucket.leave_upload("a", [1, 2])
    stat = client.get_bucket_stat()
    assert (stat.object_count, stat.storage_size_in_bytes, stat.multi_part_upload_count) == (2, 4, 1)
    assert client.get_bucket_info().location == "oss-cn-hangzhou"
    assert client.get_bucket_location().location == "oss-cn-hangzhou"


def test_objects_are_described_truly() -> None:
    assert described("a") == stored(b"a", 1767225600)
