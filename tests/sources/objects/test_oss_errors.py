"""What can be wrong with a store is said so that it can be put right, and never passes for a missing object."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from dedupaudit import redact
from dedupaudit.errors import AuditError, SourceError, UsageError
from tests.oss import errors, faults
from tests.oss.faults import Rule
from tests.oss.server import DEFAULT, FakeOss
from tests.oss.signatures import Credentials
from tests.sources.objects.asking import be, keys_of, source_of

STS = Credentials("STS.FakeTemporary", "temporary-secret", "temporary-token")


def failure(
    oss: FakeOss, url: str = "oss://pictures/", region: str = "cn-hangzhou", endpoint: str | None = None
) -> AuditError:
    """Return what the preflight says; whatever it is, no secret is in it."""
    with source_of(oss, url, region, endpoint) as source, pytest.raises(AuditError) as failed:
        source.preflight()
    said = failed.value.message + failed.value.hint + repr(failed.value)
    assert failed.value.hint
    for secret in (DEFAULT.secret, STS.secret, STS.token or ""):
        assert secret not in said
    return failed.value


def test_a_wrong_bucket(oss: FakeOss) -> None:
    assert "no bucket others" in failure(oss, "oss://others/").message


def test_a_wrong_region(oss: FakeOss) -> None:
    assert "region" in (error := failure(oss, region="cn-beijing")).message + error.hint


def test_a_bucket_of_another_region(oss: FakeOss) -> None:
    oss.misbehave(faults.fail(lambda: errors.wrong_endpoint("pictures", "oss-cn-beijing.aliyuncs.com")), kind="list")
    error = failure(oss)
    assert "oss-cn-beijing.aliyuncs.com" in error.message


def test_a_wrong_secret(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, Credentials(DEFAULT.key_id, "wrong-secret-of-mine"))
    error = failure(oss)
    assert "secret does not belong" in error.message
    assert "wrong-secret-of-mine" not in error.message + error.hint


def test_an_unknown_key_id(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, Credentials("LTAInobody", "x" * 20))
    assert "does not know the access key ID" in failure(oss).message


def test_an_expired_token(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    oss.credentials[STS.key_id] = Credentials(STS.key_id, STS.secret, STS.token, datetime.now(UTC) - timedelta(hours=1))
    be(monkeypatch, STS)
    assert "expired" in failure(oss).message


def test_a_wrong_token(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    oss.credentials[STS.key_id] = STS
    be(monkeypatch, STS, token="another")
    assert "session token" in failure(oss).message


def test_a_temporary_key_works_and_a_file_of_them_is_read_again_when_they_expire(oss: FakeOss, tmp_path: Path) -> None:
    oss.bucket.fill(["a"])
    new = Credentials("STS.Renewed", "renewed-secret", "renewed-token")
    oss.credentials |= {STS.key_id: STS, new.key_id: new}
    file = tmp_path / "keys"
    file.write_text(f"[default]\naccess_key_id = {STS.key_id}\naccess_key_secret={STS.secret}\nsts-token={STS.token}\n")
    with source_of(oss, credentials=f"file:{file}") as source:
        assert keys_of(source.pages()) == ["a"]
        oss.credentials[STS.key_id] = Credentials(
            STS.key_id, STS.secret, STS.token, datetime.now(UTC) - timedelta(hours=1)
        )
        told = {"AccessKeyId": new.key_id, "AccessKeySecret": new.secret, "SecurityToken": new.token}
        file.write_text(json.dumps({"RequestId": "x", "Credentials": told}))
        assert keys_of(source.pages()) == ["a"]
    assert redact.scrub("renewed-secret temporary-token") == "*** ***"


def test_a_wrong_clock(oss: FakeOss) -> None:
    oss.clock_ahead = timedelta(hours=1)
    error = failure(oss)
    assert re.search(r"clock of this machine is 3,[56]\d\d s behind", error.message)


def test_no_permission_to_list(oss: FakeOss) -> None:
    oss.misbehave(faults.fail(errors.access_denied), kind="list", times=None)
    error = failure(oss)
    assert "may not list bucket pictures" in error.message
    assert "oss:ListObjects" in error.hint


def test_head_forbidden_though_listing_is_allowed(oss: FakeOss) -> None:
    oss.misbehave(Rule(faults.fail(errors.access_denied), method="HEAD", times=None))
    with source_of(oss) as source, pytest.raises(SourceError, match="HEAD is forbidden") as failed:
        source.look("a")
    assert "oss:GetObject" in failed.value.hint


def test_nothing_listens(oss: FakeOss) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in failure(oss, endpoint=f"http://127.0.0.1:{port}").message


def test_https_is_asked_of_a_plain_server(oss: FakeOss) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as taken:
                taken.recv(4096)
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        server = Thread(target=answer)
        server.start()
        error = failure(oss, endpoint=f"https://127.0.0.1:{listener.getsockname()[1]}")
        server.join()
    assert "does not speak TLS" in error.message


def test_a_server_that_is_no_oss(oss: FakeOss) -> None:
    oss.misbehave(faults.html(404), times=None)
    assert "not OSS" in failure(oss).message


def test_a_redirect_is_not_followed(oss: FakeOss) -> None:
    oss.misbehave(faults.plain(302), times=None)
    assert "redirects" in failure(oss).message


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://user:geheim99@x", "http://x/path", "http://x:99999", ""])
def test_an_endpoint_that_is_none(oss: FakeOss, endpoint: str) -> None:
    with pytest.raises(UsageError, match="endpoint") as failed, source_of(oss, endpoint=endpoint or " "):
        pass
    assert "geheim99" not in failed.value.message + failed.value.hint


@pytest.mark.parametrize(("id_", "secret"), [("", "x"), ("x", ""), ("", "")])
def test_incomplete_credentials(oss: FakeOss, monkeypatch: pytest.MonkeyPatch, id_: str, secret: str) -> None:
    be(monkeypatch, Credentials(id_, secret))
    with pytest.raises(UsageError, match="credentials") as failed, source_of(oss):
        pass
    assert "OSS_ACCESS_KEY_ID" in failed.value.message + failed.value.hint


@pytest.mark.parametrize(
    "text", ["", "{", "[default]\n", "not = ini", '{"AccessKeyId": 1}', "[a]\naccess_key_id=geheim99"]
)
def test_a_file_without_credentials(oss: FakeOss, tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with (
        pytest.raises(UsageError, match="no OSS credentials") as failed,
        source_of(oss, credentials=f"file:{tmp_path / 'keys'}"),
    ):
        pass
    assert "geheim99" not in failed.value.message + failed.value.hint


def test_looking(oss: FakeOss) -> None:
    oss.bucket.fill(["a", ".", ".."])
    with source_of(oss) as source:
        assert [fact.key if (fact := source.look(key)) else None for key in ("a", ".", "..")] == ["a", ".", ".."]
        assert [source.look(key) for key in ("b", "", "k" * 1024, "\udcff", "a/.")] == [None] * 5


@pytest.mark.parametrize(
    "fault", [faults.html(404), faults.plain(404), faults.plain(403), faults.plain(200), faults.no_such_bucket()]
)
def test_an_answer_that_is_not_of_the_object_is_no_missing_object(oss: FakeOss, fault: faults.Action) -> None:
    oss.misbehave(Rule(fault, method="HEAD", times=None))
    with source_of(oss) as source, pytest.raises(SourceError) as failed:
        source.look("a")
    assert failed.value.hint


def test_a_bare_404_of_a_bucket_that_is_not_there_is_no_missing_object(oss: FakeOss) -> None:
    oss.misbehave(Rule(faults.empty(404), method="HEAD", times=None))
    with source_of(oss, "oss://others/") as source, pytest.raises(SourceError, match="no bucket others"):
        source.look("a")


@pytest.mark.parametrize("fault", [faults.fail(errors.unavailable), faults.empty(503), faults.reset()])
def test_a_look_that_fails_once_is_taken_again(oss: FakeOss, fault: faults.Action) -> None:
    oss.bucket.fill(["a"])
    oss.misbehave(Rule(fault, method="HEAD"))
    with source_of(oss) as source:
        assert source.look("a")
        assert source.requests.head == 2
