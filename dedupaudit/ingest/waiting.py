"""How a request waits for another that uploads its picture: it looks again, less and less often, and not in step."""

from __future__ import annotations

import random
import time
from typing import Final

_FIRST: Final = 0.05
_LONGEST: Final = 1.0


class Waiting:
    """The patience of one request: `seconds` from now on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._pause = _FIRST

    @property
    def waited(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def pause(self) -> bool:
        """Sleep a while, 0.05 s at first and 1 s in the end. False, without a pause, where there is no time left."""
        left = self._seconds - self.waited
        if left <= 0:
            return False
        # Many may wait for one upload: they should not all ask in the same moment.
        time.sleep(min(left, self._pause * random.uniform(0.5, 1.0)))  # noqa: S311 (no secret)
        self._pause = min(self._pause * 2, _LONGEST)
        return True
