"""The good rows that the damage hides among: streamed, so that a million of them cost no memory."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from dedupaudit.demo.collisions import sent_once
from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.pictures import jpeg
from dedupaudit.demo.rows import Activity, Process, Row, Screenshot, object_key, object_url, stamp
from dedupaudit.demo.scene import DEVICES, FIRST_DAY, THREE_DAYS, WRITE_DELAY, StoredObject

MOST_PICTURES = 400
"""Each good screenshot has a file, so however many rows are asked for, no more than these are screenshots."""
MOST_LOGGED = 400
"""Of how many good activities the logs tell: evenly spread samples."""
MOST_ROWS = 10_000_000

_KINDS = ("click",) * 9 + ("key",) * 6 + ("focus",) * 3 + ("scroll",) * 2


@dataclass(frozen=True)
class Background:
    """How many good rows each table gets. Their moments are odd milliseconds, so that no planted ID is among them."""

    seed: int
    activities: int
    screenshots: int
    processes: int

    @classmethod
    def of(cls, rows: int, seed: int) -> Background:
        """Share `rows` among the tables: a fifth pictures (at most `MOST_PICTURES`), a fifth processes."""
        pictures, processes = min(rows // 5, MOST_PICTURES), rows // 5
        return cls(seed, rows - pictures - processes, pictures, processes)

    def activity_rows(self) -> Iterator[Activity]:
        """Yield the good activities in the order of their time."""
        for moment, device, chance in _moments(self.activities, self.seed + 1):
            x, y = int(chance * 1_920), int(chance * 104_729) % 1_080
            data = f'{{"x": {x}, "y": {y}, "button": "left"}}'
            kind = _KINDS[int(chance * 7_919) % len(_KINDS)]
            yield Activity(f"activity_{moment}", device, kind, moment, data, stamp(moment + WRITE_DELAY))

    def process_rows(self) -> Iterator[Process]:
        """Yield the good processes in the order of their time."""
        for moment, device, chance in _moments(self.processes, self.seed + 2):
            data = f'[{{"name": "excel.exe", "pid": {int(chance * 30_000)}}}]'
            yield Process(f"process_{moment}", device, moment, data, stamp(moment + WRITE_DELAY))

    def screenshot_rows(self) -> Iterator[Screenshot]:
        """Yield the good screenshots: most are completed, and a few failed and say so."""
        for moment, device, chance in _moments(self.screenshots, self.seed + 3):
            item = f"screenshot_{moment}"
            done = chance >= 0.03
            key = object_key(device, item) if done else None
            created = moment + WRITE_DELAY
            yield Screenshot(
                id=item,
                device_id=device,
                oss_key=key,
                oss_url=object_url(key) if key else None,
                status="completed" if done else "failed",
                timestamp=moment,
                file_size=len(jpeg(item)) if done else None,
                retry_count=0 if done else 3,
                created_at=stamp(created),
                updated_at=stamp(created + 1_870),
            )

    def rows_of(self, table: str) -> Iterator[Row]:
        """Yield the good rows of one table."""
        if table == "activities":
            return self.activity_rows()
        return self.screenshot_rows() if table == "screenshots" else self.process_rows()

    def objects(self) -> Iterator[StoredObject]:
        """Yield the pictures of the good screenshots."""
        for row in self.screenshot_rows():
            if row.oss_key is not None:
                yield StoredObject(row.oss_key, jpeg(str(row.id)), row.timestamp + WRITE_DELAY)

    def log(self) -> Iterator[LogLine]:
        """Yield the lines of a sample of the good activities."""
        step = max(1, self.activities // MOST_LOGGED)
        for number, (moment, _device, _chance) in enumerate(_moments(self.activities, self.seed + 1)):
            if number % step == 0 and number // step < MOST_LOGGED:
                yield from sent_once(f"activity_{moment}", moment)


def _moments(count: int, seed: int) -> Iterator[tuple[int, str, float]]:
    """Yield `count` odd moments in epoch milliseconds, each with a device and a number from 0 to 1."""
    if not count:
        return
    chances = random.Random(seed).random  # noqa: S311 - a demo's rows, not a secret
    step = THREE_DAYS // count // 2
    for number in range(count):
        chance = chances()
        moment = FIRST_DAY + 1 + 2 * (number * step + int(chance * step))
        yield moment, DEVICES[int(chance * 6_133) % len(DEVICES)], chance
