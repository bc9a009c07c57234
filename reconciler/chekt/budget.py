"""The rate budget: one token bucket per host and credential, shared by all processes of a user.

Capacity is the burst, refill the sustained rate, one request one token (DESIGN section 5). A caller
reserves its token and sleeps until the token is due, so callers are served in the order they came and
no wake-up is wasted. What the server says moves the bucket: ``X-RateLimit-Limit`` sets the refill,
``X-RateLimit-Remaining`` caps the tokens, a 429 empties it until ``Retry-After``.

Times are wall-clock Unix seconds, since processes share them. A clock that steps back stops the
refill until the next request; one that leaps forward fills the bucket once, never beyond its capacity.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from reconciler.chekt.connection import Rate
from reconciler.errors import ConfigError, RemoteError

_KEEP_BACK = 0.04
"""Share of the burst that is never spent: requests that leave evenly do not arrive evenly."""

_REFILL_SHARE = 0.99
"""Share of the sustained rate that is used: two clocks never run equally fast."""

_RECORD = 256
"""Bytes of a stored bucket, always as many: to cut a file short costs a flush on common file systems."""

_MOST_A_MINUTE = 10**9

_LONGEST_BLOCK = 3600.0
"""Seconds; a block further ahead comes from a clock that has stepped."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket at one instant. Negative ``tokens`` are reservations that are not due yet.

    ``limit``: requests a minute the server stated, None before it did. ``blocked_until``: Unix
    seconds before which nothing may be sent.
    """

    tokens: float
    updated: float
    limit: int | None = None
    blocked_until: float = 0.0


class Store(Protocol):
    """Keeps one bucket. ``change`` is atomic among everybody who shares the store."""

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None: ...


class MemoryStore:
    """A bucket for the threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bucket: Bucket | None = None

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None:
        with self._lock:
            self._bucket = step(self._bucket)


