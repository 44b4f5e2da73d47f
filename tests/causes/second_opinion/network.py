"""What lies between clients and backend: how long things take, and what is lost; worse in storms."""

from __future__ import annotations

from random import Random

_STORM = 600_000  # every fourth ten minutes


class Network:
    """Chance, by seed and time."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"network {seed}")  # noqa: S311 - a simulation

    def happens(self, now: int, share: float) -> bool:
        """Say whether what befalls `share` of all requests befalls this one."""
        storm = now // _STORM % 4 == 3
        return self.random.random() < (min(0.6, share * 3) if storm else share)

    def between(self, low: int, high: int) -> int:
        """Return a number of milliseconds."""
        return self.random.randint(low, high)

    def usually(self, now: int, low: int, high: int, share: float, slow: tuple[int, int]) -> int:
        """Return how long a step takes: from `low` to `high`, or as in `slow` for a share of them."""
        return self.between(*slow) if self.happens(now, share) else self.between(low, high)
