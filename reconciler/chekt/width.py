"""How many requests are worth having in flight: as many as the budget and the server can use.

More in flight than that only wait: here for a token, there in the server's queue. So a 429 halves the
number, answers that take much longer than the fastest of their kind lower it, waiting for tokens lowers
it to what the rate needs (rate times time of an answer, Little's law), and steady answers raise it by
one a round.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from reconciler.model import MOST_IN_FLIGHT

_START = 8.0
_SLOW_FLOOR = 4.0
"""Slow answers alone never lower it below this: some calls are just slow."""

_SLOW = 3.0
"""Times the fastest answer of its method; and seconds, below which no answer is slow."""
_NOTICEABLE = 0.1

_SMOOTHING = 0.2
_SPARE = 2
"""Requests above what the rate needs, so that no token lies idle."""


class Width:
    """The number, from what became of requests. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._width = _START
        self._fastest: dict[str, float] = {}
        self._usual: dict[str, float] = {}

    def worth(self, most: int) -> int:
        """Requests worth having in flight now: 1 to ``most``."""
        return max(1, min(most, int(self._width)))

    def refused(self) -> None:
        """A 429 came."""
        with self._lock:
            self._width = max(1.0, self._width / 2)

    def answered(self, method: str, seconds: float, waited: float, per_second: Callable[[], float]) -> None:
        """An answer came after ``seconds``; its request had ``waited`` for the budget before.

        ``per_second``: requests the budget allows, asked only where they count.
        """
        with self._lock:
            usual = self._usual.get(method, seconds)
            usual += (seconds - usual) * _SMOOTHING
            fastest = min(self._fastest.get(method, seconds), seconds)
            self._usual[method], self._fastest[method] = usual, fastest
            if waited > 0.0:
                needed = math.ceil(per_second() * usual) + _SPARE
                self._width += (min(self._width, needed) - self._width) * _SMOOTHING
            elif usual > max(_NOTICEABLE, _SLOW * fastest):
                self._width = max(min(self._width, _SLOW_FLOOR), self._width * 0.95)
            else:
                self._width = min(MOST_IN_FLIGHT, self._width + 1.0 / self._width)
