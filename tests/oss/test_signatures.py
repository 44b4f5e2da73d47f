"""Who may ask the fake OSS, and what it tells who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import oss2
import pytest

from tests.oss.clients import bucket_of
from tests.oss.server import DEFAULT, FakeOss
from tests.oss.signatures import Credentials

STS = Credentials("STS.NUTempKey", "temp-secret", "token+/=", datetime.now(UTC) + timedelta(hours=1))
EXPIRED = Credentials("STS.NUOldKey", "temp-secret", "old-token", datetime.now(UTC) - timedelta(seconds=1))


def refusal(ask: Callable[[], object]) -> oss2.exceptions.ServerError:
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        ask()
    assert refused.value.request_id
    assert refused.value.details["RequestId"] == refused.value.request_id
    assert refused.value.details["HostId"].startswith("127.0.0.1")
    error: oss2.exceptions.ServerError = refused.value
    return error


def told(error: oss2.exceptions.ServerError) -> tuple[int, str]:
    return error.status, error.code


@pytest.fixture(params=[1, 4])
def version(request: pytest.FixtureRequest) -> int:
    assert isinstance(request.param, int)
    return request.param


def test_a_wrong_secret_is_told_what_was_signed(oss: FakeOss, version: int) -> None:
    wrong = Credentials(DEFAULT.key_id, "wrong")
    with bucket_of(oss, version, credentials=wrong) as client:
        error = refusal(lambda: client.put_object("a", b"1"))
    assert told(error) == (403, "SignatureDoesNotMatch")
    first = {1: "PUT\n", 4: "OSS4-HMAC-SHA256\n"}[version]
    assert error.details["StringToSign"].startswith(first)
    assert bytes.fromhex(error.details["StringToSignBytes"]).decode() == error.details["StringToSign"]
    assert error.details["OSSAccessKeyId"] == DEFAULT.key_id
    assert "wrong" not in error.body.decode()
    assert oss.bucket.keys == []


def test_head_carries_its_refusal_in_a_header(oss: FakeOss, version: int) -> None:
    with bucket_of(oss, version, credentials=Credentials(DEFAULT.key_id, "wrong")) as client:
        assert told(refusal(lambda: client.head_object("a"))) == (403, "SignatureDoesNotMatch")


def test_a_key_that_is_not_known(oss: FakeOss, version: int) -> None:
    with bucket_of(oss, version, credentials=Credentials("LTAInobody", "x")) as client:
        assert told(refusal(client.list_objects_v2)) == (403, "InvalidAccessKeyId")


def test_a_temporary_key_needs_its_token(version: int) -> None:
    with FakeOss(credentials=[DEFAULT, STS, EXPIRED]) as oss:
        oss.bucket.put("a")

        def answer(credentials: Credentials, token: str | None = None) -> tuple[int, str]:
            with bucket_of(oss, version, credentials=credentials, token=token) as client:
                return told(refusal(client.list_objects_v2))

        with bucket_of(oss, version, credentials=STS) as client:
            assert [each.key for each in client.list_objects_v2().object_list] == ["a"]
        assert answer(STS, token="") == (403, "InvalidAccessKeyId")
        assert answer(STS, token="another") == (403, "InvalidSecurityToken")
        assert answer(EXPIRED) == (403, "SecurityTokenExpired")
        assert answer(DEFAULT, token="token+/=") == (403, "InvalidAccessKeyId")


def test_a_token_may_expire_while_a_client_works() -> None:
    with FakeOss(credentials=[STS]) as oss, bucket_of(oss, credentials=STS) as client:
        client.list_objects_v2()
        oss.credentials[STS.key_id] = Credentials(STS.key_id, STS.secret, STS.token, datetime.now(UTC))
        assert told(refusal(client.list_objects_v2)) == (403, "SecurityTokenExpired")


def test_a_signature_for_another_region_is_refused(oss: FakeOss) -> None:
    with bucket_of(oss, region="cn-beijing") as client:
        error = refusal(client.list_objects_v2)
    assert told(error) == (400, "InvalidArgument")
    assert error.message == "Invalid signing region in Authorization header."


def test_a_clock_may_be_wrong_by_a_quarter_of_an_hour(oss: FakeOss, version: int) -> None:
    with bucket_of(oss, version) as client:
        for minutes in (-14, 14):
            oss.clock_ahead = timedelta(minutes=minutes)
            client.list_objects_v2()
        for minutes in (-16, 16):
            oss.clock_ahead = timedelta(minutes=minutes)
            error = refusal(client.list_objects_v2)
            assert told(error) == (403, "RequestTimeTooSkewed")
            assert error.details["ServerTime"] != error.details["RequestTime"]


def test_an_account_may_take_v4_only() -> None:
    with FakeOss(versions=[4]) as oss:
        with bucket_of(oss, 1) as client:
            assert told(refusal(client.list_objects_v2)) == (400, "InvalidArgument")
        with bucket_of(oss, 4) as client:
            client.list_objects_v2()


def test_nobody_may_ask_without_a_name(oss: FakeOss) -> None:
    client = oss2.Bucket(oss2.AnonymousAuth(), oss.endpoint, "pictures")
    try:
        assert told(refusal(client.list_objects_v2)) == (403, "AccessDenied")
    finally:
        client.session.session.close()


def test_a_parameter_or_header_changed_on_the_way_is_noticed(oss: FakeOss) -> None:
    with bucket_of(oss) as client:
        send = client.session.do_request

        def meddle(request: oss2.http.Request, timeout: object) -> object:
            request.params["prefix"] = "b"
            return send(request, timeout)

        client.session.do_request = meddle
        assert told(refusal(lambda: client.list_objects_v2(prefix="a"))) == (403, "SignatureDoesNotMatch")


def test_a_server_of_another_region_names_its_endpoint(oss: FakeOss) -> None:
    oss.bucket.moved_to = "oss-cn-beijing.aliyuncs.com"
    with bucket_of(oss) as client:
        error = refusal(client.list_objects_v2)
    assert (*told(error), error.details["Endpoint"]) == (403, "AccessDenied", "oss-cn-beijing.aliyuncs.com")
