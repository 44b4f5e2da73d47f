"""Runs `docs/example_backend.py` as a process of its own, and sends it requests as clients do."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.conftest import ROOT

BACKEND = ROOT / "docs" / "example_backend.py"


class Backend:
    """A running backend."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(
        self, path: str, body: bytes, method: str = "POST", content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Send one request on a connection of its own, and return status and JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def event(self, path: str, event: object) -> tuple[int, Any]:
        """Send one event, or a list of them."""
        return self.send(path, json.dumps(event).encode())

    def picture(self, ident: str, picture: bytes, device: str = "desk-1", at: int = 1) -> tuple[int, Any]:
        """Send a picture."""
        query = urlencode({"id": ident, "device_id": device, "timestamp": at})
        return self.send(f"/screenshots?{query}", picture, content_type="image/jpeg")


@contextmanager
def running_backend(database_url: str, objects: Path, log: Path) -> Iterator[Backend]:
    """Start a backend on a free port, and end it in the end."""
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "OBJECTS_URL": f"file://{objects}",
        "LOG_FILE": str(log),
        "PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen([sys.executable, str(BACKEND)], env=environment, stderr=subprocess.PIPE)
    try:
        yield Backend(_port(process, log))
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until its log says on which port it listens."""
    while process.poll() is None:
        found = re.search(r"listening on port (\d+)", log.read_text("utf-8")) if log.exists() else None
        if found:
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1].decode())
