"""How one write ends: decided from its answer, else from what the account shows, in this one place.

What an answer to a write means (a bulk call: each of its entries, in any order)::

    2xx about this object        done; a value stored differently is remembered
    401                          not carried out; once more with a new token (chekt.auth), then refused
    429, no connection           not carried out; again after Retry-After, else 1, 2, 4, 8 s (chekt.transport)
    another 4xx, a failed entry  refused: failed. A delete is looked for: what is gone already is done
    5xx, 408, time-out, reset,   nobody knows: looked for
    a cut body, a page of HTML,
    no id, an entry missing,
    another object's answer

What looking shows::

    POST     there                       done
             in none of the looks        sent again with its key, once a run; then left open for the next
             it cannot be told           unknown
    PATCH    as sent                     done
    PUT      as before                   sent again with its key: twice comes to the same
             neither, or write-only      unknown
             the object is gone          failed: the next plan makes it anew
    DELETE   gone                        done
             still there                 sent again with its key; failed, if it was refused

What is unknown is looked at by the next run, which sends nothing for it before that proves something
(recover.py).

A list may lag behind a write, so one look that does not show an object proves nothing: a create counts as
not made only after the looks of the whole ``patience``. A create that was left open by an earlier run, or
made shortly before this one began and is missing now, is looked for like that before it is sent at all.
That holds for lists which lag less than ``patience`` in all, whether or not the server honours keys and
refuses duplicates; where it does either, no list has to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.evidence import Proof, Verdict
from reconciler.intents import Intent
from reconciler.model import LiveObject
from reconciler.planning.steps import Step
from reconciler.writes import OutcomeStatus, Write, WriteResult


@dataclass(frozen=True, slots=True)
class Ending:
    """How one step ended. ``stays_open``: its intent may still arrive, so only its own key may repeat it.

    ``replaced``: the fields the server stored differently.
    """

    status: OutcomeStatus
    message: str = ""
    live: LiveObject | None = None
    stays_open: bool = False
    replaced: tuple[str, ...] = ()


@dataclass(slots=True)
class Sending:
    """A step on its way. ``result``: what its last sending came to, None before the first.

    ``doubted``: an earlier run may have carried it out already.
    """

    step: Step
    write: Write
    intent: Intent
    doubted: bool = False
    result: WriteResult | None = None
    ending: Ending | None = None

    @property
    def lost(self) -> str:
        """Why the account has to be looked at."""
        if self.result is None:
            return "an earlier run may have made it"
        return self.result.error or "the answer named no id"


def plain_ending(result: WriteResult, *, repeated: bool) -> Ending | None:
    """The ending an answer gives by itself; None where the account has to be looked at."""
    if result.ambiguous:
        return None
    if result.error is not None:
        # A repeat may be refused because the first one did arrive, a delete because nothing is there.
        known = not repeated and result.write.operation != "delete"
        return Ending(OutcomeStatus.FAILED, result.error) if known else None
    if result.write.operation == "create" and (result.live is None or not result.live.remote_id):
        return None
    return Ending(OutcomeStatus.DONE, live=result.live)


def proven_ending(sending: Sending, verdict: Verdict) -> Ending | None:
    """The ending that the account's evidence gives; None where it proves that nothing happened."""
    lost, result = sending.lost, sending.result
    if verdict.proof is Proof.HAPPENED:
        return Ending(OutcomeStatus.DONE, f"{lost}; {verdict.why}", verdict.live)
    if verdict.proof is Proof.REFUSED:
        return Ending(OutcomeStatus.FAILED, f"{lost}; {verdict.why}")
    if verdict.proof is Proof.UNPROVEN:
        if sending.write.operation == "delete" and result is not None and not result.ambiguous:
            return Ending(OutcomeStatus.FAILED, lost)
        return Ending(
            OutcomeStatus.UNKNOWN, f"{lost}; whether it took effect is unknown, since {verdict.why}"
        )
    return None


def undone_ending(sending: Sending, why: str, *, last: bool, stopped: bool) -> Ending | None:
    """The ending of a write that did not happen; None to send it (again), with its own key."""
    lost, result = sending.lost, sending.result
    if result is not None and not result.ambiguous and result.error is not None:
        # Refused as a repeat and not to be seen: the first one may still show.
        return Ending(OutcomeStatus.FAILED, lost, stays_open=sending.write.operation == "create")
    if stopped:
        return Ending(OutcomeStatus.SKIPPED, f"{lost}; stopped before it was sent again", stays_open=True)
    if last:
        return Ending(OutcomeStatus.FAILED, f"{lost}; {why}", stays_open=True)
    return None
