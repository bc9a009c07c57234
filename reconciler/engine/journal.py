"""What the engine needs of a journal and of the record of ownership; the ledger has it all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from reconciler.intents import Intent, IntentDraft, IntentStatus
from reconciler.model import Address, Owned


class Journal(Protocol):
    """Durable memory, used from any thread. Every method raises LedgerError when it cannot be kept."""

    def intend_all(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> list[Intent]:
        """Journal writes before they are sent; on disk when this returns.

        A repeat of an open intent is that intent, with its number and key.
        """
        ...

    def settle(self, intent: Intent, status: IntentStatus, remote_id: str | None, now: datetime) -> None:
        """Record how an open intent ended."""
        ...

    def unsettled(self) -> list[Intent]:
        """The open intents, oldest first."""
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

    def transaction(self) -> AbstractContextManager[None]:
        """What is written inside is kept together or not at all."""
        ...
