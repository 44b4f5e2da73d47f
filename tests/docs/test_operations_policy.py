"""The RAM policy of `docs/operations.md` allows what `crosscheck` asks a bucket, request by request."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.cli.reading import report_of, said
from tests.conftest import Run
from tests.crosscheck.scene import OssBucket, database, rows
from tests.docs.operations_page import recipe
from tests.oss.server import FakeOss, Logged


def action(request: Logged) -> str:
    """Return what RAM calls a request."""
    if request.method == "HEAD":
        return "oss:GetObject"
    assert request.method == "GET", request
    if request.key:
        return "oss:ListParts" if "uploadId" in request.query else "oss:GetObject"
    return "oss:ListMultipartUploads" if "uploads" in request.query else "oss:ListObjects"


def allows(policy: dict[str, Any], request: Logged) -> bool:
    """Say whether a statement has the action, on the request's resource, under its condition."""
    for statement in policy["Statement"]:
        on = f"acs:oss:*:*:{request.bucket}" + (f"/{request.key}" if request.key else "")
        prefixes = statement.get("Condition", {}).get("StringLike", {}).get("oss:Prefix", ["*"])
        if (
            action(request) in statement["Action"]
            and any(fnmatchcase(on, resource) for resource in statement["Resource"])
            and any(fnmatchcase(request.query.get("prefix", ""), prefix) for prefix in prefixes)
        ):
            return True
    return False


def test_every_request_is_allowed_and_none_is_allowed_elsewhere(run: Run, oss: FakeOss, tmp_path: Path) -> None:
    policy = json.loads(recipe("ram-policy-audit.json").replace(":bucket", ":pictures"))
    bucket = OssBucket(oss)
    bucket.put("screenshots/_orphan.jpg")
    db = database(tmp_path / "app.db", rows(*range(5)))
    done = run("crosscheck", "--db", f"sqlite:///{db}", *bucket.arguments(), "--max-missing", "100%",
               "-f", "json", env=bucket.env())  # fmt: skip
    assert report_of(done)["summary"]["by_check"]["missing_object"], said(done)
    asked = {action(request) for request in oss.log}
    assert asked >= {"oss:ListObjects", "oss:GetObject", "oss:ListMultipartUploads"}
    assert [request for request in oss.log if not allows(policy, request)] == []
    elsewhere = Logged("list", "GET", "pictures", "", {"prefix": "other/"}, 200, False)
    assert not allows(policy, elsewhere)
    assert not allows(policy, Logged("head", "HEAD", "pictures", "other/x", {}, 200, False))
