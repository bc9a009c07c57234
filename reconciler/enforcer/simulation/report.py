"""What a simulation found, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.arming.project import TargetKey
from reconciler.enforcer.simulation.causes import Cause
from reconciler.enforcer.simulation.panel import Account
from reconciler.enforcer.simulation.run import Simulation
from reconciler.model import JsonObject
from reconciler.times import utc_text

WORST = 10
"""Targets named in the text, those with the most avoidable time first."""

_MEANINGS = {
    Cause.AVOIDABLE: "a better enforcer would not have needed it",
    Cause.PANEL: "a command was accepted and the panel took its time",
    Cause.RATE_LIMITS: "the key's rate was used up, or others had used it up (429)",
    Cause.OUTAGES: "the server could not be reached, until a command got through again",
    Cause.OPEN_ZONES: "an open zone kept the target from arming, until it was tried again",
    Cause.PEOPLE: "somebody armed or disarmed by hand, and was respected or not yet noticed",
    Cause.DOUBT: "a rule of doubt held a command back",
}


def to_json(found: Simulation) -> JsonObject:
    """Seconds in the wrong state by cause: altogether, a transition, and of every target."""
    setting, transitions = found.setting, found.transitions
    return {
        "days": setting.days,
        "from": utc_text(setting.start),
        "seed": setting.seed,
        "targets": len(found.accounts),
        "transitions": transitions,
        "requests": found.counts.requests,
        "commands": found.counts.commands,
        "busy": found.counts.busy,
        "failed": found.counts.failed,
        "wrong_seconds": {str(cause): found.seconds(cause) for cause in Cause},
        "avoidable_per_transition": _share(found),
        "longest_avoidable": max((one.slow for one in found.accounts.values()), default=0) / 1_000_000,
        "sites": [_row(key, account) for key, account in found.accounts.items()],
    }


def _share(found: Simulation) -> float:
    """Avoidable seconds a transition, to the microsecond."""
    return round(found.seconds(Cause.AVOIDABLE) / found.transitions, 6) if found.transitions else 0.0


def _row(key: TargetKey, account: Account) -> JsonObject:
    return {
        "target": key.address,
        "partition": key.partition,
        "transitions": account.transitions,
        "wrong_seconds": {str(cause): wrong / 1_000_000 for cause, wrong in account.wrong.items()},
    }


def to_text(found: Simulation) -> Iterator[str]:
    """The sums by cause, then the targets with the most avoidable time."""
    setting, counts = found.setting, found.counts
    yield (
        f"{len(found.accounts)} targets, {setting.days} days from {setting.start:%Y-%m-%d %H:%M} UTC, "
        f"seed {setting.seed}: {found.transitions} transitions"
    )
    yield (
        f"{counts.requests} requests, {counts.commands} of them commands; {counts.busy} met a 429, "
        f"{counts.failed} failed otherwise"
    )
    yield "Seconds in the wrong state, by cause:"
    for cause in Cause:
        seconds = found.seconds(cause)
        each = seconds / found.transitions if found.transitions else 0.0
        name = str(cause).replace("_", " ")
        yield f"  {name:<12} {seconds:>16.3f}  {each:>10.3f} a transition  {_MEANINGS[cause]}"
    worst = sorted(
        found.accounts.items(), key=lambda entry: (-entry[1].wrong[Cause.AVOIDABLE], entry[0].order)
    )
    rows = [(key, account) for key, account in worst[:WORST] if account.wrong[Cause.AVOIDABLE]]
    if rows:
        yield "Most avoidable time:"
    for key, account in rows:
        name = key.address if key.partition is None else f"{key.address} partition {key.partition}"
        each = account.wrong[Cause.AVOIDABLE] / 1_000_000 / max(1, account.transitions)
        yield f"  {each:>10.3f} s a transition, the longest {account.slow / 1_000_000:.3f} s  {name}"
