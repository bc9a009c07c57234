"""A ledger whose rows live on a git branch; in memory while it is open."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.errors import ConfigError
from reconciler.intents import IntentDraft, IntentStatus
from reconciler.ledger import lines
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.sqlite import MEMORY, open_database
from reconciler.model import AS_FOUND, Owned

KEY_VARIABLE = "RECONCILER_LEDGER_KEY"
_SHORTEST_KEY = 32
_ANNOUNCED = ""
"""The payload of an intent that says only that something is about to be created."""


class BranchLedger(Ledger):
    """The ledger of one environment in memory; its store fills it and takes from it.

    ``guard`` is called before every change, and raises where this run may not write any more. ``key``
    digests secrets; ``checkpoint`` pushes what is remembered; ``closing`` hears that it is closed.
    """

    def __init__(
        self,
        environment: str,
        *,
        guard: Callable[[], None],
        key: str | None,
        checkpoint: Callable[[], None],
        closing: Callable[[], None],
    ) -> None:
        self._guard = guard
        super().__init__(open_database(MEMORY, environment, guard=guard))
        self._key = key
        self._checkpoint = checkpoint
        self._closing = closing
        self._numbers_from = 0

    def fill(self, files: Mapping[str, bytes], place: Callable[[str], str], now: datetime) -> None:
        """Forget everything and remember what ``files`` hold. Raises LedgerError for a line that is no row.

        Intents are numbered from ``now`` on: those of a run that was killed before it could push them are
        not known, and a number used twice would let the server replay an old answer.
        """
        fresh = open_database(MEMORY, self.environment, guard=self._guard)
        try:
            lines.load(fresh, files, place)
        except BaseException:
            fresh.close()
            raise
        self._database.close()
        self._database = fresh
        self._numbers_from = int(now.timestamp() * 1000)

    def lines(self) -> dict[str, tuple[str, ...]]:
        """Everything remembered, as the lines of each file."""
        with self._database.still():
            return lines.dump(self._database)

    def last_run(self) -> tuple[str, Mapping[str, int]]:
        """The trace id of the last run, and how many of its writes ended each way."""
        runs = self.runs(1)
        if not runs:
            return "", {}
        run = runs[0]
        counts = self._database.rows(
            "SELECT status, count(*) FROM intents WHERE run = ? AND payload_digest <> ?"
            " GROUP BY status ORDER BY status",
            (run.id, _ANNOUNCED),
        )
        return run.trace_id, dict(map(tuple, counts))

    def secret_digest(self, value: str) -> str:
        """A digest of ``value`` under the key of the environment variable, which it names by a part of it.

        Raises ConfigError where there is no key: a digest that anybody can make tells short secrets.
        """
        if self._key is None:
            raise ConfigError(
                f"the manifests refer to secrets, and {KEY_VARIABLE} is not set",
                hint="The ledger on the branch keeps keyed digests of them. Make a key once, for example "
                "with `openssl rand -hex 32`, keep it with the other secrets, and set it wherever this runs.",
            )
        if len(self._key) < _SHORTEST_KEY:
            raise ConfigError(
                f"{KEY_VARIABLE} is shorter than {_SHORTEST_KEY} characters",
                hint="Make a long random one, for example with `openssl rand -hex 32`.",
            )
        return f"{self._key_name()}:{self._digest(f'secret:{value}')}"

    def seen_digest(self, value: str) -> str:
        """Under the key where there is one; a project without secrets needs none."""
        return self.secret_digest(value) if self._key else hashlib.sha256(value.encode()).hexdigest()

    def of_another_key(self) -> list[Owned]:
        """What is owned with secrets that were digested under another key."""
        if self._key is None:
            return []
        mine = f"{self._key_name()}:"
        return [
            row
            for row in self.owned().values()
            if any(d != AS_FOUND and not d.startswith(mine) for d in row.secrets.values())
        ]

    def _key_name(self) -> str:
        return self._digest("name")[:8]

    def _digest(self, text: str) -> str:
        assert self._key is not None
        return hmac.new(self._key.encode(), text.encode(), hashlib.sha256).hexdigest()

    def announce(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> None:
        """Push what ``run`` is to create: should it be killed, the next one looks for all of it."""
        known = {intent.address for intent in self.unsettled() if intent.operation == "create"}
        news = [replace(draft, payload_digest=_ANNOUNCED) for draft in drafts if draft.address not in known]
        if news:
            self.intend_all(run, news, now)
            self._checkpoint()

    def checkpoint(self) -> None:
        """Push what is remembered; a lock must be held. Raises LedgerError."""
        self._checkpoint()

    def end_run(self, run: int, result: str, now: datetime) -> None:
        """Close ``run``; what was announced and never begun is settled as such."""
        with self.transaction():
            for intent in self.unsettled():
                if intent.run == run and intent.payload_digest == _ANNOUNCED:
                    self.settle(intent, IntentStatus.FAILED, None, now)
            super().end_run(run, result, now)

    def _next_number(self, draft: IntentDraft) -> int:
        return max(super()._next_number(draft), self._numbers_from)

    def close(self) -> None:
        """Hand everything to the store and forget it."""
        try:
            self._closing()
        finally:
            super().close()
