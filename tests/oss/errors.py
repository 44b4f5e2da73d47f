"""The errors of OSS, with the status, code, wording and elements of the real service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape


class OssError(Exception):
    """What OSS answers instead of doing what was asked; `extra`: the elements that this code adds to the usual ones."""

    def __init__(self, status: int, code: str, message: str, ec: str, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec
        self.extra = dict(extra or {})

    def xml(self, request_id: str, host: str) -> bytes:
        """Return the body."""
        elements = {"Code": self.code, "Message": self.message, "RequestId": request_id, "HostId": host}
        elements |= self.extra | {"EC": self.ec}
        lines = "".join(f"  <{name}>{escape(value)}</{name}>\n" for name, value in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n{lines}</Error>\n'.encode()


def no_such_bucket(bucket: str) -> OssError:
    return OssError(
        404, "NoSuchBucket", "The specified bucket does not exist.", "0015-00000101", {"BucketName": bucket}
    )


def no_such_key(key: str) -> OssError:
    return OssError(404, "NoSuchKey", "The specified key does not exist.", "0026-00000001", {"Key": key})


def no_such_upload(upload_id: str) -> OssError:
    message = (
        "The specified upload does not exist. "
        "The upload ID may be invalid, or the upload may have been aborted or completed."
    )
    return OssError(404, "NoSuchUpload", message, "0042-00000104", {"UploadId": upload_id})


def invalid_argument(message: str, name: str = "", value: str = "", ec: str = "0017-00000901") -> OssError:
    extra = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return OssError(400, "InvalidArgument", message, ec, extra)


def invalid_object_name(key: str) -> OssError:
    return OssError(
        400, "InvalidObjectName", "The specified object is not valid.", "0026-00000002", {"ObjectName": key[:100]}
    )


def invalid_digest(given: str) -> OssError:
    return OssError(
        400, "InvalidDigest", "The Content-MD5 you specified was invalid.", "0017-00000002", {"Content-MD5": given}
    )


def malformed_xml() -> OssError:
    message = "The XML you provided was not well-formed or did not validate against our published schema."
    return OssError(400, "MalformedXML", message, "0043-00000001")


def method_not_allowed(method: str) -> OssError:
    message = "The specified method is not allowed against this resource."
    return OssError(405, "MethodNotAllowed", message, "0013-00000001", {"Method": method})


def already_exists(key: str) -> OssError:
    message = "The object you specified already exists and can not be overwritten."
    return OssError(409, "FileAlreadyExists", message, "0026-00000201", {"Key": key})


def access_denied(message: str = "You have no right to access this object because of bucket acl.") -> OssError:
    return OssError(403, "AccessDenied", message, "0003-00000001")


def wrong_endpoint(bucket: str, endpoint: str) -> OssError:
    """Return what a bucket of another region answers."""
    message = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    )
    return OssError(403, "AccessDenied", message, "0003-00001403", {"Bucket": bucket, "Endpoint": endpoint})


def unknown_key_id(key_id: str) -> OssError:
    message = "The OSS Access Key Id you provided does not exist in our records."
    return OssError(403, "InvalidAccessKeyId", message, "0002-00000902", {"OSSAccessKeyId": key_id})


def wrong_token() -> OssError:
    return OssError(403, "InvalidSecurityToken", "The security token you provided is invalid.", "0002-00000004")


def token_expired() -> OssError:
    return OssError(403, "SecurityTokenExpired", "The security token you provided has expired.", "0002-00000007")


def wrong_signature(
    key_id: str, provided: str, to_sign: bytes, canonical: bytes | None = None, ec: str = "0002-00000040"
) -> OssError:
    """Return what a wrong secret is told: the text that the server signed, and for V4 the canonical request too."""
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    extra = {
        "OSSAccessKeyId": key_id,
        "SignatureProvided": provided,
        "StringToSign": to_sign.decode("utf-8", "replace"),
        "StringToSignBytes": to_sign.hex(" ").upper() + " ",
    }
    if canonical is not None:
        extra["CanonicalRequest"] = canonical.decode("utf-8", "replace")
        extra["CanonicalRequestBytes"] = canonical.hex(" ").upper() + " "
    return OssError(403, "SignatureDoesNotMatch", message, ec, extra)


def too_skewed(requested: datetime, now: datetime) -> OssError:
    message = "The difference between the request time and the current time is too large."
    extra = {
        "MaxAllowedSkewMilliseconds": "900000",
        "RequestTime": requested.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "ServerTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    return OssError(403, "RequestTimeTooSkewed", message, "0002-00000504", extra)


def unavailable() -> OssError:
    return OssError(503, "ServiceUnavailable", "Please reduce your request rate.", "0008-00000101")


def internal_error() -> OssError:
    return OssError(500, "InternalError", "We encountered an internal error. Please try again.", "0001-00000001")
