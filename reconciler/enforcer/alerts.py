"""What people are told: each trouble once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from reconciler.alerting.book import AlertBook, of_partition
from reconciler.arming.project import TargetKey
from reconciler.arming.states import State
from reconciler.enforcer import pace
from reconciler.enforcer.attribution import told
from reconciler.enforcer.report import stuck, utc
from reconciler.enforcer.tick import Sight
from reconciler.ledger import AlertRecord

MANIFESTS_BROKEN = "manifests_broken"
UNSCHEDULED = "unscheduled"

_DROPPED = "no schedule arms it any more; it stays as it is until somebody arms or disarms it"


def troubles(sight: Sight, now: datetime) -> Mapping[str, str]:
    """What people should know of a target now: a sentence by code."""
    memory, verdict = sight.memory, sight.verdict
    found = {}
    if memory.stopped:
        change = memory.change
        by = f" ({told(sight.seen.status, change)})" if change is not None and change.by else ""
        found["stopped"] = (
            f"nothing is commanded any more: {memory.stopped}{by}; `reconciler enforce resume` ends it"
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


class Alerts(AlertBook):
    """The alerts of the targets that are watched, and of the runs that watch them."""

    def heed(self, sights: Iterable[Sight], now: datetime) -> None:
        """Open and resolve the alerts of the targets just looked at."""
        known: dict[TargetKey, list[AlertRecord]] = {}
        for alert in self._ledger.open_alerts():
            known.setdefault(TargetKey(alert.target, alert.partition), []).append(alert)
        for sight in sights:
            key = sight.target.key
            self.adjust(key.address, key.partition, known.get(key, []), troubles(sight, now), now)

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
        return [f"{key.address}{of_partition(key.partition)}: {_DROPPED}" for key in dropped]
