"""Finds multipart uploads that were begun and never ended, and adds up the parts that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from dedupaudit.errors import SourceError
from dedupaudit.sources.objects.oss_connection import OssConnection
from dedupaudit.sources.objects.oss_errors import Answer
from dedupaudit.sources.objects.oss_page import MalformedPage, child_texts, moment, unquoted, xml_root
from dedupaudit.sources.objects.protocol import Leftover


def leftovers(connection: OssConnection, prefix: str) -> Iterator[Leftover]:
    """Yield the uploads below the prefix; one that ends meanwhile is left out."""
    key_marker = id_marker = ""
    while True:
        params = {"uploads": "", "encoding-type": "url", "max-uploads": "1000", "prefix": prefix}
        if key_marker:
            params |= {"key-marker": key_marker, "upload-id-marker": id_marker}

        def read(answer: Answer) -> tuple[list[tuple[str, str, int]], str, str]:
            if answer.status != 200:
                raise connection.refused(answer, "uploads")
            return _uploads(answer.body)

        uploads, next_key, next_id = connection.ask("uploads", read, params)
        for key, upload_id, initiated in uploads:
            held = _parts(connection, key, upload_id)
            if held is not None:
                yield Leftover(key, upload_id, initiated, *held)
        if not next_key:
            return
        if (next_key, next_id) <= (key_marker, id_marker):
            raise SourceError(
                f"{connection.place.endpoint} sent the same uploads again", "check any cache or proxy before it"
            )
        key_marker, id_marker = next_key, next_id


def _parts(connection: OssConnection, key: str, upload_id: str) -> tuple[int, int] | None:
    """Return number and bytes of an upload's parts; None where it has ended."""
    count = size = 0
    marker = "0"
    while True:
        params = {"uploadId": upload_id, "max-parts": "1000", "part-number-marker": marker}

        def read(answer: Answer) -> tuple[list[int], str] | None:
            if answer.status == 200:
                return _part_sizes(answer.body)
            refused = connection.refused(answer, "uploads")
            if refused.code == "NoSuchUpload":
                return None
            raise refused

        told = connection.ask("uploads", read, params, key)
        if told is None:
            return None
        sizes, following = told
        count, size = count + len(sizes), size + sum(sizes)
        if not following:
            return count, size
        if int(following) <= int(marker):
            raise SourceError(
                f"{connection.place.endpoint} sent the same parts again", "check any cache or proxy before it"
            )
        marker = following


def _uploads(body: bytes) -> tuple[list[tuple[str, str, int]], str, str]:
    root = xml_root(body, "ListMultipartUploadsResult")
    texts = _texts(root, "Upload")
    encoded = texts.get("EncodingType") == "url"

    def plain(text: str) -> str:
        return unquoted(text) if encoded else text

    uploads = []
    for element in _named(root, "Upload"):
        told = child_texts(element)
        if not {"Key", "UploadId", "Initiated"} <= told.keys():
            raise MalformedPage("an upload is incomplete")
        uploads.append((plain(told["Key"]), told["UploadId"], moment(told["Initiated"])))
    if not _is_truncated(texts):
        return uploads, "", ""
    if not texts.get("NextKeyMarker"):
        raise MalformedPage("it says that more follows, and not where")
    return uploads, plain(texts["NextKeyMarker"]), texts.get("NextUploadIdMarker", "")


def _part_sizes(body: bytes) -> tuple[list[int], str]:
    root = xml_root(body, "ListPartsResult")
    texts = _texts(root, "Part")
    sizes = [child_texts(element).get("Size", "") for element in _named(root, "Part")]
    following = texts.get("NextPartNumberMarker", "") if _is_truncated(texts) else ""
    if not all(size.isdecimal() for size in sizes) or (_is_truncated(texts) and not following.isdecimal()):
        raise MalformedPage("a number is none")
    return [int(size) for size in sizes], following


def _named(root: Element, name: str) -> list[Element]:
    return [child for child in root if str(child.tag).rpartition("}")[2] == name]


def _texts(root: Element, repeated: str) -> dict[str, str]:
    names = {str(child.tag).rpartition("}")[2]: child.text or "" for child in root}
    names.pop(repeated, None)
    return names


def _is_truncated(texts: dict[str, str]) -> bool:
    if texts.get("IsTruncated") not in ("true", "false"):
        raise MalformedPage("it does not say whether more follows")
    return texts["IsTruncated"] == "true"
