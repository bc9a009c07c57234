"""The lock of a ledger on a git branch: a claim that is pushed, renewed while it is held, and given back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.errors import LedgerError, LockedError
from reconciler.ledger.branch import Tip
from reconciler.ledger.claim import RENEWALS, Claim, Lease, new_claim, read_claim, wall_clock
from reconciler.ledger.database import instant
from reconciler.ledger.lock import Holder, spoken_lock
from reconciler.times import spoken_utc

if TYPE_CHECKING:
    from reconciler.ledger.branch_store import BranchStore


class BranchLock:
    """The claim in the file ``path`` of the branch, held from ``__enter__`` to ``__exit__``.

    Entering pushes it and fills the open ledger anew; what is remembered is pushed with every renewal and
    at the end. ``took_over`` names, once entered, the holder whose claim had expired.
    """

    def __init__(self, store: BranchStore, path: str, name: str, command: str) -> None:
        self._store = store
        self._path = path
        self._name = name
        self._command = command
        self._claim = new_claim(command, store.lease, store.env)
        self._lease = Lease(store.lease)
        self._lost: LedgerError | None = None
        self._trouble = ""
        self._ended = threading.Event()
        self._renewals = threading.Thread(target=self._keep, name="claim", daemon=True)
        self.took_over: Holder | None = None

    def __enter__(self) -> Self:
        """Take the claim.

        Raises LockedError for a live one of another run, LedgerError where the remote refuses; the account
        has not been changed then.
        """
        start = self._lease.start()
        tip = self._store.push(f"{self._command} begins", self._taken)
        self._lease.renew(start)
        self._store.hold(self)
        try:
            self._store.fill(tip)
        except BaseException:
            self._give_back()
            raise
        self._renewals.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._renewals.join()
        self._give_back()

    def _give_back(self) -> None:
        """Push what is left to push, and the end of the claim. Raises LedgerError, saying what is missing."""
        try:
            self._store.push(self._command, self._released)
        except LedgerError as exc:
            self._store.forgo()
            raise LedgerError(
                f"what this run did is not all recorded ({self._store.unpushed} lines): {exc.message}",
                hint=f"{exc.hint} The next run heals it: it owns what was created, found by its external id, "
                "and finds gone what was deleted.",
            ) from exc
        finally:
            self._store.hold(None)

    def renew(self) -> None:
        """Push what is remembered and another lease. Raises LedgerError; the claim may be lost then."""
        start = self._lease.start()
        self._store.push(f"{self._command} goes on", self._renewed)
        self._lease.renew(start)

    def check(self) -> None:
        """Raises LedgerError where another run may hold the claim, or does: nothing may be written then."""
        if self._lost is not None:
            raise self._lost
        if not self._lease.allows_writing():
            raise LedgerError(
                f"the claim on {spoken_lock(self._name)} was not renewed for "
                f"{self._lease.age().total_seconds():.0f} s, so another run may take it over{self._trouble}",
                hint="Nothing more is written. Run it again when the ledger's branch can be pushed.",
            )

    def _keep(self) -> None:
        """Renew in time, until the lock is given back; a failure is tried again."""
        pause = self._store.lease / RENEWALS
        while not self._ended.wait(pause.total_seconds()):
            try:
                self.renew()
                self._trouble = ""
            except LedgerError as exc:
                self._trouble = f": {exc.message}"

    def _taken(self, tip: Tip) -> Mapping[str, bytes]:
        """The claim on a tip that nobody holds, or somebody whose claim is over."""
        held = self._held(tip)
        now = wall_clock()
        if held is None:
            self.took_over = None  # the one seen by an attempt before has been given back
        elif held.token != self._claim.token:
            if now < held.over_at(self._store.lease):
                raise self._refusal(held)
            self.took_over = held.holder
        self._claim = self._claim.renewed(self._store.lease, now)
        return {self._path: self._claim.text()}

    def _renewed(self, tip: Tip) -> Mapping[str, bytes]:
        self._check_ours(tip)
        self._claim = self._claim.renewed(self._store.lease, wall_clock())
        return {self._path: self._claim.text()}

    def _released(self, tip: Tip) -> Mapping[str, bytes | None]:
        self._check_ours(tip)
        return {self._path: None}

    def _check_ours(self, tip: Tip) -> None:
        held = self._held(tip)
        if held is None or held.token != self._claim.token:
            by = "it is gone from the branch" if held is None else f"it is held by {held.holder} now"
            self._lost = LedgerError(
                f"this run has lost its claim on {spoken_lock(self._name)}: {by}",
                hint="Run it again; it reads the ledger anew.",
            )
            raise self._lost

    def _held(self, tip: Tip) -> Claim | None:
        content = self._store.branch.files(tip, self._store.folder).get(self._path)
        return read_claim(content, f"{self._path} on {self._store.branch}")

    def _refusal(self, held: Claim) -> LockedError:
        over = spoken_utc(held.over_at(self._store.lease))
        return LockedError(
            f"{spoken_lock(self._name)} is locked by {held.holder}",
            hint="Run the command again when it has finished, or let it wait: --lock-timeout 5m. "
            f"Should it have been killed, its claim can be taken over from {over} on.",
            command=held.command,
            since=instant(held.since),
            holder=asdict(held.holder),
        )
