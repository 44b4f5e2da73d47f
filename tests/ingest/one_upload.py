"""One process of a backend that uploads one picture: `python -m tests.ingest.one_upload URL FOLDER LEASE`.

It says `putting` on stdout when its PUT has begun, waits there for a line on stdin, and in the end says what it
answered: `stored`, `duplicate`, or the error's name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import create_engine

from dedupaudit.ingest.errors import IngestError
from dedupaudit.ingest.screenshots import ScreenshotWriter
from dedupaudit.stores.local import LocalStore
from tests.ingest.uploads import SHOT


class AskingStore(LocalStore):
    """A folder whose PUT takes as long as the test says."""

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        """Write one object as its parent does, once it is told to."""
        print("putting", flush=True)  # noqa: T201 (the test reads it)
        sys.stdin.readline()
        return super().put(key, content, content_type=content_type, overwrite=overwrite)


def main() -> None:
    """Upload, and say what came of it."""
    url, folder, lease = sys.argv[1:]
    writer = ScreenshotWriter(create_engine(url), AskingStore(f"file://{Path(folder)}"), lease=float(lease), wait=0)
    try:
        answer = "duplicate" if writer.write(SHOT).duplicate else "stored"
    except IngestError as error:
        answer = type(error).__name__
    print(answer, flush=True)  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    main()
