"""What the fake OSS does with a request that was signed rightly: one function for each kind of request."""

from __future__ import annotations

import base64
import hashlib
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape

from tests.oss import errors, multipart
from tests.oss.listing import OWNER, Prerendered, document, element, iso, list_objects, url_encode, writer
from tests.oss.objects import Bucket, StoredObject, stored
from tests.oss.wire import Answer, Request

_XML = {"Content-Type": "application/xml"}
_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "expires")


class Store:
    """The buckets and what can be done with them."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.buckets: dict[str, Bucket] = {}
        self.prerendered: dict[str, Prerendered] = {}
        self._by_kind: dict[str, Callable[[Bucket, Request], Answer]] = {
            "list": self._list,
            "head": self._read,
            "get": self._read,
            "put": self._put,
            "copy": self._copy,
            "delete": self._delete,
            "multi_delete": self._multi_delete,
            "initiate": lambda bucket, request: multipart.initiate(bucket, request, _kept_headers(request)),
            "upload_part": multipart.upload_part,
            "complete": multipart.complete,
            "abort": multipart.abort,
            "list_parts": multipart.list_parts,
            "list_uploads": multipart.list_uploads,
            "bucket_info": self._bucket_info,
            "location": self._location,
            "stat": self._stat,
        }

    def do(self, request: Request) -> Answer:
        """Do what is asked for; raises OssError."""
        if not request.bucket:
            raise errors.method_not_allowed(request.method)
        bucket = self.buckets.get(request.bucket)
        if bucket is None:
            raise errors.no_such_bucket(request.bucket)
        if bucket.moved_to:
            raise errors.wrong_endpoint(bucket.name, bucket.moved_to)
        operation = self._by_kind.get(request.kind)
        if operation is None:
            raise errors.method_not_allowed(request.method)
        _check_key(request.key)
        _check_md5(request)
        return operation(bucket, request)

    def _list(self, bucket: Bucket, request: Request) -> Answer:
        return Answer(200, dict(_XML), list_objects(bucket, request, self.prerendered.get(bucket.name)))

    def _read(self, bucket: Bucket, request: Request) -> Answer:
        found = bucket.find(request.key)
        if found is None:
            raise errors.no_such_key(request.key)
        if (refusal := _condition(request, found)) is not None:
            return refusal
        headers = _object_headers(found)
        if request.method == "HEAD":
            return Answer(200, headers, length=found.size)
        start, end = 0, found.size
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if asked and found.size and (asked[1] or asked[2]):
            start = int(asked[1]) if asked[1] else max(0, found.size - int(asked[2]))
            end = min(int(asked[2]) + 1, found.size) if asked[1] and asked[2] else found.size
            # What makes no sense as a range is answered with the whole object, as OSS does.
            if not start < end:
                start, end, asked = 0, found.size, None
            else:
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
        return Answer(206 if "Content-Range" in headers else 200, headers, found.read(start, end))

    def _put(self, bucket: Bucket, request: Request) -> Answer:
        with bucket.lock:
            _check_overwrite(bucket, request)
            made = bucket.put(request.key, stored(request.body, headers=_kept_headers(request)))
        return Answer(200, {"ETag": f'"{made.etag}"', "Content-MD5": _md5(request.body)})

    def _copy(self, bucket: Bucket, request: Request) -> Answer:
        name, _, key = unquote(request.headers["x-oss-copy-source"]).lstrip("/").partition("/")
        source = self.buckets.get(name)
        if source is None:
            raise errors.no_such_bucket(name)
        with bucket.lock:
            found = source.find(key)
            if found is None:
                raise errors.no_such_key(key)
            if request.headers.get("x-oss-copy-source-if-match", found.etag).strip('"') != found.etag:
                raise _precondition_failed("x-oss-copy-source-if-match")
            _check_overwrite(bucket, request)
            replaced = request.headers.get("x-oss-metadata-directive", "COPY").upper() == "REPLACE"
            headers = _kept_headers(request) if replaced else found.headers
            made = bucket.put(request.key, found._replace(modified=int(time.time()), headers=headers))
        inner = element("ETag", f'"{made.etag}"') + element("LastModified", iso(made.modified))
        return Answer(200, _XML | {"ETag": f'"{made.etag}"'}, document("CopyObjectResult", inner))

    def _delete(self, bucket: Bucket, request: Request) -> Answer:
        bucket.remove(request.key)  # what is not there is deleted already
        return Answer(204)

    def _multi_delete(self, bucket: Bucket, request: Request) -> Answer:
        url, encoding = writer(request)
        if "content-md5" not in request.headers:
            raise errors.OssError(400, "MissingArgument", "Missing Some Required Arguments.", "0016-00000502")
        try:
            root = ElementTree.fromstring(request.body)  # noqa: S314 - the tests' own client wrote it
        except ElementTree.ParseError:
            raise errors.malformed_xml() from None
        keys = [found.findtext("Key", "") for found in root.iter("Object")]
        if not 1 <= len(keys) <= 1000 or root.tag != "Delete":
            raise errors.malformed_xml()
        for key in keys:
            bucket.remove(key)
        if root.findtext("Quiet", "false") == "true":
            return Answer(200)
        write = url_encode if url else escape
        rows = "".join(f"  <Deleted>\n    <Key>{write(key)}</Key>\n  </Deleted>\n" for key in keys)
        return Answer(200, dict(_XML), document("DeleteResult", encoding + rows))

    def _bucket_info(self, bucket: Bucket, request: Request) -> Answer:
        facts = {
            "Name": bucket.name,
            "Location": f"oss-{self.region}",
            "CreationDate": iso(bucket.created),
            "ExtranetEndpoint": f"oss-{self.region}.aliyuncs.com",
            "IntranetEndpoint": f"oss-{self.region}-internal.aliyuncs.com",
            "StorageClass": "Standard",
            "DataRedundancyType": "LRS",
            "Owner": f"<ID>{OWNER}</ID><DisplayName>{OWNER}</DisplayName>",
            "AccessControlList": "<Grant>private</Grant>",
        }
        inner = "  <Bucket>\n" + "".join("  " + element(name, value) for name, value in facts.items()) + "  </Bucket>\n"
        return Answer(200, dict(_XML), document("BucketInfo", inner))

    def _stat(self, bucket: Bucket, request: Request) -> Answer:
        with bucket.lock:
            facts = {
                "Storage": sum(bucket.get(key).size for key in bucket.keys),
                "ObjectCount": len(bucket.keys),
                "MultipartUploadCount": len(bucket.uploads),
                "MultipartPartCount": sum(len(upload.parts) for upload in bucket.uploads.values()),
            }
        inner = "".join(element(name, value) for name, value in facts.items())
        return Answer(200, dict(_XML), document("BucketStat", inner))

    def _location(self, bucket: Bucket, request: Request) -> Answer:
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint>oss-{self.region}</LocationConstraint>\n'
        return Answer(200, dict(_XML), body.encode())


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _check_md5(request: Request) -> None:
    given = request.headers.get("content-md5")
    if given is not None and given != _md5(request.body):
        raise errors.invalid_digest(given)


def _check_key(key: str) -> None:
    raw = key.encode("utf-8", "surrogateescape")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise errors.invalid_object_name(raw.decode("utf-8", "replace")) from None
    if len(raw) > 1023 or key.startswith(("/", "\\")):
        raise errors.invalid_object_name(key)


def _check_overwrite(bucket: Bucket, request: Request) -> None:
    if request.headers.get("x-oss-forbid-overwrite") == "true" and bucket.find(request.key) is not None:
        raise errors.already_exists(request.key)


def _kept_headers(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.startswith("x-oss-meta-") or name in _KEPT}


def _object_headers(found: StoredObject) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "ETag": f'"{found.etag}"',
        "Last-Modified": formatdate(found.modified, usegmt=True),
        "x-oss-object-type": found.kind,
        "x-oss-storage-class": found.storage_class,
        **({"Content-MD5": _md5(found.content)} if found.kind == "Normal" and found.content is not None else {}),
        **{name.title() if name in _KEPT else name: value for name, value in found.headers.items()},
    }


def _precondition_failed(condition: str) -> errors.OssError:
    message = "At least one of the pre-conditions you specified did not hold."
    return errors.OssError(412, "PreconditionFailed", message, "0026-00000012", {"Condition": condition})


def _condition(request: Request, found: StoredObject) -> Answer | None:
    headers = request.headers
    if headers.get("if-match", found.etag).strip('"') != found.etag:
        raise _precondition_failed("If-Match")
    if (since := headers.get("if-unmodified-since")) and found.modified > parsedate_to_datetime(since).timestamp():
        raise _precondition_failed("If-Unmodified-Since")
    unchanged = headers.get("if-none-match", "").strip('"') == found.etag
    if since := headers.get("if-modified-since"):
        unchanged = unchanged or found.modified <= parsedate_to_datetime(since).timestamp()
    return Answer(304, _object_headers(found)) if unchanged else None
