"""Multipart uploads: begin, send parts, finish, give up, and list what was left behind."""

from __future__ import annotations

import hashlib
import time
import xml.etree.ElementTree as ElementTree
from itertools import islice
from xml.sax.saxutils import escape

from tests.oss import errors
from tests.oss.listing import OWNER, document, element, integer, iso, url_encode, writer
from tests.oss.objects import Bucket, Part, StoredObject, Upload
from tests.oss.wire import Answer, Request

_XML = {"Content-Type": "application/xml"}
_SMALLEST_PART = 100 * 1024  # of all parts but the last


def _upload(bucket: Bucket, request: Request) -> Upload:
    upload = bucket.uploads.get(request.query["uploadId"])
    if upload is None or upload.key != request.key:
        raise errors.no_such_upload(request.query["uploadId"])
    return upload


def initiate(bucket: Bucket, request: Request, headers: dict[str, str]) -> Answer:
    """Begin an upload."""
    url, encoding = writer(request)
    upload = bucket.begin_upload(request.key, headers=headers)
    name = element("Bucket", bucket.name) + element("Key", (url_encode if url else escape)(request.key))
    inner = encoding + name + element("UploadId", upload.upload_id)
    return Answer(200, dict(_XML), document("InitiateMultipartUploadResult", inner))


def upload_part(bucket: Bucket, request: Request) -> Answer:
    """Take one part."""
    number = integer(request, "partNumber", 0, 10000)
    etag = hashlib.md5(request.body, usedforsecurity=False).hexdigest().upper()
    with bucket.lock:
        part = Part(etag, len(request.body), int(time.time()), request.body)
        _upload(bucket, request).parts[number] = part
    return Answer(200, {"ETag": f'"{etag}"'})


def complete(bucket: Bucket, request: Request) -> Answer:
    """Join the named parts to an object; its ETag is no MD5 of the content and ends in the number of parts."""
    url, encoding = writer(request)
    try:
        named = [
            (int(part.findtext("PartNumber", "")), part.findtext("ETag", "").strip('"').upper())
            for part in ElementTree.fromstring(request.body).iter("Part")  # noqa: S314 - the tests' own client wrote it
        ]
    except (ElementTree.ParseError, ValueError):
        raise errors.malformed_xml() from None
    with bucket.lock:
        upload = _upload(bucket, request)
        made = _joined(upload, named)
        bucket.put(request.key, made)
        del bucket.uploads[upload.upload_id]
    name = element("Bucket", bucket.name) + element("Key", (url_encode if url else escape)(request.key))
    inner = encoding + element("Location", f"http://oss/{bucket.name}/{url_encode(request.key)}") + name
    body = document("CompleteMultipartUploadResult", inner + element("ETag", f'"{made.etag}"'))
    return Answer(200, _XML | {"ETag": f'"{made.etag}"'}, body)


def _joined(upload: Upload, named: list[tuple[int, str]]) -> StoredObject:
    if not named or [number for number, _ in named] != sorted({number for number, _ in named}):
        raise errors.OssError(400, "InvalidPartOrder", "The list of parts was not in ascending order.", "0042-00000207")
    for number, etag in named:
        if number not in upload.parts or upload.parts[number].etag != etag:
            message = (
                "One or more of the specified parts could not be found "
                "or the specified entity tag might not have matched the part's entity tag."
            )
            extra = {"PartNumber": str(number), "ETag": etag, "UploadId": upload.upload_id}
            raise errors.OssError(400, "InvalidPart", message, "0042-00000101", extra)
    parts = [upload.parts[number] for number, _ in named]
    if any(part.size < _SMALLEST_PART for part in parts[:-1]):
        message = "Your proposed upload smaller than the minimum allowed size."
        raise errors.OssError(400, "EntityTooSmall", message, "0042-00000110", {"MinSizeAllowed": str(_SMALLEST_PART)})
    content = b"".join(bytes(part.size) if part.content is None else part.content for part in parts)
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest().upper()}-{len(parts)}"
    at = int(time.time())
    return StoredObject(len(content), etag, at, kind="Multipart", content=content, headers=upload.headers)


def abort(bucket: Bucket, request: Request) -> Answer:
    """Give an upload up with all its parts."""
    with bucket.lock:
        del bucket.uploads[_upload(bucket, request).upload_id]
    return Answer(204)


def list_parts(bucket: Bucket, request: Request) -> Answer:
    """List the parts of one upload."""
    url, encoding = writer(request)
    limit = integer(request, "max-parts", 1000, 1000)
    after = int(request.query.get("part-number-marker") or 0)
    with bucket.lock:
        upload = _upload(bucket, request)
        left = sorted((number, part) for number, part in upload.parts.items() if number > after)
    shown = left[:limit]
    head = encoding + element("Bucket", bucket.name) + element("Key", (url_encode if url else escape)(upload.key))
    head += element("UploadId", upload.upload_id) + element("StorageClass", "Standard")
    head += element("PartNumberMarker", after) + element("NextPartNumberMarker", shown[-1][0] if shown else after)
    head += element("MaxParts", limit) + element("IsTruncated", str(len(shown) < len(left)).lower())
    rows = "".join(
        f"  <Part>\n    <PartNumber>{number}</PartNumber>\n    <LastModified>{iso(part.modified)}</LastModified>\n"
        f'    <ETag>"{part.etag}"</ETag>\n    <Size>{part.size}</Size>\n  </Part>\n'
        for number, part in shown
    )
    return Answer(200, dict(_XML), document("ListPartsResult", head + rows))


def list_uploads(bucket: Bucket, request: Request) -> Answer:
    """List the uploads that were begun and neither finished nor given up, by key and then by upload."""
    url, encoding = writer(request)
    write = url_encode if url else escape
    query = request.query
    limit = integer(request, "max-uploads", 1000, 1000)
    prefix, marker, upload_marker = (query.get(name, "") for name in ("prefix", "key-marker", "upload-id-marker"))
    with bucket.lock:
        ordered = sorted((upload.key, upload.upload_id, upload.initiated) for upload in bucket.uploads.values())
    left = (
        upload
        for upload in ordered
        if upload[0].startswith(prefix)
        and (upload[0] > marker or (upload_marker and upload[0] == marker and upload[1] > upload_marker))
    )
    shown = list(islice(left, limit))
    more = next(left, None) is not None
    last = shown[-1] if more else ("", "", 0)
    head = encoding + element("Bucket", bucket.name) + element("KeyMarker", write(marker))
    head += element("UploadIdMarker", upload_marker) + element("NextKeyMarker", write(last[0]))
    head += element("NextUploadIdMarker", last[1]) + element("Delimiter", "") + element("Prefix", write(prefix))
    head += element("MaxUploads", limit) + element("IsTruncated", str(more).lower())
    rows = "".join(
        f"  <Upload>\n    <Key>{write(key)}</Key>\n    <UploadId>{upload_id}</UploadId>\n"
        f"    <StorageClass>Standard</StorageClass>\n    <Initiated>{iso(initiated)}</Initiated>\n"
        f"    <Owner>\n      <ID>{OWNER}</ID>\n      <DisplayName>{OWNER}</DisplayName>\n    </Owner>\n  </Upload>\n"
        for key, upload_id, initiated in shown
    )
    return Answer(200, dict(_XML), document("ListMultipartUploadsResult", head + rows))
