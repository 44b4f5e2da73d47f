"""The signatures of OSS, V1 (`OSS key:signature`) and V4 (`OSS4-HMAC-SHA256`), checked as the service checks them.

Written from the service's documentation, with none of the code of a client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from tests.oss import errors
from tests.oss.wire import Request

_SKEW = timedelta(minutes=15)

# The parameters that a V1 signature covers; of the others a client may send what it likes.
_SUBRESOURCES = frozenset(
    (
        "acl",
        "uploadId",
        "uploads",
        "partNumber",
        "delete",
        "location",
        "bucketInfo",
        "stat",
        "objectMeta",
        "security-token",
        "continuation-token",
        "versions",
        "versionId",
        "versioning",
        "tagging",
        "symlink",
        "append",
        "position",
        "restore",
        "policy",
        "lifecycle",
        "logging",
        "website",
        "cors",
        "referer",
        "encryption",
        "inventory",
        "inventoryId",
        "sequential",
        "callback",
        "callback-var",
        "x-oss-process",
        "x-oss-traffic-limit",
        "response-content-type",
        "response-content-language",
        "response-expires",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
    )
)


@dataclass(frozen=True)
class Credentials:
    """A key that the server knows; with a `token` it is a temporary one, valid until `expires`."""

    key_id: str
    secret: str
    token: str | None = None
    expires: datetime | None = None


def verify(
    request: Request, known: dict[str, Credentials], region: str, now: datetime, versions: frozenset[int]
) -> None:
    """Raise the OssError that the service answers to a request that is not signed rightly."""
    given = request.headers.get("authorization", "")
    if given.startswith("OSS4-HMAC-SHA256 "):
        _verify_v4(request, given, known, region, now)
    elif given.startswith("OSS "):
        if 1 not in versions:
            raise errors.invalid_argument("V1 signature is not supported for this account.", ec="0002-00000229")
        _verify_v1(request, given, known, now)
    elif given:
        raise errors.invalid_argument("Authorization header is invalid.", "Authorization", given, "0002-00000203")
    else:
        raise errors.access_denied("Anonymous access is forbidden for this operation.")


def _credentials(request: Request, known: dict[str, Credentials], key_id: str, now: datetime) -> Credentials:
    credentials = known.get(key_id)
    token = request.headers.get("x-oss-security-token")
    # A temporary key without its token is as unknown as one that was made up; so is a lasting key with a token.
    if credentials is None or (credentials.token is None) != (token is None):
        raise errors.unknown_key_id(key_id)
    if token != credentials.token:
        raise errors.wrong_token()
    if credentials.expires is not None and credentials.expires <= now:
        raise errors.token_expired()
    return credentials


def _check_time(requested: datetime, now: datetime) -> None:
    if abs(requested - now) > _SKEW:
        raise errors.too_skewed(requested, now)


def _verify_v1(request: Request, given: str, known: dict[str, Credentials], now: datetime) -> None:
    key_id, _, signature = given.removeprefix("OSS ").partition(":")
    credentials = _credentials(request, known, key_id, now)
    headers = request.headers
    date = headers.get("x-oss-date") or headers.get("date", "")
    try:
        requested = parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        raise errors.access_denied("OSS authentication requires a valid Date.") from None
    _check_time(requested, now)
    to_sign = _to_sign_v1(request, date)
    wanted = base64.b64encode(hmac.digest(credentials.secret.encode(), to_sign, "sha1")).decode()
    if not hmac.compare_digest(wanted.encode(), signature.encode()):
        raise errors.wrong_signature(key_id, signature, to_sign)


def _to_sign_v1(request: Request, date: str) -> bytes:
    headers = request.headers
    oss_headers = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    signed = sorted((name, value) for name, value in request.query.items() if name in _SUBRESOURCES)
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    first = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    head = "\n".join(first) + "\n" + oss_headers
    tail = resource + ("?" + query if query else "")
    return head.encode("latin-1") + tail.encode("utf-8", "surrogateescape")


def _verify_v4(request: Request, given: str, known: dict[str, Credentials], region: str, now: datetime) -> None:
    parts = dict(
        part.strip().partition("=")[::2] for part in given.removeprefix("OSS4-HMAC-SHA256 ").split(",") if part.strip()
    )
    scope = parts.get("Credential", "").rsplit("/", 4)
    if len(scope) != 5 or "Signature" not in parts:
        raise errors.invalid_argument("Authorization header is invalid.", "Authorization", given, "0002-00000203")
    key_id, date, scope_region, product, terminator = scope
    credentials = _credentials(request, known, key_id, now)
    stamp = request.headers.get("x-oss-date", "")
    try:
        requested = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise errors.access_denied("OSS authentication requires a valid Date.") from None
    if "x-oss-content-sha256" not in request.headers:
        raise errors.invalid_argument("The x-oss-content-sha256 header is missing.", ec="0002-00000223")
    if date != stamp[:8]:
        raise errors.invalid_argument("Invalid signing date in Authorization header.", ec="0002-00000225")
    if scope_region != region:
        raise errors.invalid_argument("Invalid signing region in Authorization header.", ec="0002-00000226")
    if product != "oss":
        raise errors.invalid_argument("Invalid signing product in Authorization header.", ec="0002-00000227")
    if terminator != "aliyun_v4_request":
        raise errors.invalid_argument("Invalid signing terminator in Authorization header.", ec="0002-00000228")
    _check_time(requested, now)
    canonical = _canonical_request(request, parts.get("AdditionalHeaders", ""))
    digest = hashlib.sha256(canonical).hexdigest()
    to_sign = "\n".join(["OSS4-HMAC-SHA256", stamp, "/".join(scope[1:]), digest]).encode()
    signing_key = ("aliyun_v4" + credentials.secret).encode()
    for step in scope[1:]:
        signing_key = hmac.digest(signing_key, step.encode(), "sha256")
    wanted = hmac.digest(signing_key, to_sign, "sha256").hex()
    if not hmac.compare_digest(wanted.encode(), parts["Signature"].encode()):
        raise errors.wrong_signature(key_id, parts["Signature"], to_sign, canonical, "0002-00000201")


def _canonical_request(request: Request, additional: str) -> bytes:
    path = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in request.query.items())
    query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    extra = [name for name in additional.lower().split(";") if name]
    signed = sorted(
        name
        for name in request.headers
        if name.startswith("x-oss-") or name in ("content-type", "content-md5") or name in extra
    )
    headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed)
    payload = request.headers["x-oss-content-sha256"]
    first = [request.method, quote(path, safe="/~", errors="surrogateescape"), query, headers]
    return "\n".join([*first, ";".join(sorted(extra)), payload]).encode("latin-1")
