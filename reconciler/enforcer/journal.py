"""The enforcer's memory in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from reconciler.arming.fleet import Overrides
from reconciler.arming.project import TargetKey
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.enforcer import memory as memories
from reconciler.enforcer.memory import Memory
from reconciler.errors import LedgerError
from reconciler.ledger import CommandRecord, Ledger

_ENDED_OVERRIDES = timedelta(days=8)
"""How long the end of an override is remembered as the beginning of what came after it."""


class LedgerJournal:
    """``port.Journal`` over the ledger of one environment."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def recall(self) -> Mapping[TargetKey, Memory]:
        """Raises LedgerError for a note that cannot be read: it must not pass for a target never seen."""
        found = {}
        for (target, partition), text in self._ledger.watched().items():
            try:
                found[TargetKey(target, partition)] = memories.from_json(text)
            except ValueError as exc:
                raise LedgerError(
                    f"the ledger's note on {target} cannot be read",
                    hint="Restore the ledger from a backup; it was edited by hand or damaged.",
                ) from exc
        return found

    def overrides(self, now: datetime) -> Overrides:
        """A cleared override counts as one that ended when it was cleared."""
        found: dict[TargetKey, list[Override]] = {}
        for row in self._ledger.overrides_since(now - _ENDED_OVERRIDES):
            until = row.until if row.cleared_at is None else min(row.until, row.cleared_at)
            order = Override(State.of(row.state), until, row.reason, row.created_at)
            found.setdefault(TargetKey(str(row.target), row.partition), []).append(order)
        return found

    def save(self, changed: Mapping[TargetKey, Memory], records: Sequence[CommandRecord]) -> None:
        if not changed and not records:
            return
        with self._ledger.transaction():
            for key, memory in changed.items():
                self._ledger.watch(key.address, key.partition, memories.to_json(memory))
            for record in records:
                self._ledger.record_command(record)
