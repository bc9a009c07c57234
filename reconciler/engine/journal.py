"""What the engine needs of a journal and of the record of ownership; the ledger has it all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reconciler.intents import Intent, IntentDraft, IntentStatus
from reconciler.model import Address, Owned

PATIENCE = (1.0, 2.0, 4.0)
"""Seconds before each look for what a list may not show yet. Lists may lag less than their sum."""


class Findings(Protocol):
    """What a look at the account is kept in, used from any thread.

    Every method raises LedgerError when it cannot be kept.
    """

    def settle(
        self, intent: Intent, status: IntentStatus, remote_id: str | None, now: datetime, *, seen: str = ""
    ) -> None:
        """Record how an intent ended, or with ``unknown`` that nothing is proven; ``seen`` says why."""
        ...

    def unsettled(self) -> list[Intent]:
        """The open and the unknown intents, oldest first."""
        ...

    def created_since(self, instant: datetime) -> frozenset[tuple[str, str]]:
        """Kind and CHeKT's id of what was created, as far as is known, at ``instant`` (aware) or after.

        Not its address, since it may go by another name today.
        """
        ...

    def record(self, owned: Owned) -> None:
        """Remember what is owned."""
        ...

    def forget(self, address: Address) -> None:
        """Own an address no longer."""
        ...

    def secret_digest(self, value: str) -> str:
        """A keyed digest of a secret."""
        ...

    def seen_digest(self, value: str) -> str:
        """A digest of a value that the account shows."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """What is written inside is kept together or not at all."""
        ...


class Journal(Findings, Protocol):
    """Durable memory of what is about to be sent, besides."""

    def intend_all(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> list[Intent]:
        """Journal writes before they are sent; on disk when this returns.

        A repeat of an unsettled intent is that intent, with its number and key.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Findings that count for one plan only: a run without the environment's lock writes nothing."""

    kept: Findings

    def settle(
        self, intent: Intent, status: IntentStatus, remote_id: str | None, now: datetime, *, seen: str = ""
    ) -> None:
        """Left to a run that holds the lock."""

    def unsettled(self) -> list[Intent]:
        return self.kept.unsettled()

    def created_since(self, instant: datetime) -> frozenset[tuple[str, str]]:
        return self.kept.created_since(instant)

    def record(self, owned: Owned) -> None:
        """Left to a run that holds the lock."""

    def forget(self, address: Address) -> None:
        """Left to a run that holds the lock."""

    def secret_digest(self, value: str) -> str:
        return self.kept.secret_digest(value)

    def seen_digest(self, value: str) -> str:
        return self.kept.seen_digest(value)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()
