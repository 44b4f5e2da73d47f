"""What refusals of OSS and failures of the connection mean, and what to do about each.

Of an error's body only the code and the message are told: the rest quotes what was signed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.sources.objects.oss_page import MalformedPage, child_texts, moment, xml_root
from dedupaudit.times import now_micros, to_micros

Action = Literal["list", "head", "get", "uploads", "put", "delete"]
WRITING: frozenset[Action] = frozenset({"put", "delete"})
"""What stores/ asks for, and no audit."""
_PERMISSIONS: dict[Action, str] = {
    "list": "oss:ListObjects",
    "head": "oss:GetObject",
    "get": "oss:GetObject",
    "uploads": "oss:ListMultipartUploads and oss:ListParts",
    "put": "oss:PutObject",
    "delete": "oss:DeleteObject",
}
_VERBS: dict[Action, str] = {
    "list": "list",
    "get": "read from",
    "uploads": "list the uploads of",
    "put": "write to",
    "delete": "delete from",
}


class Answer(NamedTuple):
    """What came back, whole: the names of `headers` are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_of_oss(self) -> bool:
        """Say whether OSS itself answered, and no proxy or other server."""
        return "x-oss-request-id" in self.headers


@dataclass(frozen=True)
class Place:
    """What an error has to name; all of it is fit to be shown."""

    bucket: str
    endpoint: str
    region: str
    credentials: str


class OssRefusal(SourceError):
    """OSS, or what answered in its place, said no; `code` is OSS's own word for it, empty where it has none."""

    def __init__(self, message: str, hint: str, code: str, status: int) -> None:
        super().__init__(message, hint)
        self.code = code
        self.status = status


def details(answer: Answer) -> dict[str, str]:
    """Return code, message and the like of an error: from its body, or from the header that HEAD has in its place."""
    body = answer.body
    if not body and "x-oss-err" in answer.headers:
        try:
            body = base64.b64decode(answer.headers["x-oss-err"])
        except (binascii.Error, ValueError):
            return {}
    try:
        return child_texts(xml_root(body, "Error")) if body else {}
    except MalformedPage:
        return {}


def refusal(answer: Answer, action: Action, place: Place) -> OssRefusal:
    """Return what an answer that is no success means."""
    told = details(answer)
    code = told.get("Code", "")
    if not code and not answer.is_of_oss:
        message, hint = _not_oss(answer, place)
    elif code == "AccessDenied" or (not code and answer.status == 403):
        message, hint = _denied(told, action, place)
    elif code == "RequestTimeTooSkewed":
        message, hint = _skewed(answer, place)
    elif code in _REFUSALS:
        message, hint = (text.format(place=place) for text in _REFUSALS[code])
    elif "region" in told.get("Message", "").lower():
        message, hint = _REGION
        message, hint = message.format(place=place), hint.format(place=place)
    else:
        said = (
            f"{visible(code, 60)}: {visible(told['Message'])}" if told.get("Message") else visible(code or "no reason")
        )
        message = f"{place.endpoint} refused bucket {place.bucket} with {answer.status} ({said})"
        hint = (
            f"look the code up in the documentation of OSS; request {visible(answer.headers.get('x-oss-request-id'))}"
        )
    return OssRefusal(message, hint, code, answer.status)


_REGION = (
    "the region {place.region} does not fit {place.endpoint}",
    "name the region of the endpoint by --oss-region, as in cn-hangzhou",
)
_REFUSALS = {
    "NoSuchBucket": (
        "there is no bucket {place.bucket} at {place.endpoint}",
        "check the name in oss://BUCKET/ and that --oss-endpoint is of its region",
    ),
    "InvalidBucketName": (
        "{place.bucket} cannot be the name of a bucket",
        "check oss://BUCKET/PREFIX: lower case, digits and -",
    ),
    "SignatureDoesNotMatch": (
        "{place.endpoint} does not accept the signature: the secret does not belong to the access key ID",
        "check the secret in {place.credentials}, and that the region {place.region} is the endpoint's",
    ),
    "InvalidAccessKeyId": (
        "{place.endpoint} does not know the access key ID",
        "check the ID in {place.credentials}; a temporary ID of STS needs its session token too",
    ),
    "InvalidSecurityToken": (
        "{place.endpoint} does not accept the STS session token",
        "get new temporary credentials, all three parts together, for {place.credentials}",
    ),
    "SecurityTokenExpired": (
        "the STS session token has expired",
        "get new temporary credentials for {place.credentials}, that last longer than the run; a file is read again "
        "when it changes",
    ),
    "UserDisable": ("the account of bucket {place.bucket} is disabled", "see the account's state in the console"),
}
_REFUSALS["InvalidToken"] = _REFUSALS["InvalidSecurityToken"]
_REFUSALS["SecurityTokenNotSupported"] = _REFUSALS["InvalidSecurityToken"]


