"""The alerts of one environment: each trouble is told once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from reconciler.errors import ReconcilerError
from reconciler.ledger import AlertRecord, Ledger
from reconciler.model import JsonObject, JsonValue
from reconciler.times import utc_text


class Receiver(NamedTuple):
    """Somebody to tell. ``name`` tells receivers apart from run to run; ``send`` raises ReconcilerError."""

    name: str
    send: Callable[[JsonObject], None]


class AlertBook:
    """The alerts of one environment: kept in the ledger, so that whoever runs next tells them once."""

    def __init__(self, ledger: Ledger, receivers: Sequence[Receiver]) -> None:
        self._ledger = ledger
        self._receivers = receivers

    def heed_run(self, found: Mapping[str, str], now: datetime) -> None:
        """Open and resolve the alerts that concern the whole run: a sentence by code."""
        known = [alert for alert in self._ledger.open_alerts() if not alert.target]
        self.adjust("", None, known, found, now)

    def adjust(
        self,
        target: str,
        partition: int | None,
        known: Sequence[AlertRecord],
        found: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Open what was ``found`` of a target, a sentence by code, and resolve what is ``known`` and over."""
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
        "opened_at": _utc(alert.opened_at),
        "resolved_at": None if alert.resolved_at is None else _utc(alert.resolved_at),
    }


def sentence(content: JsonObject) -> str:
    """The alert as a person reads it."""
    about = str(content["target"] or content["environment"])
    about += of_partition(content["partition"])
    over = "over: " if content["status"] == "resolved" else ""
    return f"{about}: {over}{content['message']}"


def of_partition(partition: JsonValue) -> str:
    """The partition of a target as it stands behind its address; nothing for the whole of it."""
    return "" if partition is None else f" partition {partition}"


def _utc(at: datetime) -> str:
    return utc_text(at, "milliseconds" if at.microsecond else "seconds")
