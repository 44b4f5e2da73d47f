"""Every misbehaviour of the fake OSS, as the real client meets it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import oss2
import pytest
import requests

from tests.oss import errors, faults
from tests.oss.clients import bucket_of
from tests.oss.faults import Rule
from tests.oss.server import FakeOss
from tests.oss.wire import Answer, Request

KEYS = [f"p/{number:04}" for number in range(2500)]


@pytest.fixture
def client(oss: FakeOss) -> Iterator[oss2.Bucket]:
    oss.bucket.fill(KEYS)
    with bucket_of(oss) as made:
        yield made


def listed(client: oss2.Bucket) -> list[str]:
    return [each.key for each in oss2.ObjectIteratorV2(client, max_keys=1000, max_retries=1)]


def answered(ask: Callable[[], object]) -> tuple[int, str, bool]:
    """Return the status and code of the error, and whether it says that OSS sent it."""
    with pytest.raises(oss2.exceptions.OssError) as refused:
        ask()
    return refused.value.status, refused.value.code, bool(refused.value.request_id)


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        (faults.fail(errors.unavailable), (503, "ServiceUnavailable", True)),
        (faults.empty(503), (503, "", True)),
        (faults.plain(503), (503, "", False)),
        (faults.fail(errors.internal_error), (500, "InternalError", True)),
        (faults.no_such_bucket(), (404, "NoSuchBucket", True)),
        (faults.fail(errors.access_denied), (403, "AccessDenied", True)),
        (faults.clock_skewed(), (403, "RequestTimeTooSkewed", True)),
        (faults.html(404), (404, "", False)),
        (faults.html(403), (403, "", False)),
        (faults.reset(), (oss2.exceptions.OSS_REQUEST_ERROR_STATUS, "", False)),
    ],
)
def test_an_answer_to_listing_and_head(
    oss: FakeOss, client: oss2.Bucket, action: faults.Action, answer: tuple[int, str, bool]
) -> None:
    for ask in (client.list_objects_v2, lambda: client.head_object(KEYS[0])):
        rule = oss.misbehave(action)
        assert answered(ask) == answer
        assert rule.used == 1
        ask()
    assert [entry.faulty for entry in oss.log] == [True, False, True, False]
    assert [entry.status for entry in oss.log] == [max(answer[0], 0), 200, max(answer[0], 0), 200]


def test_a_page_may_be_cut_by_a_reset(oss: FakeOss, client: oss2.Bucket) -> None:
    for share in (0, 0.5, 0.999):
        oss.misbehave(faults.reset_in_body(share), kind="list", nth=2)
        with pytest.raises((requests.RequestException, oss2.exceptions.RequestError)):
            listed(client)
        oss.behave()
    assert listed(client) == KEYS


def test_a_page_cut_by_a_reset_arrives_up_to_there(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.reset_in_body(0.9), kind="list")
    answer = client._do("GET", client.bucket_name, "", params={"list-type": "2", "max-keys": "1000"})
    got = b""
    with pytest.raises(requests.RequestException):
        for piece in answer:
            got += piece
    assert got.startswith(b"<?xml")
    assert int(answer.headers["Content-Length"]) > len(got)


def test_a_page_may_be_cut_with_a_length_that_fits(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.cut_xml(), kind="list")
    answer = client._do("GET", client.bucket_name, "", params={"list-type": "2", "max-keys": "1000"})
    body = answer.read()
    assert len(body) == int(answer.headers["Content-Length"])
    assert not body.endswith(b"</ListBucketResult>\n")


def test_what_is_asked_can_be_done_and_the_answer_lost(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.reset_after_doing(), kind="delete")
    assert answered(lambda: client.delete_object(KEYS[0]))[0] == oss2.exceptions.OSS_REQUEST_ERROR_STATUS
    assert KEYS[0] not in oss.bucket.keys


def test_a_page_may_come_slowly(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.slow(0.02, pieces=5), kind="list")
    oss.misbehave(faults.late(0.1), kind="list", nth=2)
    begun = time.monotonic()
    assert listed(client) == KEYS
    assert time.monotonic() - begun >= 0.2


def test_a_page_may_be_out_of_order(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.out_of_order(), kind="list", nth=2)
    first = client.list_objects_v2(max_keys=1000)  # not oss2's iterator, which sorts each page
    second = client.list_objects_v2(max_keys=1000, continuation_token=first.next_continuation_token)
    found = [each.key for each in second.object_list]
    assert found == [KEYS[1999], *KEYS[1001:1999], KEYS[1000]]


def test_a_page_may_come_twice(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.page_before_again(), kind="list", times=2)
    assert listed(client) == KEYS[:1000] + KEYS
    assert oss.counts["list"] == 4


def test_the_first_page_may_come_for_ever(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.first_page_again(), kind="list", times=None)
    pages = [client.list_objects_v2(continuation_token=token, max_keys=1000) for token in ("", "CmE", "CmI")]
    assert {page.object_list[0].key for page in pages} == {KEYS[0]}
    assert len({page.next_continuation_token for page in pages}) == 1


def test_an_empty_page_may_say_that_more_follows(oss: FakeOss, client: oss2.Bucket) -> None:
    for nth in (1, 2, 3):
        oss.misbehave(faults.empty_page(), kind="list", nth=nth)
        oss.forget()
        assert listed(client) == KEYS
        assert oss.counts["list"] == 4
        oss.behave()


def test_an_empty_page_may_swallow_its_objects(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.emptied(), kind="list", nth=2)
    assert listed(client) == KEYS[:1000] + KEYS[2000:]
    oss.misbehave(faults.emptied(more=False), kind="list")
    assert listed(client) == []


def test_a_listing_may_end_early(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.ended_early(), kind="list", nth=2)
    assert listed(client) == KEYS[:2000]


def test_pages_may_be_shorter_than_asked_for(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.short_pages(300), kind="list", times=None)
    assert listed(client) == KEYS
    assert oss.counts["list"] == 9


def test_a_connection_may_be_closed_behind_an_answer(oss: FakeOss) -> None:
    oss.misbehave(faults.hang_up(), kind="head", nth=2)
    host, _, port = oss.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection, connection.makefile("rb") as stream:
        for _ in range(2):
            connection.sendall(b"HEAD /pictures/none HTTP/1.1\r\nHost: oss\r\n\r\n")
            head = b"".join(iter(stream.readline, b"\r\n"))
            assert b"Connection: keep-alive" in head
        assert stream.read() == b""


def test_a_page_may_not_say_how_to_go_on(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.without_token(), kind="list")
    with pytest.raises(RuntimeError, match="NextContinuationToken"):
        listed(client)


def test_an_object_may_appear_and_vanish_between_two_calls(oss: FakeOss, client: oss2.Bucket) -> None:
    oss.misbehave(faults.before(lambda: oss.bucket.put("p/1500x")), kind="list", nth=2)
    oss.misbehave(faults.after(lambda: oss.bucket.remove(KEYS[0])), kind="list", nth=3)
    assert listed(client) == sorted([*KEYS, "p/1500x"])
    assert not client.object_exists(KEYS[0])
    assert client.object_exists("p/1500x")


def test_a_rule_is_for_the_requests_that_it_names(oss: FakeOss, client: oss2.Bucket) -> None:
    denied = faults.fail(errors.access_denied)
    oss.misbehave(denied, kind="list", times=None)
    oss.misbehave(denied, kind=("head", "get"), key=KEYS[1], times=None)
    oss.misbehave(Rule(denied, method="PUT", where=lambda request: request.body == b"no"))
    assert answered(client.list_objects_v2)[1] == "AccessDenied"
    assert answered(client.list_objects)[1] == "AccessDenied"
    client.head_object(KEYS[0])
    assert answered(lambda: client.head_object(KEYS[1]))[1] == "AccessDenied"
    assert answered(lambda: client.get_object(KEYS[1]))[1] == "AccessDenied"
    client.put_object("new", b"yes")
    assert answered(lambda: client.put_object("new", b"no"))[1] == "AccessDenied"
    oss.behave()
    assert len(listed(client)) == 2501


def test_a_rule_counts_from_its_nth_request(oss: FakeOss, client: oss2.Bucket) -> None:
    rule = oss.misbehave(faults.fail(errors.unavailable), kind="head", nth=2, times=2)
    for _ in range(5):
        try:
            client.head_object(KEYS[0])
        except oss2.exceptions.ServerError as error:
            assert error.status == 503
    assert [entry.status for entry in oss.log] == [200, 503, 503, 200, 200]
    assert (rule.seen, rule.used) == (5, 2)


def test_actions_can_take_turns(oss: FakeOss, client: oss2.Bucket) -> None:
    skewed = faults.clock_skewed(timedelta(hours=-1))
    oss.misbehave(faults.in_turn(faults.empty(503), skewed), kind="head", times=None)
    codes = [answered(lambda: client.get_object_meta(KEYS[0]))[0] for _ in range(4)]
    assert codes == [503, 403, 503, 403]


def test_a_fault_of_the_server_itself_is_not_kept_quiet() -> None:
    def broken(request: Request, proceed: faults.Proceed) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup, match="fake OSS"), FakeOss() as oss, bucket_of(oss) as client:
        oss.misbehave(broken)
        assert answered(client.list_objects_v2)[0] == 500


def test_many_threads_are_served_at_once(oss: FakeOss, client: oss2.Bucket) -> None:
    together = threading.Barrier(8, timeout=30)
    oss.misbehave(faults.before(together.wait), kind="head", times=8)
    threads = [threading.Thread(target=client.head_object, args=(key,)) for key in KEYS[:8]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert oss.counts["head"] == 8
    assert not together.broken


def test_stopping_does_not_wait_for_slow_answers() -> None:
    answers: list[object] = []

    def ask(client: oss2.Bucket) -> None:
        try:
            answers.append(client.list_objects_v2())
        except Exception as error:
            answers.append(error)

    with FakeOss() as oss, bucket_of(oss) as client:
        oss.misbehave(faults.slow(3600), kind="list")
        asked = threading.Event()
        oss.misbehave(faults.after(asked.set), kind="list")
        thread = threading.Thread(target=ask, args=(client,))
        thread.start()
        assert asked.wait(timeout=30)
        oss.stop()
        thread.join(timeout=30)
    assert len(answers) == 1
