"""Answering alarm verifications: one answer each, journalled before it is sent, never sent twice.

``dispatch`` sends people to a building and ``disregard`` calls them off, and CHeKT has nothing to read an
answer back by. So what has no clear outcome stays unknown until a person has looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.account import Account
from reconciler.chekt import telling
from reconciler.errors import (
    AlreadyAnsweredError,
    AmbiguousError,
    ApiError,
    ReconcilerError,
    UnsupportedError,
)
from reconciler.intents import IntentStatus
from reconciler.ledger import Answer, AnswerDraft, Ledger
from reconciler.ledger.answers import AnswerAction
from reconciler.model import Address
from reconciler.places import Place, Sites
from reconciler.planning.digest import digest
from reconciler.times import spoken_utc
from reconciler.upstream.endpoints import accepted
from reconciler.upstream.naming import contact_id, named_contact
from reconciler.upstream.questions import REQUESTED, Question, Written, question

TIMEOUT = 10.0
"""Seconds for a request: a person waits, and so may the next one with an answer."""

_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer that may be sent: what is asked, where that is in the account, and whose answer it is."""

    asked: Question
    place: Place
    contact: Address
    contact_id: str
    action: AnswerAction


def prepare(account: Account, written: Written, contact: str, action: AnswerAction) -> Prepared:
    """Find out all that an answer needs, without sending anything. ``contact`` is named by a person.

    What ``written`` lacks is taken from the inbox, where a listener keeps one in this ledger.

    Raises AlreadyAnsweredError, showing the first answer, where there is or may be one; UnsupportedError for
    an endpoint below the accepted grade; ConfigError for a contact that is not the site's, and for an id
    that is not known; RemoteError.
    """
    accepted(account, "verification.answer")
    place = Sites(account.project, account.ledger.owned(), account.client).place(str(written.site))
    asked = question(written, place.site_id, account.ledger.deliveries_of(REQUESTED))
    _check_unanswered(account.ledger, asked, place.site_id)
    who = named_contact(account, asked.site, contact)
    return Prepared(asked, place, who, contact_id(account, who, place), action)


def send(account: Account, prepared: Prepared, *, by: str, now: datetime) -> Answer:
    """Send ``prepared``, once; the record of it. The lock of answers must be held.

    Raises AlreadyAnsweredError for a second answer, and where CHeKT refuses it as a conflict; AmbiguousError
    where nobody knows whether it arrived, other errors where it certainly did not.
    """
    asked, place, book = prepared.asked, prepared.place, account.ledger
    _check_unanswered(book, asked, place.site_id)
    draft = AnswerDraft(
        site=asked.site,
        site_id=place.site_id,
        verification=asked.number,
        verification_id=asked.verification_id,
        contact=prepared.contact,
        contact_id=prepared.contact_id,
        action=prepared.action,
        asked_at=asked.asked_at,
        responded_at=now,
        answered_by=by,
    )
    key = digest(["verification", place.site_id, asked.number, asked.verification_id, str(now)])
    journalled = book.intend_answer(draft, key.removeprefix("sha256:"))
    book.checkpoint()
    body = telling.answer_body(draft.verification_id, draft.contact_id, draft.action, now)
    try:
        said = telling.tell(
            account.client,
            accepted(account, "verification.answer"),
            {"dealer_id": place.dealer_id, "site_id": place.site_id, "verification_id": asked.number},
            body,
            journalled.idempotency_key,
            timeout=TIMEOUT,
        )
    except BaseException as exc:
        _settle_failed(account, journalled, exc)
        raise
    number, note = telling.answer_id(account.client, said, body)
    now = account.runtime.clock()
    return book.settle_answer(journalled, IntentStatus.DONE, now, answer_id=number, note=note)


def _settle_failed(account: Account, journalled: Answer, error: BaseException) -> None:
    """Record that an answer ended in ``error``; where it is unknown, raise that with the way out.

    No document says what a second answer gets; a 409 most likely, so it is not sent again unasked.
    """
    conflict = isinstance(error, ApiError) and error.status == _CONFLICT
    refused = isinstance(error, ReconcilerError) and not isinstance(error, AmbiguousError) and not conflict
    said = error.message if isinstance(error, ReconcilerError) else "interrupted while it was sent"
    note = f"CHeKT refused it, most likely since it was answered elsewhere: {said}" if conflict else said
    status = IntentStatus.FAILED if refused else IntentStatus.UNKNOWN
    account.ledger.settle_answer(journalled, status, account.runtime.clock(), answer_id=None, note=note)
    if conflict:
        raise AlreadyAnsweredError(
            f"verification {journalled.verification} of {journalled.site} has most likely been answered "
            f"elsewhere, so CHeKT refused the {journalled.action}: {said}",
            hint=f"It is not sent again. {_way_out(journalled)}",
            address=journalled.site,
        ) from error
    if isinstance(error, (AmbiguousError, KeyboardInterrupt)):
        raise AmbiguousError(
            f"nobody knows whether the {journalled.action} for verification {journalled.verification} "
            f"arrived: {note}",
            hint=f"It is not sent again. {_way_out(journalled)}",
            address=journalled.site,
        ) from error


def _check_unanswered(book: Ledger, asked: Question, site_id: str) -> None:
    standing = book.standing_answer(site_id, asked.number, asked.verification_id)
    if standing is None:
        return
    done = standing.status is IntentStatus.DONE
    by = f"{standing.answered_by}, {spoken_utc(standing.responded_at)}"
    what = f"{standing.action} for {standing.contact} by {by}"
    which = f"verification {standing.verification} of {standing.site}"
    noted = f" ({standing.note})" if standing.note else ""
    if (standing.site, standing.verification) != (asked.site, asked.number):
        which = f"{asked.verification_id} is the UUID of {which}, which"
    raise AlreadyAnsweredError(
        f"{which} was answered with {what}"
        if done
        else f"{which} may have been answered with {what}: nobody knows whether that took effect{noted}",
        hint="Nothing was sent." if done else f"Nothing was sent. {_way_out(standing)}",
        address=asked.site,
    )


def _way_out(answer: Answer) -> str:
    command = f"reconciler verification resolve {answer.site} {answer.verification}"
    return (
        f"Ask the monitoring centre what it knows, then: {command} --happened, or --did-not-happen, after "
        "which it can be answered again."
    )


def resolve(book: Ledger, site: Address, number: str, *, happened: bool, by: str, now: datetime) -> Answer:
    """Settle an answer of unknown outcome by a person's word. Raises UnsupportedError where there is none."""
    unsettled = (IntentStatus.OPEN, IntentStatus.UNKNOWN)
    found = [
        each
        for each in book.answers()
        if (each.site, each.verification) == (site, number) and each.status in unsettled
    ]
    if not found:
        raise UnsupportedError(
            f"no answer to verification {number} of {site} has an unknown outcome",
            hint="See `reconciler verification list`.",
            address=site,
        )
    word = "it happened" if happened else "it did not happen"
    status = IntentStatus.DONE if happened else IntentStatus.FAILED
    note = f"{word}, says {by}" + (f"; before: {found[0].note}" if found[0].note else "")
    return book.settle_answer(found[0], status, now, answer_id=None, note=note)
