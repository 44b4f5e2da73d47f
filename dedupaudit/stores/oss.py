"""A bucket of OSS as a store: the only module that asks OSS to change anything; an audit never imports it.

Each request may be done twice without harm, so it is sent again where its answer was lost.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from urllib.parse import quote
from xml.sax.saxutils import escape

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.oss import OssSource, is_possible, look_at, split_url
from dedupaudit.sources.objects.oss_endpoint import Endpoint, parse_endpoint
from dedupaudit.sources.objects.oss_errors import Answer
from dedupaudit.sources.objects.oss_listing import KeyRange, list_range
from dedupaudit.sources.objects.oss_page import MalformedPage, child_texts, unquoted, xml_root
from dedupaudit.sources.objects.protocol import Asking, ObjectFact
from dedupaudit.stores.proving import prove

_LARGEST = 5 * 1024**3
"""Bytes of one PUT; beyond it OSS wants a multipart upload."""
_PIECE = 32 * 1024**2
_AT_ONCE = 1000
"""Keys of one call that deletes."""
_ALIBABA = re.compile(r"(oss-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
_TAKEN = re.compile(b"<Code>(?:FileAlreadyExists|FileImmutable)</Code>")
"""An object of this key is there; the second is what a bucket with a retention policy may say of it."""
_CONTENT_TYPE = re.compile("[!-~]+(?: [!-~]+)*")
# XML 1.0 cannot say the rest, and its readers trim or fold white space.
_FIT_FOR_XML = re.compile("[^\x00-\x20\x7f-\x9f\ufffe\uffff](?:[^\x00-\x1f\x7f-\x9f\ufffe\uffff]*[^\x00-\x20])?")


class OssStore:
    """An ObjectStore; see protocol.py. A prefix in the URL means nothing here: keys are whole.

    A bucket that keeps versions, or kept them once, ignores x-oss-forbid-overwrite: there, `put` overwrites what is
    shown and says True.
    """

    def __init__(
        self,
        url: str,
        endpoint: str | None = None,
        region: str | None = None,
        interrupt: Interrupt | None = None,
        asking: Asking | None = None,
    ) -> None:
        self._bucket, _ = split_url(url)
        self._source = OssSource(f"oss://{self._bucket}/", endpoint, region, interrupt or Interrupt(), asking)
        self._connection = self._source.connection
        self._public = _public(parse_endpoint(endpoint, region))
        self.shown = self._source.shown

    def preflight(self, prefix: str = "") -> None:
        prove(self, prefix)

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        """Write one object; False also where it is this call's own, because an answer was lost: ask `holds`."""
        self._check(key)
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise UsageError(f"{visible(content_type)} is no content type", "write it as in image/jpeg")
        if len(content) > _LARGEST:
            raise SourceError(
                f"{visible(key)} has {len(content):,} bytes, and OSS takes 5 GB at once", "send it in several objects"
            )
        headers = {"Content-Type": content_type, "Content-MD5": _md5(content)}
        if not overwrite:
            headers["x-oss-forbid-overwrite"] = "true"

        def read(answer: Answer) -> bool:
            if self._succeeded(answer):
                return True
            # Not parsed: the body quotes the key, and with some keys it is no XML.
            if answer.status == 409 and _TAKEN.search(answer.body) and not overwrite:
                return False
            refused = self._connection.refused(answer, "put")
            raise self._impossible(key) if refused.code == "InvalidObjectName" else refused

        return self._connection.ask("put", read, key=key, method="PUT", headers=headers, body=content)

    def holds(self, key: str, content: bytes) -> bool | None:
        found = self.look(key)
        if found is None or found.size != len(content):
            return None if found is None else False
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest().upper()
        if not content or (found.is_md5 and found.etag == md5):
            return True
        # OSS does not promise that an ETag is an MD5, so another one proves nothing yet.
        return self._reads_as(key, content)

    def look(self, key: str) -> ObjectFact | None:
        return look_at(self._connection, key, "get") if _is_possible(key) else None

    def below(self, prefix: str) -> Iterable[list[ObjectFact]]:
        return list_range(self._connection, prefix, KeyRange())

    def delete(self, keys: Iterable[str]) -> int:
        asked = 0
        rest = iter(keys)
        while some := list(islice(rest, _AT_ONCE)):
            asked += len(some)
            for key in some:
                self._check(key)
            together = [key for key in some if _FIT_FOR_XML.fullmatch(key)]
            if together:
                self._delete_together(together)
            for key in set(some).difference(together):
                self._connection.ask("delete", self._deleted, key=key, method="DELETE")
        return asked

    def url(self, key: str) -> str:
        """Return the address that a browser has for an object; the endpoint may be one inside Alibaba's network."""
        self._check(key)
        # A browser would tidy these away; what is escaped it leaves alone.
        untidy = any(part in ("", ".", "..") for part in key.split("/"))
        return self._public.url(self._bucket, "") + quote(key, safe="" if untidy else "/")

    def close(self) -> None:
        self._source.close()

    def _reads_as(self, key: str, content: bytes) -> bool | None:
        """Compare the content itself, piece by piece; the sizes are known to be equal."""
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]

            def read(answer: Answer, piece: bytes = piece) -> bool | None:
                whole = answer.status == 200 and len(piece) == len(content)
                if answer.is_of_oss and (whole or answer.status == 206):
                    return answer.body == piece
                refused = self._connection.refused(answer, "get")
                if refused.code == "NoSuchKey":
                    return None
                raise refused

            asked = {"Range": f"bytes={start}-{start + len(piece) - 1}"}
            same = self._connection.ask("get", read, key=key, headers=asked)
            if not same:
                return same
        return True

    def _delete_together(self, keys: list[str]) -> None:
        objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f'<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>false</Quiet>{objects}</Delete>'.encode()
        wanted = set(keys)

        def read(answer: Answer) -> None:
            if not self._succeeded(answer):
                raise self._connection.refused(answer, "delete")
            left = wanted.difference(_deleted_keys(answer.body))
            if left:
                raise SourceError(
                    f"OSS did not delete {len(left):,} of {len(wanted):,} objects in {self.shown}, such as "
                    f"{visible(min(left))}",
                    "see whether a retention rule holds them, then delete again",
                )

        self._connection.ask(
            "delete",
            read,
            {"delete": "", "encoding-type": "url"},
            method="POST",
            headers={"Content-Type": "application/xml", "Content-MD5": _md5(body)},
            body=body,
        )

    def _deleted(self, answer: Answer) -> None:
        if not self._succeeded(answer):
            refused = self._connection.refused(answer, "delete")
            if refused.code != "NoSuchKey":
                raise refused

    @staticmethod
    def _succeeded(answer: Answer) -> bool:
        # A proxy's own page may say 200 as well.
        return answer.is_of_oss and 200 <= answer.status < 300

    def _check(self, key: str) -> None:
        if not _is_possible(key):
            raise self._impossible(key)

    def _impossible(self, key: str) -> UsageError:
        return UsageError(
            f"{self.shown} cannot have an object of the key {visible(key)}",
            "a key is 1 to 1023 bytes of UTF-8, does not begin with / or \\, and is not `.` or `..`",
        )


def _is_possible(key: str) -> bool:
    return is_possible(key) and not key.startswith(("/", "\\")) and key not in (".", "..")


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _deleted_keys(body: bytes) -> Iterator[str]:
    root = xml_root(body, "DeleteResult")
    encoded = any(str(child.tag).endswith("EncodingType") and child.text == "url" for child in root)
    for child in root:
        if str(child.tag).rpartition("}")[2] == "Deleted":
            key = child_texts(child).get("Key")
            if key is None:
                raise MalformedPage("a deleted object has no key")
            yield unquoted(key) if encoded else key


def _public(endpoint: Endpoint) -> Endpoint:
    """Return where everybody reaches the bucket: Alibaba's inner endpoints and plain HTTP are for the backend."""
    match = _ALIBABA.fullmatch(endpoint.host)
    return replace(endpoint, scheme="https", host=f"{match[1]}.aliyuncs.com", port=None) if match else endpoint
