"""The ledger: can it be reached, whose account is it about, who holds it, what is open, how old is it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from reconciler.account import account_name
from reconciler.diagnosis.check import Check, Result, sentence
from reconciler.errors import ReconcilerError
from reconciler.ledger import Ledger, stamp
from reconciler.manifests import Project
from reconciler.model import JsonValue
from reconciler.runtime import Runtime, store_of
from reconciler.times import spoken_length, spoken_utc

_RUNS = 100
"""Runs looked through for the last apply."""

_APPLIES = ("apply", "destroy")


@contextmanager
def opened(project: Project, runtime: Runtime) -> Iterator[tuple[Ledger | None, Check]]:
    """The ledger, bound to the account, until the block ends; None where it cannot be used. And its check.

    Raises LedgerError where what was found out cannot be kept in the end.
    """
    try:
        ledger = store_of(project, runtime).open()
    except ReconcilerError as exc:
        yield None, broken(exc)
        return
    with ledger:
        try:
            ledger.bind(account_name(project))
            found = _look(project, runtime, ledger, runtime.clock())
        except ReconcilerError as exc:
            yield None, broken(exc)
            return
        yield ledger, found


def broken(error: ReconcilerError) -> Check:
    """The check of a ledger that cannot be used, or that does not keep what was found out."""
    return Check("ledger", Result.FAILED, sentence(error.message), error.hint, facts={"code": error.code})


def _look(project: Project, runtime: Runtime, ledger: Ledger, now: datetime) -> Check:
    name = project.environment.name
    store = store_of(project, runtime)
    holders = {what: store.holder(lock) for what, lock in (("apply", name), ("enforce", f"enforce:{name}"))}
    unsettled = ledger.unsettled()
    last = next((run for run in ledger.runs(_RUNS) if run.command in _APPLIES), None)
    held = [f"{what} is locked by {holder}" for what, holder in holders.items() if holder is not None]
    facts: dict[str, JsonValue] = {
        "place": project.settings.ledger_text,
        "account": ledger.account(),
        "owned": len(ledger.owned()),
        "unsettled": [str(intent.address) for intent in unsettled],
        "locked_by": held,
        "last_apply": None if last is None else stamp(last.started_at),
        "last_result": None if last is None else last.result,
    }
    age = "nothing was applied yet"
    if last is not None:
        ago = spoken_length(max(0.0, (now - last.started_at).total_seconds()))
        age = f"the last {last.command} was {ago} ago ({last.result or 'it did not end'})"
    said = f"{project.settings.ledger_text} is about {ledger.account()}: {facts['owned']} owned; {age}"
    said += "".join(f"; {each}" for each in held)
    if unsettled:
        said += f"; the outcome of {len(unsettled)} writes is not known"
        return Check("ledger", Result.WARNING, f"{said}.", "reconciler ledger show --open", facts=facts)
    if last is not None and last.ended_at is None and not held:
        to_do = f"The apply begun at {spoken_utc(last.started_at)} broke off: run apply again."
        return Check("ledger", Result.WARNING, f"{said}.", to_do, facts=facts)
    return Check("ledger", Result.OK, f"{said}.", facts=facts)
