"""Endpoints that this account was seen to serve as expected, whatever the documents say of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.ledger.database import Decoders, Tables, instant, stamp
from reconciler.model import GRADES, Grade


@dataclass(frozen=True, slots=True)
class Confirmation:
    """``endpoint``, as "METHOD /path" with its placeholders, answered as expected.

    ``grade``: the confidence in it before. ``shape``: a digest of the answer's shape; empty for a write,
    which counts when what it wrote was read again. ``seen_at`` (UTC): when that shape was seen first.
    """

    endpoint: str
    grade: Grade
    shape: str
    seen_at: datetime


def _grade(text: str) -> Grade:
    found = next((grade for grade in GRADES if grade == text), None)
    if found is None:
        raise ValueError(f"{text!r} is no grade")
    return found


_CONFIRMATION: Decoders = {"grade": _grade, "seen_at": instant}


class ConfirmationTables(Tables):
    """Confirmations of the account that the environment is bound to; those of another one say nothing."""

    def account(self) -> str | None:
        """The account that this environment's rows are about; None before it was bound to one."""
        rows = self._database.rows(
            "SELECT account FROM accounts WHERE environment = ?", (self._database.environment,)
        )
        return rows[0]["account"] if rows else None

    def confirmations(self) -> list[Confirmation]:
        """Everything confirmed, by endpoint."""
        return self._database.read(
            Confirmation,
            _CONFIRMATION,
            "SELECT endpoint, * FROM confirmations WHERE environment = ? AND account = ? ORDER BY endpoint",
            (self._database.environment, self.account() or ""),
        )

    def confirm(self, found: Sequence[Confirmation]) -> None:
        """Remember ``found``; what was confirmed in the same shape before is left as it is."""
        known = {each.endpoint: each.shape for each in self.confirmations()}
        news = [each for each in found if known.get(each.endpoint) != each.shape]
        if not news:
            return
        with self._database.transaction():
            for each in news:
                self._database.insert(
                    "INSERT INTO confirmations (environment, account, endpoint, grade, shape, seen_at)"
                    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (environment, account, endpoint)"
                    " DO UPDATE SET shape = excluded.shape, seen_at = excluded.seen_at",
                    (
                        self._database.environment,
                        self.account() or "",
                        each.endpoint,
                        each.grade,
                        each.shape,
                        stamp(each.seen_at),
                    ),
                )

    def doubt(self, endpoints: Collection[str]) -> None:
        """Forget that ``endpoints`` were confirmed: they answer otherwise now."""
        known = {each.endpoint for each in self.confirmations()}
        for endpoint in sorted(known.intersection(endpoints)):
            self._database.change(
                "DELETE FROM confirmations WHERE environment = ? AND account = ? AND endpoint = ?",
                (self._database.environment, self.account() or "", endpoint),
            )
