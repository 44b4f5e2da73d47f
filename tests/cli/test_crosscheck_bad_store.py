"""`crosscheck` on a bucket that cannot be read: the code, what is wrong and what to do, and nobody judged."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.reading import report_of, said, statuses
from tests.conftest import Completed, Run
from tests.crosscheck.scene import OLD_SECONDS, database, found, oss_arguments, oss_env, picture, rows
from tests.oss import errors, faults
from tests.oss.server import DEFAULT, FakeOss
from tests.oss.signatures import Credentials

WRONG = "wr0ng-secret-of-the-tests"
TEMPORARY = Credentials("STS.NUTemporary", "secret-of-the-sts", "token-of-the-sts", datetime(2026, 1, 1, tzinfo=UTC))
SECRETS = (DEFAULT.secret, WRONG, TEMPORARY.secret, str(TEMPORARY.token))

MISSING = {"s00007", "s00008"}
ORPHANS = {picture(5)}


@pytest.fixture
def server(oss: FakeOss) -> FakeOss:
    for number in range(6):
        oss.bucket.put(picture(number), b"x", OLD_SECONDS)
    oss.credentials[TEMPORARY.key_id] = TEMPORARY
    return oss


@pytest.fixture
def check(run: Run, tmp_path: Path) -> Callable[..., Completed]:
    """Return a function that crosschecks, and sees that no secret is told and no temporary folder stays."""
    db = database(tmp_path / "app.db", rows(*range(5), 7, 8))
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def crosscheck(*arguments: str, env: dict[str, str] | None = None) -> Completed:
        env = {"TMPDIR": str(temporary), **(oss_env() if env is None else env)}
        done = run("crosscheck", "--db", f"sqlite:///{db}", "-f", "json", *arguments, env=env)
        assert os.listdir(temporary) == []
        for secret in SECRETS:
            assert secret.encode() not in done.out + done.err
        return done

    return crosscheck


def nothing_judged(done: Completed, *words: str) -> dict[str, Any]:
    """Assert that the report says of every check that it failed, and why; return it."""
    report = report_of(done)
    message = said(done)
    assert done.code == 3, message
    assert report["complete"] is False
    assert report["findings"] == []
    assert set(statuses(report).values()) == {"failed"}
    for row in report["coverage"]:
        assert row["rows"] is None
        for word in words:
            assert word in row["reason"]
    for word in words:
        assert word in message
    (totals,) = report["summary"]["objects"].values()
    assert (totals["missing_object"], totals["orphan_object"]) == (None, None)
    return report


def test_a_bucket_that_is_not_there(check: Callable[..., Completed], server: FakeOss) -> None:
    arguments = oss_arguments(server, "oss://other/screenshots/")
    report = nothing_judged(check(*arguments), "there is no bucket other at", server.endpoint, "check the name")
    assert list(report["summary"]["objects"]) == ["oss://other/screenshots/"]


def test_a_region_that_is_not_the_endpoints(check: Callable[..., Completed], server: FakeOss) -> None:
    arguments = [*oss_arguments(server)[:-1], "cn-beijing"]
    nothing_judged(check(*arguments), "region cn-beijing does not fit", server.endpoint, "--oss-region")
    # A bucket of another region says where it is.
    server.misbehave(faults.fail(lambda: errors.wrong_endpoint("pictures", "oss-cn-beijing.aliyuncs.com")), times=None)
    nothing_judged(
        check(*oss_arguments(server)), "but at oss-cn-beijing.aliyuncs.com", "--oss-endpoint https://oss-cn-b"
    )


@pytest.mark.parametrize("signature", ["v4", "v1"])
def test_a_secret_that_is_wrong_and_is_not_told(
    check: Callable[..., Completed], server: FakeOss, signature: str
) -> None:
    env = {**oss_env(), "OSS_ACCESS_KEY_SECRET": WRONG}
    done = check(*oss_arguments(server), "--signature", signature, env=env)
    nothing_judged(done, "does not accept the signature", "check the secret in the environment (OSS_ACCESS_KEY_ID)")
    assert b"StringToSign" not in done.out + done.err


def test_an_access_key_that_nobody_knows(check: Callable[..., Completed], server: FakeOss) -> None:
    done = check(*oss_arguments(server), env={**oss_env(), "OSS_ACCESS_KEY_ID": "LTAInobody"})
    nothing_judged(done, "does not know the access key ID", "check the ID in the environment")


def test_an_sts_token_that_has_expired(check: Callable[..., Completed], server: FakeOss, tmp_path: Path) -> None:
    words = "the STS session token has expired", "get new temporary credentials"
    nothing_judged(check(*oss_arguments(server), env=oss_env(TEMPORARY)), *words)
    keys = {"AccessKeyId": TEMPORARY.key_id, "AccessKeySecret": TEMPORARY.secret, "SecurityToken": TEMPORARY.token}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    done = check(*oss_arguments(server), "--credentials", "file:keys.json", env={})
    nothing_judged(done, *words, f"the file {tmp_path}/keys.json")


@pytest.mark.parametrize(("ahead", "word"), [(2, "behind"), (-2, "ahead of")])
def test_a_clock_that_is_wrong(check: Callable[..., Completed], server: FakeOss, ahead: int, word: str) -> None:
    server.clock_ahead = timedelta(hours=ahead)
    nothing_judged(check(*oss_arguments(server)), "the clock of this machine is", f"s {word} the server's", "(NTP)")


def test_no_right_to_list(check: Callable[..., Completed], server: FakeOss) -> None:
    server.misbehave(faults.fail(errors.access_denied), kind="list", times=None)
    nothing_judged(check(*oss_arguments(server)), "may not list bucket pictures", "grant oss:ListObjects on it")
    assert server.counts["head"] == 0


def test_who_may_list_and_not_look_gets_a_whole_report(check: Callable[..., Completed], server: FakeOss) -> None:
    server.misbehave(faults.fail(errors.access_denied), kind="head", times=None)
    done = check(*oss_arguments(server))
    report = report_of(done)
    assert (done.code, report["complete"]) == (1, True)
    assert found(report, "missing_object") == MISSING
    assert found(report, "orphan_object") == ORPHANS


def test_who_may_not_look_and_then_not_list_leaves_them_unknown(
    check: Callable[..., Completed], server: FakeOss
) -> None:
    server.misbehave(faults.fail(errors.access_denied), kind="head", times=None)
    server.misbehave(faults.fail(errors.access_denied), kind="list", nth=3, times=None)
    done = check(*oss_arguments(server))
    report = report_of(done)
    assert (done.code, report["complete"]) == (3, False)
    assert found(report, "missing_object", "unknown") == MISSING
    assert found(report, "orphan_object", "unknown") == ORPHANS
    assert {one["verdict"] for one in report["findings"]} == {"unknown"}
    assert "may not list bucket pictures" in json.dumps(report["findings"])


def test_an_endpoint_where_nothing_listens(check: Callable[..., Completed]) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = check("--objects", "oss://pictures/", "--oss-endpoint", endpoint, "--oss-region", "cn-hangzhou")
    nothing_judged(done, f"nothing answers at {endpoint}", "check the host and port")


def test_an_endpoint_whose_name_does_not_resolve(check: Callable[..., Completed]) -> None:
    endpoint = "https://no-such-host.invalid"
    done = check("--objects", "oss://pictures/", "--oss-endpoint", endpoint, "--oss-region", "cn-hangzhou")
    nothing_judged(done, f"no host of the name in {endpoint} was found", "check --oss-endpoint")


def test_something_else_than_oss_answers(check: Callable[..., Completed], server: FakeOss) -> None:
    server.misbehave(faults.html(404), times=None)
    nothing_judged(check(*oss_arguments(server)), "is not OSS, or a proxy before it", "check --oss-endpoint")


NOT_READ = {
    "none": ({}, (), "there are no OSS credentials"),
    "half": ({"OSS_ACCESS_KEY_ID": DEFAULT.key_id}, (), "OSS_ACCESS_KEY_SECRET is not set"),
    "no file": ({}, ("--credentials", "file:nowhere.json"), "nowhere.json: No such file or directory"),
    "no keys": ({}, ("--credentials", "file:empty.json"), "holds no OSS credentials"),
}


@pytest.mark.parametrize("name", NOT_READ)
def test_credentials_that_are_not_there_are_wrong_usage(
    check: Callable[..., Completed], server: FakeOss, tmp_path: Path, name: str
) -> None:
    env, arguments, words = NOT_READ[name]
    (tmp_path / "empty.json").write_text(json.dumps({"AccessKeySecret": WRONG}))
    done = check(*oss_arguments(server), *arguments, env=env)
    assert (done.code, done.out) == (2, b"")
    message = said(done)
    assert words in message
    assert "hint: " in message
    assert not server.log
