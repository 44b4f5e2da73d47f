"""The fake OSS in a process of its own."""

from __future__ import annotations

import os
from functools import partial

import oss2
import pytest

from tests.oss.clients import bucket_of
from tests.oss.process import OssProcess, numbered
from tests.oss.server import FakeOss


def process_id(server: FakeOss) -> int:
    return os.getpid()


def add(key: str, server: FakeOss) -> None:
    server.bucket.put(key)


def explode(server: FakeOss) -> None:
    raise LookupError("here")


def test_it_lists_what_it_was_filled_with_and_can_be_asked() -> None:
    with OssProcess(numbered(5000)) as server:
        with bucket_of(server) as client:
            found = [each.key for each in oss2.ObjectIteratorV2(client, max_keys=1000)]
        assert found == [f"pictures/{number:010}.jpg" for number in range(5000)]
        assert server.counts() == {"list": 5}
        server.call(partial(add, "z"))
        server.forget()
        with bucket_of(server) as client:
            assert client.object_exists("z")
        assert server.counts() == {"head": 1}
        assert server.cpu() > 0
        assert server.call(process_id) != os.getpid()
        with pytest.raises(LookupError, match="here"):
            server.call(explode)


def test_what_goes_wrong_while_filling_is_raised_here() -> None:
    with pytest.raises(LookupError, match="here"), OssProcess(explode):
        pass
