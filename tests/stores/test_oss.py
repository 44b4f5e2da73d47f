"""OSS as a store, by its real protocol: what is signed and checked, what is sent again, and what each refusal means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest

from dedupaudit import redact
from dedupaudit.errors import Cancelled, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.stores import open_store
from dedupaudit.stores import oss as store_of_oss
from dedupaudit.stores.oss import OssStore
from tests.oss import errors, faults
from tests.oss.objects import StoredObject, stored
from tests.oss.server import FakeOss
from tests.oss.signatures import Credentials, verify
from tests.oss.wire import Answer, Request
from tests.sources.objects.asking import HOSTILE, QUICK, be
from tests.stores.test_stores import keys

KEY = "screenshots/pc-1/screenshot_1.jpg"
PICTURE = b"\xff\xd8picture"


def sent(oss: FakeOss, kind: str) -> list[Request]:
    """Return the requests of this kind that come from now on."""
    seen: list[Request] = []

    def see(request: Request, proceed: faults.Proceed) -> Answer:
        seen.append(request)
        return proceed(request)

    oss.misbehave(see, kind, times=None)
    return seen


@pytest.mark.parametrize("signature", ["v4", "v1"])
def test_a_put_says_what_it_is_and_forbids_to_overwrite(oss: FakeOss, signature: Literal["v4", "v1"]) -> None:
    puts = sent(oss, "put")
    asking = replace(QUICK, signature=signature)
    store = OssStore("oss://pictures/any/prefix/", oss.endpoint, oss.region, Interrupt(), asking)
    assert store.put(KEY, PICTURE, content_type="image/jpeg")
    assert store.put(KEY, PICTURE, content_type="image/jpeg", overwrite=True)
    headers = [put.headers for put in puts]
    assert [one["content-type"] for one in headers] == ["image/jpeg"] * 2
    assert [one.get("x-oss-forbid-overwrite") for one in headers] == ["true", None]
    assert all("content-md5" in one for one in headers)
    found = oss.bucket.find(KEY)
    assert found is not None
    assert (found.content, found.headers["content-type"]) == (PICTURE, "image/jpeg")
    store.close()


def test_a_header_that_was_changed_on_the_way_is_refused(oss: FakeOss, bucket: OssStore) -> None:
    def strip(request: Request, proceed: faults.Proceed) -> Answer:
        kept = {name: value for name, value in request.headers.items() if name != "x-oss-forbid-overwrite"}
        changed = replace(request, headers=kept)
        verify(changed, oss.credentials, oss.region, datetime.now(UTC), oss.versions)
        return proceed(changed)

    oss.misbehave(strip, "put", times=None)
    with pytest.raises(SourceError, match="signature"):
        bucket.put(KEY, PICTURE)
    assert oss.bucket.keys == []


@pytest.mark.parametrize(
    "action",
    [faults.fail(errors.unavailable), faults.fail(errors.internal_error), faults.reset(), faults.plain(502)],
    ids=["503", "500", "reset", "502 of a proxy"],
)
def test_what_passes_is_asked_again_with_the_whole_body(oss: FakeOss, bucket: OssStore, action: faults.Action) -> None:
    content = bytes(range(256)) * 8000
    acts: dict[str, Callable[[], object]] = {
        "put": lambda: bucket.put(KEY, content),
        "head": lambda: bucket.holds(KEY, content),
        "multi_delete": lambda: bucket.delete([KEY]) == 1,
    }
    for kind, act in acts.items():
        rule = oss.misbehave(action, kind, times=2)
        assert act() is True
        assert rule.used == 2
    assert oss.bucket.keys == []


def test_a_put_whose_answer_was_lost_finds_its_own_object(oss: FakeOss, bucket: OssStore) -> None:
    oss.misbehave(faults.reset_after_doing(), "put")
    assert bucket.put(KEY, PICTURE) is False
    assert oss.counts["put"] == 2
    assert bucket.holds(KEY, PICTURE) is True


def test_a_retention_policy_says_of_an_object_that_it_is_immutable(oss: FakeOss, bucket: OssStore) -> None:
    def immutable() -> errors.OssError:
        return errors.OssError(409, "FileImmutable", "The object you specified is immutable.", "0055-00000004")

    assert bucket.put(KEY, PICTURE)
    oss.misbehave(faults.fail(immutable), "put", times=2)
    assert bucket.put(KEY, PICTURE) is False
    with pytest.raises(SourceError, match="FileImmutable"):
        bucket.put(KEY, PICTURE, overwrite=True)


def test_a_delete_whose_answer_was_cut_is_done_again(oss: FakeOss, bucket: OssStore) -> None:
    oss.bucket.put(KEY, PICTURE)
    oss.misbehave(faults.cut_xml(), "multi_delete")
    assert bucket.delete([KEY]) == 1
    assert oss.counts["multi_delete"] == 2
    assert oss.bucket.keys == []


def test_an_endless_failure_ends(oss: FakeOss, bucket: OssStore) -> None:
    oss.misbehave(faults.fail(errors.unavailable), "put", times=None)
    with pytest.raises(SourceError, match="while bucket pictures was written"):
        bucket.put(KEY, PICTURE)
    assert oss.counts["put"] <= QUICK.patience.attempts


Act = Callable[[OssStore], object]


@pytest.mark.parametrize(
    ("kind", "act", "permission"),
    [
        ("put", lambda store: store.put(KEY, PICTURE), "oss:PutObject"),
        ("multi_delete", lambda store: store.delete([KEY]), "oss:DeleteObject"),
        ("delete", lambda store: store.delete(["new\nline"]), "oss:DeleteObject"),
        ("head", lambda store: store.holds(KEY, PICTURE), "oss:GetObject"),
        ("list", lambda store: list(store.below("")), "oss:ListObjects"),
        ("put", lambda store: store.preflight("p/"), "oss:PutObject"),
        ("head", lambda store: store.preflight("p/"), "oss:GetObject"),
        ("multi_delete", lambda store: store.preflight("p/"), "oss:DeleteObject"),
    ],
)
def test_a_refusal_names_the_permission(oss: FakeOss, bucket: OssStore, kind: str, act: Act, permission: str) -> None:
    oss.misbehave(faults.fail(errors.access_denied), kind, times=None)
    with pytest.raises(SourceError) as refused:
        act(bucket)
    assert permission in refused.value.hint
    assert "pictures" in refused.value.message + refused.value.hint
    assert "may be listed" not in refused.value.message, "nobody has listed it"
    # What the preflight could write, it took away again where it could.
    assert oss.bucket.keys == [] or kind == "multi_delete"


def test_writing_needs_no_right_to_list(oss: FakeOss, bucket: OssStore) -> None:
    oss.misbehave(faults.fail(errors.access_denied), "list", times=None)
    bucket.preflight("p/")
    assert bucket.put(KEY, PICTURE)
    assert bucket.holds(KEY, PICTURE) is True
    assert bucket.look("absent") is None
    assert oss.counts["list"] == 0


@pytest.mark.parametrize("action", [faults.html(200), faults.plain(200), faults.html(404)])
def test_what_is_not_oss_never_stored_anything(oss: FakeOss, bucket: OssStore, action: faults.Action) -> None:
    oss.misbehave(action, times=None)
    for act in (lambda: bucket.put(KEY, PICTURE), lambda: bucket.delete([KEY]), lambda: bucket.look(KEY)):
        with pytest.raises(SourceError, match="OSS"):
            act()


def test_there_is_no_such_bucket(oss: FakeOss) -> None:
    store = OssStore("oss://other", oss.endpoint, oss.region, Interrupt(), QUICK)
    for act in (store.preflight, lambda: store.look(KEY), lambda: store.delete([KEY])):
        with pytest.raises(SourceError, match="bucket other"):
            act()
    store.close()


def test_a_temporary_key_may_write(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    sts = Credentials("STS.FakeTemporary", "temporary-secret", "temporary-token")
    oss.credentials[sts.key_id] = sts
    be(monkeypatch, sts)
    store = open_store("oss://pictures", endpoint=oss.endpoint, region=oss.region, asking=QUICK)
    assert store.put(KEY, PICTURE)
    assert sts.secret not in repr(vars(store)) + store.shown
    assert redact.scrub(sts.secret) == "***"
    store.close()


def composed(content: bytes, kind: str, etag: str) -> StoredObject:
    return stored(content)._replace(kind=kind, etag=etag)


@pytest.mark.parametrize("kind", ["Multipart", "Normal", "Appendable"])
def test_where_the_etag_is_no_md5_of_the_content_the_content_is_compared(
    oss: FakeOss, bucket: OssStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(store_of_oss, "_PIECE", 1000)
    content = bytes(range(250)) * 17
    oss.bucket.put(KEY, composed(content, kind, "0" * 32))
    assert bucket.holds(KEY, content) is True
    assert oss.counts["get"] == 5
    assert bucket.holds(KEY, content[:-1] + b"x") is False
    assert bucket.holds(KEY, b"x" + content[1:]) is False
    oss.misbehave(faults.before(lambda: oss.bucket.remove(KEY)), "get")
    assert bucket.holds(KEY, content) is None


def test_an_md5_in_the_etag_is_believed_without_reading(oss: FakeOss, bucket: OssStore) -> None:
    bucket.put(KEY, PICTURE)
    assert bucket.holds(KEY, PICTURE) is True
    assert bucket.holds(KEY, PICTURE + b"x") is False
    assert oss.counts["get"] == 0


def test_what_is_too_large_for_one_request_is_refused_before_it_is_sent(oss: FakeOss, bucket: OssStore) -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 5 * 1024**3 + 1

    with pytest.raises(SourceError, match="5 GB"):
        bucket.put(KEY, Huge())
    assert not oss.log


@pytest.mark.parametrize("content_type", ["", "image/jpeg\r\nx-oss-acl: public", "图", " ", "x\x00"], ids=ascii)
def test_a_content_type_is_no_way_to_more_headers(oss: FakeOss, bucket: OssStore, content_type: str) -> None:
    with pytest.raises(UsageError, match="content type"):
        bucket.put(KEY, PICTURE, content_type=content_type)
    assert not oss.log


def test_a_thousand_keys_are_deleted_by_a_call(oss: FakeOss, bucket: OssStore) -> None:
    oss.bucket.fill([f"p/{number}&<>" for number in range(2300)] + ["kept"])
    assert bucket.delete([key for key in oss.bucket.keys if key != "kept"]) == 2300
    assert oss.counts["multi_delete"] == 3
    assert oss.bucket.keys == ["kept"]


def test_what_stays_undeleted_is_no_success(oss: FakeOss, bucket: OssStore) -> None:
    oss.bucket.fill(["a", "held"])

    def hold(body: bytes) -> bytes:
        return body.replace(b"  <Deleted>\n    <Key>held</Key>\n  </Deleted>\n", b"")

    oss.misbehave(faults.edited(hold), "multi_delete")
    with pytest.raises(SourceError, match="did not delete 1 of 2 objects in oss://pictures/, such as held"):
        bucket.delete(["a", "held"])


def test_every_key_that_oss_can_have_is_written_and_deleted(oss: FakeOss, bucket: OssStore) -> None:
    for key in HOSTILE:
        assert bucket.put(key, key.encode())
    assert keys(bucket.below("")) == oss.bucket.keys == sorted(HOSTILE)
    assert all(bucket.holds(key, key.encode()) for key in HOSTILE)
    assert bucket.delete(HOSTILE) == len(HOSTILE)
    assert oss.bucket.keys == []


@pytest.mark.parametrize("key", ["", "/a", "\\a", ".", "..", "k" * 1024, "é" * 512, "\udcff"], ids=ascii)
def test_a_key_that_oss_cannot_have_is_not_asked_for(oss: FakeOss, bucket: OssStore, key: str) -> None:
    for act in (lambda: bucket.put(key, b""), lambda: bucket.delete(["a", key]), lambda: bucket.url(key)):
        with pytest.raises(UsageError, match="cannot have"):
            act()
    assert bucket.look(key) is None
    assert not oss.log


@pytest.mark.parametrize(
    ("endpoint", "region", "url"),
    [
        (None, "cn-hangzhou", "https://b-1.oss-cn-hangzhou.aliyuncs.com/a%20b/%C3%A9%2B"),
        (
            "http://oss-cn-hangzhou-internal.aliyuncs.com",
            None,
            "https://b-1.oss-cn-hangzhou.aliyuncs.com/a%20b/%C3%A9%2B",
        ),
        ("https://oss.example.com:8443", "x", "https://b-1.oss.example.com:8443/a%20b/%C3%A9%2B"),
        ("http://127.0.0.1:99", "x", "http://127.0.0.1:99/b-1/a%20b/%C3%A9%2B"),
    ],
)
def test_an_address_is_the_one_that_everybody_has(endpoint: str | None, region: str | None, url: str) -> None:
    store = OssStore("oss://b-1", endpoint, region)
    assert store.url("a b/é+") == url
    assert store.url("a/../b").endswith("/a%2F..%2Fb")
    store.close()


def test_a_signal_ends_the_waiting_between_two_attempts(oss: FakeOss) -> None:
    interrupt = Interrupt()
    patient = replace(QUICK, patience=replace(QUICK.patience, pause=600.0, longest_pause=600.0))
    store = OssStore("oss://pictures", oss.endpoint, oss.region, interrupt, patient)

    def signal_and_fail(request: Request, proceed: faults.Proceed) -> Answer:
        interrupt.signum = 2
        raise errors.unavailable()

    oss.misbehave(signal_and_fail, "put")
    with pytest.raises(Cancelled):
        store.put(KEY, PICTURE)
    assert oss.counts["put"] == 1
    store.close()
