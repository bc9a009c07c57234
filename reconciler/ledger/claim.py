"""The claim on an environment: a file on the ledger's branch that says who may change the account.

A claim is a lease. Its holder renews it by pushing; one that is not renewed can be taken over by another
run once it has expired and a margin for clocks that disagree has passed. Long before that its holder,
which may have been paused, has stopped writing by the time that went by on its own machine.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from reconciler.errors import LedgerError
from reconciler.ledger.database import instant, stamp
from reconciler.ledger.lock import Holder, user_name

RENEWALS = 5
"""A lease is renewed so many times before it ends."""

WRITING = 0.5
"""The share of a lease for which its holder goes on writing without a renewal."""

MARGIN = 0.2
"""The share of a lease that another run waits after its end: clocks may disagree, a write be in flight."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may write, until when. ``token`` is of this one run; ``run``: where its log can be read, or ``""``.

    ``since`` and ``expires`` are UTC in ISO form, by the holder's clock.
    """

    token: str
    command: str
    owner: str
    host: str
    pid: int
    run: str
    since: str
    expires: str

    @property
    def holder(self) -> Holder:
        """The holder, as other locks name it."""
        where = f"{self.host} ({self.run})" if self.run else self.host
        return Holder(self.owner, self.pid, where, self.command, self.since)

    def over_at(self, lease: timedelta) -> datetime:
        """From when on another run may take it over."""
        return instant(self.expires) + lease * MARGIN

    def renewed(self, lease: timedelta, now: datetime) -> Claim:
        """The same claim, for another lease from ``now`` on."""
        return replace(self, expires=stamp(now + lease))

    def text(self) -> bytes:
        """The claim's file."""
        return (json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, indent=2) + "\n").encode()


def new_claim(command: str, lease: timedelta, env: Mapping[str, str]) -> Claim:
    """A claim of this process for ``command``, from now on."""
    now = wall_clock()
    owner = env.get("GITHUB_ACTOR") or user_name()
    return Claim(
        uuid.uuid4().hex,
        command,
        owner,
        socket.gethostname(),
        os.getpid(),
        run_url(env),
        stamp(now),
        stamp(now + lease),
    )


def read_claim(content: bytes | None, place: str) -> Claim | None:
    """The claim in a file, None where there is no file. Raises LedgerError for a file that is none."""
    if content is None:
        return None
    try:
        found = json.loads(content)
        claim = Claim(**found)
        if None in (instant(claim.expires).tzinfo, instant(claim.since).tzinfo):
            raise ValueError("a time in it has no time zone")
    except (ValueError, TypeError) as exc:
        raise LedgerError(
            f"{place} is no claim on an environment: {exc}",
            hint="Remove the file from the branch when no run is under way.",
        ) from exc
    return claim


def run_url(env: Mapping[str, str]) -> str:
    """Where the log of this run of GitHub Actions can be read; empty elsewhere."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (env.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{number}" if server and repository and number else ""


def wall_clock() -> datetime:
    """The machine's own clock: leases are between machines, whatever time a run was told to act at."""
    return datetime.now(tz=UTC)


class Lease:
    """How long this process may still write, by its own clocks.

    Two of them, since one stands still while a machine sleeps and the other can be set.
    """

    def __init__(self, length: timedelta) -> None:
        self.length = length
        self._from = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.monotonic(), time.time()

    def start(self) -> tuple[float, float]:
        """The moment to count from, to be taken before a renewal is pushed."""
        return self._now()

    def renew(self, start: tuple[float, float]) -> None:
        """The renewal that was begun at ``start`` went through."""
        self._from = start

    def age(self) -> timedelta:
        """How long ago it was renewed, by the clock that says longest."""
        return timedelta(seconds=max(now - then for now, then in zip(self._now(), self._from, strict=True)))

    def allows_writing(self) -> bool:
        """Whether nobody else can hold the claim yet."""
        return self.age() < self.length * WRITING