def _denied(told: Mapping[str, str], action: Action, place: Place) -> tuple[str, str]:
    if "specified endpoint" in told.get("Message", ""):
        right = visible(told.get("Endpoint") or "another endpoint")
        return (
            f"bucket {place.bucket} is not at {place.endpoint}, but at {right}",
            f"name --oss-endpoint https://{right} and its --oss-region",
        )
    if action == "head":
        return (
            f"bucket {place.bucket} may be listed, but its objects may not be looked at (HEAD is forbidden)",
            f"grant {_PERMISSIONS[action]} on {place.bucket}/* to {place.credentials}; "
            "until then no object can be called missing",
        )
    verb = _VERBS[action]
    where = f"on {place.bucket}/*" if action in WRITING else "on it"
    return (
        f"{place.credentials} may not {verb} bucket {place.bucket}",
        f"grant {_PERMISSIONS[action]} {where}, or check that the bucket is yours",
    )


def _skewed(answer: Answer, place: Place) -> tuple[str, str]:
    try:
        told = details(answer).get("ServerTime")
        server = moment(told) if told else to_micros(parsedate_to_datetime(answer.headers["date"]))
        off = (now_micros() - server) // 1_000_000
        how = f"is {abs(off):,} s {'ahead of' if off > 0 else 'behind'} the server's"
    except (KeyError, ValueError, TypeError):
        how = "differs from the server's by more than 15 minutes"
    return f"the clock of this machine {how} ({place.endpoint})", "set it right (NTP), then run again"


def _not_oss(answer: Answer, place: Place) -> tuple[str, str]:
    if 300 <= answer.status < 400:
        to = visible(answer.headers.get("location"))
        return f"{place.endpoint} redirects to {to}; redirects are not followed", "name the right --oss-endpoint"
    if b"HTTPS port" in answer.body:
        return f"{place.endpoint} speaks TLS and was asked in plain HTTP", "write --oss-endpoint https://…"
    return (
        f"what answered {answer.status} at {place.endpoint} is not OSS, or a proxy before it",
        "check --oss-endpoint, and HTTP_PROXY and NO_PROXY in the environment",
    )


_CONNECTIONS = (
    (
        "(?i)wrong.version.number|record.layer.failure|HTTP_REQUEST|packet length|violation of protocol",
        "{place.endpoint} does not speak TLS",
        "write --oss-endpoint http://… if it is plain HTTP on purpose",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED|certificate|hostname",
        "the certificate of {place.endpoint} is not trusted",
        "check the endpoint; for a company's own CA set REQUESTS_CA_BUNDLE to its file",
    ),
    (
        "Name or service not known|getaddrinfo|NameResolution|Temporary failure in name|No address",
        "no host of the name in {place.endpoint} was found",
        "check --oss-endpoint and the network; the bucket's name is put before the host's",
    ),
    ("refused", "nothing answers at {place.endpoint}: the connection is refused", "check the host and port"),
    ("ProxyError|proxy", "the proxy before {place.endpoint} does not let through", "check HTTPS_PROXY and NO_PROXY"),
    (
        "unreachable|No route",
        "{place.endpoint} cannot be reached from here",
        "check the network; an -internal endpoint is reached from its own region only",
    ),
    (
        "timed out|Timeout",
        "{place.endpoint} did not answer in time",
        "check the network; an -internal endpoint is reached from its own region only",
    ),
)


def lost(error: BaseException, attempts: int, place: Place) -> SourceError:
    """Return what a connection that failed, for the last time, means."""
    text = f"{type(error).__name__} {error}"
    for words, message, hint in _CONNECTIONS:
        if re.search(words, text):
            return SourceError(f"{message.format(place=place)} ({attempts} attempts)", hint.format(place=place))
    return SourceError(
        f"{place.endpoint} closed the connection in the middle of an answer, {attempts} times",
        "check the network and any proxy, then run again; an endpoint of https:// asked by http:// does this too",
    )
