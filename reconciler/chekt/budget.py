"""The rate budget: one token bucket per host and credential, shared by all processes of a user.

A caller reserves its token and sleeps until the token is due, so callers are served in the order they
came and no wake-up is wasted. What the server says moves the bucket (see ``bucket``).

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
from dataclasses import astuple, dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from reconciler.chekt.bucket import Bucket, Learned, Rules
from reconciler.chekt.connection import Rate
from reconciler.errors import ConfigError, RemoteError

_RECORD = 512
"""Bytes of a stored bucket, always as many: to cut a file short costs a flush on common file systems."""

_VERSION = 2
_MOST_A_MINUTE = 10**9


class BucketKeep(Protocol):
    """Keeps one bucket. ``change`` is atomic among everybody who shares it."""

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None: ...


class BucketInMemory:
    """A bucket for the threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bucket: Bucket | None = None

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None:
        with self._lock:
            self._bucket = step(self._bucket)


class BucketInFile:
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
        self._spare = BucketInMemory()
        self._threads = threading.Lock()
        self._processes = FileLock(f"{file}.lock", mode=0o600, thread_local=False)

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None:
        try:
            with self._threads, self._locked(), self._open() as file:
                bucket = step(read_bucket(file.read(_RECORD)))
                file.seek(0)
                file.write(written_bucket(bucket).encode().ljust(_RECORD))
        except OSError:
            self._spare.change(step)

    def _open(self) -> FileIO:
        return FileIO(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600), "r+")

    @contextmanager
    def _locked(self) -> Generator[None]:
        with self._processes.acquire(poll_interval=0.001):
            yield


def written_bucket(bucket: Bucket) -> str:
    """``bucket`` as stores keep it."""
    return json.dumps([_VERSION, *astuple(bucket)])


def read_bucket(record: bytes) -> Bucket | None:
    """What ``written_bucket`` wrote; None for anything else."""
    try:
        version, tokens, at_once, updated, limit, blocked_until, learned = json.loads(record)
        if version == _VERSION:
            return Bucket(
                float(tokens),
                float(at_once),
                float(updated),
                limit and int(limit),
                float(blocked_until),
                Learned(*map(float, learned)),
            )
    except (ValueError, TypeError):
        return None
    return None


@dataclass(frozen=True, slots=True)
class Level:
    """A budget at one instant: requests left, and a minute.

    ``stated``: requests a minute the server has told of, None before it did. ``blocked_until``: Unix seconds.
    """

    tokens: float
    per_minute: float
    stated: int | None
    blocked_until: float


class Budget:
    """Spends the tokens of one bucket.

    ``ceiling``: the server may lower ``rate`` but not raise it, since the user chose it. ``clock``: Unix
    seconds.
    """

    def __init__(
        self,
        rate: Rate,
        keep: BucketKeep,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        ceiling: bool = False,
    ) -> None:
        self._rules = Rules(rate, ceiling)
        self._keep = keep
        self._clock = clock
        self._sleep = sleep

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
        limit, remaining = _stated(headers)
        if limit is not None or remaining is not None:
            self._change(lambda bucket: self._rules.heeded(bucket, limit, remaining))

    def refuse(self, seconds: float, *, sent_at: float, headers: Mapping[str, str] | None = None) -> None:
        """A 429 with ``headers`` came to a request of ``sent_at`` (Unix seconds).

        Nothing leaves for ``seconds``, the bucket starts empty after that, and refills more slowly.
        """
        limit, _ = _stated(headers or {})
        now = self._clock()
        self._change(lambda bucket: self._rules.refused(bucket, now, sent_at, seconds, limit))

    @property
    def per_second(self) -> float:
        """Requests a second it allows now."""
        return self._rules.per_second(self._change(lambda bucket: bucket))

    def level(self) -> Level:
        """What the bucket holds now; nothing is spent."""
        bucket = self._change(lambda bucket: bucket)
        return Level(bucket.tokens, self._rules.per_minute(bucket), bucket.limit, bucket.blocked_until)

    def _reserve(self) -> tuple[float, float]:
        """Seconds until the reserved token is due, and the block known then."""
        due = 0.0

        def step(bucket: Bucket) -> Bucket:
            nonlocal due
            left, due = self._rules.spent(bucket, self._clock())
            return left

        after = self._change(step)
        return due, after.blocked_until

    def _give_back(self) -> None:
        self._change(self._rules.returned)

    def _block(self) -> float:
        """The block in force. A reservation made under another one is void: the 429 emptied the bucket."""
        return self._change(lambda bucket: bucket).blocked_until

    def _change(self, step: Callable[[Bucket], Bucket]) -> Bucket:
        """The bucket after ``step``, which is given it refilled."""
        after: Bucket | None = None

        def change(bucket: Bucket | None) -> Bucket:
            nonlocal after
            after = step(self._rules.refilled(bucket, self._clock()))
            return after

        self._keep.change(change)
        assert after is not None
        return after


def _stated(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Requests a minute, and requests left, as a response says."""
    return _whole(headers.get("X-RateLimit-Limit")), _whole(headers.get("X-RateLimit-Remaining"))


def _whole(text: str | None) -> int | None:
    try:
        return min(_MOST_A_MINUTE, max(0, int(float(text)))) if text is not None else None
    except (ValueError, OverflowError):
        return None


def kept_bucket(state_dir: Path | None, host: str, credential: str) -> BucketKeep:
    """The bucket of ``credential`` on ``host``: in ``state_dir``, or in memory where that is None."""
    if state_dir is None:
        return BucketInMemory()
    return BucketInFile(state_dir / f"{name_of(host, credential)}.json")


def name_of(host: str, credential: str) -> str:
    """The name of a bucket: a digest, from which the credential cannot be got back."""
    digest = hashlib.sha256(f"{host}\n{credential}".encode()).hexdigest()
    return f"budget-{digest[:32]}"
