"""The answers to alarm verifications: journalled before each is sent, one a verification, kept for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reconciler.errors import LedgerError
from reconciler.intents import IntentStatus
from reconciler.ledger.database import Decoders, Tables, instant, stamp
from reconciler.model import Address

AnswerAction = Literal["dispatch", "disregard"]


@dataclass(frozen=True, slots=True)
class AnswerDraft:
    """An answer about to be sent.

    ``verification``: the number in the path; ``verification_id``: the UUID in the body, in lower case.
    ``site_id`` and ``contact_id`` are CHeKT's. ``asked_at``: when CHeKT asked, None where nobody knows.
    """

    site: Address
    site_id: str
    verification: str
    verification_id: str
    contact: Address
    contact_id: str
    action: AnswerAction
    asked_at: datetime | None
    responded_at: datetime
    answered_by: str


@dataclass(frozen=True, slots=True)
class Answer(AnswerDraft):
    """An answer in the journal.

    ``status``: ``open`` while it is sent, for good where its run was killed meanwhile; ``failed`` where it
    certainly has no effect. ``answer_id``: CHeKT's id of it. ``note``: what was said, or what is amiss.
    """

    id: int
    idempotency_key: str
    status: IntentStatus
    settled_at: datetime | None
    answer_id: str | None
    note: str


_ANSWER: Decoders = {
    "site": Address.parse,
    "contact": Address.parse,
    "asked_at": instant,
    "responded_at": instant,
    "settled_at": instant,
    "status": IntentStatus,
}


class AnswerTables(Tables):
    """The answers of one environment."""

    def standing_answer(self, site_id: str, verification: str, verification_id: str) -> Answer | None:
        """The answer this verification has, by either of its ids; None where none may have taken effect."""
        found = self._database.read(
            Answer,
            _ANSWER,
            "SELECT * FROM answers WHERE environment = ? AND status <> 'failed'"
            " AND ((site_id = ? AND verification = ?) OR verification_id = ?) ORDER BY id",
            (self._database.environment, site_id, verification, verification_id),
        )
        return found[0] if found else None

    def intend_answer(self, draft: AnswerDraft, idempotency_key: str) -> Answer:
        """Journal ``draft``; it is on disk when this returns. Raises LedgerError for a second answer."""
        number = self._database.insert(
            "INSERT INTO answers (environment, site, site_id, verification, verification_id, contact,"
            " contact_id, action, asked_at, responded_at, answered_by, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._database.environment,
                str(draft.site),
                draft.site_id,
                draft.verification,
                draft.verification_id,
                str(draft.contact),
                draft.contact_id,
                draft.action,
                None if draft.asked_at is None else stamp(draft.asked_at),
                stamp(draft.responded_at),
                draft.answered_by,
                idempotency_key,
            ),
        )
        return self._answer(number)

    def settle_answer(
        self, answer: Answer, status: IntentStatus, now: datetime, *, answer_id: str | None, note: str
    ) -> Answer:
        """Record what became of ``answer``; an unknown outcome can be settled again, a known one cannot.

        Raises LedgerError where the outcome was known before.
        """
        changed = self._database.change(
            "UPDATE answers SET status = ?, settled_at = ?, note = ?, answer_id = ?"
            " WHERE id = ? AND environment = ? AND status IN ('open', 'unknown')",
            (status.value, stamp(now), note, answer_id, answer.id, self._database.environment),
        )
        if not changed:
            raise LedgerError(f"the answer to verification {answer.verification} is settled already")
        return self._answer(answer.id)

    def answers(self) -> list[Answer]:
        """Every answer, oldest first."""
        return self._database.read(
            Answer,
            _ANSWER,
            "SELECT * FROM answers WHERE environment = ? ORDER BY id",
            (self._database.environment,),
        )

    def _answer(self, number: int) -> Answer:
        [found] = self._database.read(
            Answer,
            _ANSWER,
            "SELECT * FROM answers WHERE environment = ? AND id = ?",
            (self._database.environment, number),
        )
        return found
