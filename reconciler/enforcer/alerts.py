"""What people are told: each trouble once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from reconciler.arming.project import TargetKey
from reconciler.arming.states import State
from reconciler.enforcer import pace
from reconciler.enforcer.report import stuck, utc
from reconciler.enforcer.tick import Sight
from reconciler.errors import ReconcilerError
from reconciler.ledger import AlertRecord, Ledger
from reconciler.model import JsonObject, JsonValue

MANIFESTS_BROKEN = "manifests_broken"
UNSCHEDULED = "unscheduled"

_DROPPED = "no schedule arms it any more; it stays as it is until somebody arms or disarms it"


class Receiver(NamedTuple):
    """Somebody to tell. ``name`` tells receivers apart from run to run; ``send`` raises ReconcilerError."""

    name: str
    send: Callable[[JsonObject], None]


def troubles(sight: Sight, now: datetime) -> Mapping[str, str]:
    """What people should know of a target now: a sentence by code."""
    memory, verdict = sight.memory, sight.verdict
    found = {}
    if memory.stopped:
        found["stopped"] = (
            f"nothing is commanded any more: {memory.stopped}; `reconciler enforce resume` ends it"
        )
    what = "disarmed" if sight.wanted.state is State.DISARMED else "armed"
    if memory.attempts:
        found[f"not_{what}"] = f"cannot be {what}, tried {memory.attempts} times: {memory.trouble}"
    if verdict.kind == "doubt":
        found[verdict.code] = verdict.reason
    if memory.outage_since is not None and now - memory.outage_since >= pace.OUTAGE_TOLD_AFTER:
        found["unreachable"] = f"cannot be reached since {utc(memory.outage_since)}: {sight.seen.problem}"
    if stuck(sight):
        assert memory.troubled_since is not None
        found["stuck"] = f"cannot be {what} since {utc(memory.troubled_since)}: {verdict.reason}"
    return found


class Alerts:
    """The alerts of one environment: kept in the ledger, so that every run of cron tells them once."""

    def __init__(self, ledger: Ledger, receivers: Sequence[Receiver]) -> None:
        self._ledger = ledger
        self._receivers = receivers

    def heed(self, sights: Iterable[Sight], now: datetime) -> None:
        """Open and resolve the alerts of the targets just looked at."""
        known: dict[TargetKey, list[AlertRecord]] = {}
        for alert in self._ledger.open_alerts():
            known.setdefault(TargetKey(alert.target, alert.partition), []).append(alert)
        for sight in sights:
            key = sight.target.key
            self._adjust(key.address, key.partition, known.get(key, []), troubles(sight, now), now)

    def heed_others(self, keys: Collection[TargetKey], now: datetime) -> list[str]:
        """Tell of the targets that no schedule arms any more: all that were watched but are not in ``keys``.

        Their other troubles are over. Nothing is commanded to them, so whoever dropped them by mistake (a
        table cut short) must hear of it. Returns a sentence for each that was not known before.
        """
        told = set()
        for alert in self._ledger.open_alerts():
            key = TargetKey(alert.target, alert.partition)
            if alert.target and key not in keys:
                if alert.code == UNSCHEDULED:
                    told.add(key)
                else:
                    self._ledger.resolve_alert(alert.id, now)
        watched = {TargetKey(*place) for place in self._ledger.watched()}
        dropped = sorted(watched - set(keys) - told, key=lambda key: key.order)
        for key in dropped:
            self._ledger.open_alert(UNSCHEDULED, key.address, key.partition, _DROPPED, now)
        return [f"{key.address}{_of_partition(key.partition)}: {_DROPPED}" for key in dropped]

    def heed_run(self, found: Mapping[str, str], now: datetime) -> None:
        """Open and resolve the alerts that concern the whole run."""
        known = [alert for alert in self._ledger.open_alerts() if not alert.target]
        self._adjust("", None, known, found, now)

    def _adjust(
        self,
        target: str,
        partition: int | None,
        known: Sequence[AlertRecord],
        found: Mapping[str, str],
        now: datetime,
    ) -> None:
        for alert in known:
            if alert.code not in found:
                self._ledger.resolve_alert(alert.id, now)
        for code in found.keys() - {alert.code for alert in known}:
            self._ledger.open_alert(code, target, partition, found[code], now)

    def tell(self) -> list[str]:
        """Tell every receiver what it does not know yet; what went wrong, as sentences.

        A receiver that cannot be reached is told at the next occasion. Nobody is told of the end of what
        they never heard of.
        """
        failures = []
        for alert in self._ledger.untold_alerts():
            told = dict(alert.told)
            for receiver in self._receivers:
                if told.get(receiver.name) == alert.phase:
                    continue
                if alert.phase == "resolved" and receiver.name not in told:
                    continue
                try:
                    receiver.send(message(alert, self._ledger.environment))
                    told[receiver.name] = alert.phase
                except ReconcilerError as exc:
                    failures.append(f"{receiver.name}: {exc.message}")
            unheard = [r for r in self._receivers if r.name in told and told[r.name] != alert.phase]
            settled = alert.phase == "resolved" and not unheard
            if told != alert.told or settled:
                self._ledger.tell_alert(alert.id, told, settled=settled)
        return failures


def message(alert: AlertRecord, environment: str) -> JsonObject:
    """The alert as the JSON that receivers get."""
    return {
        "type": "reconciler.alert",
        "version": 1,
        "id": alert.id,
        "status": alert.phase,
        "environment": environment,
        "code": alert.code,
        "target": alert.target or None,
        "partition": alert.partition,
        "message": alert.message,
        "opened_at": utc(alert.opened_at),
        "resolved_at": None if alert.resolved_at is None else utc(alert.resolved_at),
    }


def sentence(content: JsonObject) -> str:
    """The alert as a person reads it."""
    about = str(content["target"] or content["environment"])
    about += _of_partition(content["partition"])
    over = "over: " if content["status"] == "resolved" else ""
    return f"{about}: {over}{content['message']}"


def _of_partition(partition: JsonValue) -> str:
    return "" if partition is None else f" partition {partition}"
