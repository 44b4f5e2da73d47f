"""A store is opened by its URL, as whoever the credentials are of; no secret shows in what it prints of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from dedupaudit import redact
from dedupaudit.config import ObjectsSettings
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects import open_objects
from dedupaudit.sources.objects.oss_credentials import RoleKeys, choose
from dedupaudit.sources.objects.oss_endpoint import parse_endpoint
from tests.oss.server import DEFAULT, FakeOss
from tests.sources.objects.asking import QUICK, keys_of


def test_a_store_is_opened_by_its_scheme(oss: FakeOss, tmp_path: Path) -> None:
    oss.bucket.fill(["a/b"])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"")
    for url in ("oss://pictures/a/", f"file://{tmp_path}"):
        source = open_objects(ObjectsSettings(url=url, endpoint=oss.endpoint, region=oss.region), Interrupt(), QUICK)
        source.preflight()
        assert keys_of(source.pages()) == ["a/b"]
        assert source.shown == url
        assert DEFAULT.secret not in repr(source) + repr(vars(source))
        source.close()


def test_no_store_is_configured() -> None:
    with pytest.raises(UsageError, match="no object store"):
        open_objects(ObjectsSettings(), Interrupt())


@pytest.mark.parametrize(
    ("endpoint", "region", "bucket", "url"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", None, "b-1", "https://b-1.oss-cn-hangzhou.aliyuncs.com/a%2F..%2Fb%20%2B"),
        (None, "cn-beijing", "b-1", "https://b-1.oss-cn-beijing.aliyuncs.com/a%2F..%2Fb%20%2B"),
        ("http://127.0.0.1:99", "x", "b-1", "http://127.0.0.1:99/b-1/a%2F..%2Fb%20%2B"),
        ("https://oss.example.com:8443/", "x", "b-1", "https://b-1.oss.example.com:8443/a%2F..%2Fb%20%2B"),
        ("https://oss.example.com", "x", "B_1", "https://oss.example.com/B_1/a%2F..%2Fb%20%2B"),
    ],
)
def test_where_an_object_is(endpoint: str | None, region: str | None, bucket: str, url: str) -> None:
    assert parse_endpoint(endpoint, region).url(bucket, "a/../b +") == url


def test_the_region_is_read_from_the_endpoint_or_asked_for() -> None:
    assert parse_endpoint("https://oss-us-west-1-internal.aliyuncs.com", None).region == "us-west-1"
    for endpoint in ("https://oss-accelerate.aliyuncs.com", "https://oss.example.com"):
        with pytest.raises(UsageError, match="region"):
            parse_endpoint(endpoint, None)


@contextmanager
def metadata_of(answers: list[dict[str, str]]) -> Iterator[str]:
    """Serve these answers one after the other, the last one for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def keys(name: str, lasts: timedelta) -> dict[str, str]:
    until = (datetime.now(UTC) + lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
    begun = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = {"Code": "Success", "Expiration": until, "LastUpdated": begun}
    return made | {"AccessKeyId": name, "AccessKeySecret": f"secret-{name}", "SecurityToken": f"token-{name}"}


def test_the_role_of_an_instance_is_renewed_before_its_keys_expire() -> None:
    with metadata_of([keys("first", timedelta(seconds=1)), keys("second", timedelta(hours=5))]) as address:
        role = RoleKeys("auditor", address)
        assert role.get_credentials().get_access_key_id() == "first"
        assert role.get_credentials().get_access_key_id() == "second"
        assert role.get_credentials().get_access_key_id() == "second"
        assert not role.renew()
    assert redact.scrub("secret-first token-second") == "*** ***"


def test_a_role_that_does_not_exist_is_said_without_the_answer(capfd: pytest.CaptureFixture[str]) -> None:
    with metadata_of([{"Code": "Failed", "Message": "geheim99"}]) as address, pytest.raises(SourceError) as failed:
        RoleKeys("auditor", address).get_credentials()
    # oss2 logs its failures as errors, which Python prints where nobody asked for logs.
    assert capfd.readouterr() == ("", "")
    assert "geheim99" not in failed.value.message + failed.value.hint


@pytest.mark.parametrize("wanted", ["", "x", "file:", "ecs:", "environment:x"])
def test_credentials_from_nowhere(wanted: str) -> None:
    with pytest.raises(UsageError):
        choose(wanted)


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    with pytest.raises(UsageError, match="no OSS credentials"):
        choose("auto")