class FileStore:
    """A bucket in a file, for all processes. A torn or foreign file counts as no bucket yet.

    The lock is the kernel's and dies with its holder; the file is rewritten in place and holds no secret.
    A disk that fills up during a run costs the sharing, not the run: the bucket goes on in memory.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as exc:
            raise ConfigError(
                f"the rate budget cannot be kept in {file.parent} ({exc.strerror})",
                hint="Make the folder writable, or set XDG_STATE_HOME to one that is.",
            ) from exc
        self._spare = MemoryStore()
        self._threads = threading.Lock()
        self._processes = FileLock(f"{file}.lock", mode=0o600, thread_local=False)

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None:
        try:
            with self._threads, self._locked(), self._open() as file:
                bucket = step(_load(file.read(_RECORD)))
                file.seek(0)
                file.write(_dump(bucket))
        except OSError:
            self._spare.change(step)

    def _open(self) -> FileIO:
        return FileIO(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600), "r+")

    @contextmanager
    def _locked(self) -> Generator[None]:
        with self._processes.acquire(poll_interval=0.001):
            yield


def _dump(bucket: Bucket) -> bytes:
    record = [1, bucket.tokens, bucket.updated, bucket.limit, bucket.blocked_until]
    return json.dumps(record).encode().ljust(_RECORD)


def _load(record: bytes) -> Bucket | None:
    try:
        version, tokens, updated, limit, blocked_until = json.loads(record)
        if version == 1:
            return Bucket(float(tokens), float(updated), limit and int(limit), float(blocked_until))
    except (ValueError, TypeError):
        return None
    return None


class Budget:
    """Spends the tokens of one bucket.

    ``ceiling``: the server may lower ``rate`` but not raise it, since the user chose it. ``clock``: Unix
    seconds.
    """

    def __init__(
        self,
        rate: Rate,
        store: Store,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        ceiling: bool = False,
    ) -> None:
        self._rate = rate
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._ceiling = ceiling

    def take(self, patience: float | None = None) -> float:
        """Wait for one token and spend it. Returns the seconds waited.

        ``patience``: the longest wait, in seconds. Raises RemoteError, and spends nothing, where it would
        take longer.
        """
        waited = 0.0
        while True:
            delay, block = self._reserve()
            if delay <= 0.0:
                return waited
            if patience is not None and waited + delay > patience:
                self._give_back()
                raise RemoteError(
                    f"the request budget is used up for another {delay:.0f} s; nothing was sent",
                    hint="It is tried again; raise environments.NAME.rate if the account allows more.",
                )
            self._sleep(delay)
            waited += delay
            if self._block() == block:
                return waited

    def heed(self, headers: Mapping[str, str]) -> None:
        """Follow the rate headers of a response."""
        limit = _whole(headers.get("X-RateLimit-Limit"))
        remaining = _whole(headers.get("X-RateLimit-Remaining"))
        if limit is None and remaining is None:
            return

        def step(bucket: Bucket | None) -> Bucket:
            current = self._refilled(bucket)
            tokens = current.tokens if remaining is None else min(current.tokens, remaining)
            return replace(current, tokens=tokens, limit=limit or current.limit)

        self._store.change(step)

    def refuse(self, seconds: float) -> None:
        """A 429 came: nothing leaves for ``seconds``, and the bucket starts empty after that."""

        def step(bucket: Bucket | None) -> Bucket:
            current = self._refilled(bucket)
            until = max(current.blocked_until, self._clock() + min(seconds, _LONGEST_BLOCK))
            return replace(current, tokens=0.0, updated=until, blocked_until=until)

        self._store.change(step)

    def _reserve(self) -> tuple[float, float]:
        """Seconds until the reserved token is due, and the block known then."""
        due, block = 0.0, 0.0

        def step(bucket: Bucket | None) -> Bucket:
            nonlocal due, block
            current = self._refilled(bucket)
            tokens = current.tokens - 1.0
            due = max(0.0, current.updated - self._clock()) + max(0.0, -tokens / self._refill(current))
            block = current.blocked_until
            return replace(current, tokens=tokens)

        self._store.change(step)
        return due, block

    def _give_back(self) -> None:
        def step(bucket: Bucket | None) -> Bucket:
            current = self._refilled(bucket)
            return replace(current, tokens=min(self._capacity(current.limit), current.tokens + 1.0))

        self._store.change(step)

    def _block(self) -> float:
        """The block in force. A reservation made under another one is void: the 429 emptied the bucket."""
        block = 0.0

        def step(bucket: Bucket | None) -> Bucket:
            nonlocal block
            current = self._refilled(bucket)
            block = current.blocked_until
            return current

        self._store.change(step)
        return block

    def _refilled(self, bucket: Bucket | None) -> Bucket:
        """The bucket now. Until a block ends ``updated`` lies in the future and nothing is refilled."""
        now = self._clock()
        if bucket is None:
            return Bucket(self._capacity(None), now)
        if bucket.updated > now + _LONGEST_BLOCK or bucket.tokens < -100.0 * self._rate.burst:
            return Bucket(0.0, now, bucket.limit)
        if now < bucket.updated:
            return bucket if bucket.blocked_until >= bucket.updated else replace(bucket, updated=now)
        gained = (now - bucket.updated) * self._refill(bucket)
        return replace(bucket, tokens=min(self._capacity(bucket.limit), bucket.tokens + gained), updated=now)

    def _per_minute(self, limit: int | None) -> int:
        if limit is None:
            return self._rate.per_minute
        return min(limit, self._rate.per_minute) if self._ceiling else limit

    def _refill(self, bucket: Bucket) -> float:
        """Tokens a second."""
        return max(1, self._per_minute(bucket.limit)) / 60.0 * _REFILL_SHARE

    def _capacity(self, limit: int | None) -> float:
        return max(1.0, min(self._rate.burst, self._per_minute(limit)) * (1.0 - _KEEP_BACK))


def _whole(text: str | None) -> int | None:
    try:
        return min(_MOST_A_MINUTE, max(0, int(float(text)))) if text is not None else None
    except (ValueError, OverflowError):
        return None


def store(state_dir: Path | None, host: str, credential: str) -> Store:
    """The bucket of ``credential`` on ``host``: in ``state_dir``, or in memory where that is None.

    The file's name is a digest; the credential cannot be got back from it.
    """
    if state_dir is None:
        return MemoryStore()
    digest = hashlib.sha256(f"{host}\n{credential}".encode()).hexdigest()[:32]
    return FileStore(state_dir / f"budget-{digest}.json")
