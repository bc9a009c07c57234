"""The clock of a sandbox on a port, followed from another process: it can be frozen and moved there."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from reconciler.errors import ConfigError
from reconciler.sandbox.timekeeping import instant, real_clock

_ASKED_EVERY = 0.25
_PATIENCE = 5.0
"""Seconds between two looks at the server's clock, and to wait for one."""

_DRIFT = timedelta(milliseconds=100)
"""What the way there and back may change."""


class RemoteClock:
    """Tells the sandbox's time, from ``__enter__`` to ``__exit__``. Thread-safe.

    ``url``: of the sandbox. ``moved`` is called, on a thread of its own, when the clock was moved. A sandbox
    that stops answering leaves the clock running.
    """

    def __init__(self, url: str, moved: Callable[[], object]) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ConfigError(f"{url} is no sandbox on a port", hint="Start one: `reconciler sandbox serve`.")
        self._url = f"{url.rstrip('/')}/sim/v0/clock"
        self._moved = moved
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="sandbox-clock", daemon=True)
        self._hands: tuple[timedelta, datetime | None] = (timedelta(), None)

    def now(self) -> datetime:
        """The sandbox's time, aware, UTC."""
        ahead, frozen = self._hands
        return frozen or real_clock() + ahead

    def elapsed(self) -> float:
        """Seconds of the sandbox's time: a span in which its clock is moved is as long as it says."""
        return (self.now() - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()

    def __enter__(self) -> Self:
        """Raises ConfigError where no sandbox answers."""
        try:
            self._hands = self._ask()
        except (OSError, ValueError, KeyError) as exc:
            raise ConfigError(
                f"{self._url} tells no time: {exc}",
                hint="--clock server needs a `reconciler sandbox serve` there.",
            ) from exc
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(timeout=2 * _PATIENCE)

    def _follow(self) -> None:
        while not self._ending.wait(_ASKED_EVERY):
            try:
                (ahead, frozen), known = self._ask(), self._hands
            except (OSError, ValueError, KeyError):
                continue
            if frozen != known[1] or abs(ahead - known[0]) > _DRIFT:
                self._hands = (ahead, frozen)
                self._moved()

    def _ask(self) -> tuple[timedelta, datetime | None]:
        """How far the sandbox's clock is ahead of this machine's, and the instant it is frozen at."""
        before = real_clock()
        with urllib.request.urlopen(self._url, timeout=_PATIENCE) as answer:  # noqa: S310  # checked above
            told: dict[str, Any] = json.load(answer)
        if told["frozen"] is not None:
            return timedelta(), instant(told["frozen"])
        return instant(told["now"]) - (before + (real_clock() - before) / 2), None
