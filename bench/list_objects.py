"""Measures the processor time of listing a million objects beside oss2's own iterator, both at 1000 keys a page.

Run it as `.venv/bin/python -m bench.list_objects [--quick]`. The fake OSS runs in a process of its own, its pages
rendered beforehand; only the client's processor time is counted. Target: at most 0.35 of oss2's; stretch 0.2.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.oss.process import OssProcess, numbered
from tests.oss.server import DEFAULT

OBJECTS = 1_000_000
KEYS = "screenshots/device_{0:04}/screenshot_17665574{0:010}.jpg"


def ours(endpoint: str, region: str) -> int:
    """Return how many objects the source lists."""
    from dedupaudit.interrupt import Interrupt
    from dedupaudit.sources.objects.oss import OssSource

    source = OssSource("oss://pictures/", endpoint, region, Interrupt())
    found = sum(len(page) for page in source.pages())
    source.close()
    return found


def theirs(endpoint: str, region: str) -> int:
    """Return how many objects oss2's iterator lists."""
    import oss2

    provider = oss2.credentials.StaticCredentialsProvider(DEFAULT.key_id, DEFAULT.secret)
    bucket = oss2.Bucket(oss2.ProviderAuthV4(provider), endpoint, "pictures", region=region)
    return sum(1 for _ in oss2.ObjectIteratorV2(bucket, max_keys=1000))


def client(which: str, endpoint: str, region: str, count: int) -> None:
    """List in this process and print processor and wall seconds; imports are not counted."""
    import oss2  # noqa: F401 (imported before the clock starts)

    import dedupaudit.sources.objects.oss  # noqa: F401 (the same)

    began, wall = time.process_time(), time.perf_counter()
    found = {"ours": ours, "theirs": theirs}[which](endpoint, region)
    print(time.process_time() - began, time.perf_counter() - wall)
    if found != count:
        sys.exit(f"{which} listed {found:,} objects of {count:,}")


def measured(which: str, server: OssProcess, count: int) -> tuple[float, float]:
    """Return processor and wall seconds of one listing in a process of its own."""
    environment = os.environ | {"OSS_ACCESS_KEY_ID": DEFAULT.key_id, "OSS_ACCESS_KEY_SECRET": DEFAULT.secret}
    command = [sys.executable, "-m", "bench.list_objects", "client", which, server.endpoint, server.region, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    processor, wall = done.stdout.split()
    return float(processor), float(wall)


def main() -> int:
    """Print the figures."""
    if sys.argv[1:2] == ["client"]:
        client(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
        return 0
    quick = "--quick" in sys.argv
    count = OBJECTS // 10 if quick else OBJECTS
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    with OssProcess(numbered(count, KEYS)) as server:
        for _ in range(1 if quick else 3):
            for which, figures in found.items():
                figures.append(measured(which, server, count))
    best = {which: min(figures) for which, figures in found.items()}
    print(
        f"Listing {count:,} objects, 1000 a page; processor seconds of the client (wall), best of rounds that alternate"
    )
    print(f"  {'oss2.ObjectIteratorV2':28}{best['theirs'][0]:7.2f} ({best['theirs'][1]:.2f})")
    print(f"  {'dedupaudit':28}{best['ours'][0]:7.2f} ({best['ours'][1]:.2f})")
    print(f"  {'ratio':28}{best['ours'][0] / best['theirs'][0]:7.2f}   limit 0.35, stretch 0.20")
    return 0


if __name__ == "__main__":
    sys.exit(main())
