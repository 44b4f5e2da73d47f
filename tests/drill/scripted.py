"""A backend that does as the event's ID says, and writes down what it did and when: what clients are tested with."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.events import Activity, Screenshot


@dataclass(frozen=True)
class NoScratch:
    """As much of a scratch as a worker needs."""

    def table(self, name: str) -> tuple[str, ...]:
        """Return a name."""
        return (name,)

    def engine(self) -> Engine:
        """Return an engine over nothing."""
        return create_engine("sqlite://")


class Scripted:
    """An activity's `type` is what is said of it, at its n-th request the n-th word; `data` is the seconds it takes."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._folder = Path(place.prefix)

    def activity(self, event: Activity) -> Answer:
        """Take the time, and say the word."""
        number = self._note("begin", event.id)
        time.sleep(float(str(event.data or 0)))
        words = event.type.split()
        word = words[min(number, len(words) - 1)]
        if word == "exit":
            os._exit(3)
        if word == "raise":
            raise ValueError("an unexpected \x1b[31m error")
        self._note("end", event.id)
        return Answer(word)  # type: ignore[arg-type]  # the test's own words

    def screenshot(self, event: Screenshot) -> Answer:
        """Upload, whatever is there."""
        self._note("begin", event.id)
        self._place.store.put(f"{event.id}.jpg", event.picture, overwrite=True)
        self._note("end", event.id)
        return Answer("stored")

    def sweep(self) -> int:
        """Note it."""
        return self._note("sweep", "")

    def _note(self, what: str, event: str) -> int:
        """Append to the journal, and return how often that was noted before."""
        line = {"what": what, "id": event, "at": time.monotonic(), "process": os.getpid()}
        before = Counter((one["what"], one["id"]) for one in journal(self._folder))
        with (self._folder / "journal").open("a") as file:
            file.write(json.dumps(line) + "\n")
        return before[what, event]


def journal(folder: Path) -> list[dict[str, Any]]:
    """Return what was noted."""
    path = folder / "journal"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def make(place: Place) -> Backend:
    """Return the backend."""
    return Scripted(place)
