"""The alerts of one environment: open until what they say is over, told once to each receiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reconciler.ledger.database import Decoders, Tables, instant, json_object, json_text, stamp

Phase = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """One alert. ``target`` is an address, empty where it concerns the whole run.

    ``told``: the phase each receiver was last told of, by the receiver's name.
    """

    id: int
    code: str
    target: str
    partition: int | None
    message: str
    opened_at: datetime
    resolved_at: datetime | None = None
    told: Mapping[str, Phase] = field(default_factory=dict)

    @property
    def phase(self) -> Phase:
        return "firing" if self.resolved_at is None else "resolved"


_ALERT: Decoders = {"opened_at": instant, "resolved_at": instant, "told": json_object}


class AlertTables(Tables):
    """Alerts, as they are opened, resolved and told."""

    def open_alerts(self) -> list[AlertRecord]:
        """The alerts not resolved, oldest first."""
        return self._alerts("resolved_at IS NULL")

    def untold_alerts(self) -> list[AlertRecord]:
        """The alerts some receiver may still have to be told of, oldest first."""
        return self._alerts("resolved_at IS NULL OR settled = 0")

    def _alerts(self, condition: str) -> list[AlertRecord]:
        return self._database.read(
            AlertRecord,
            _ALERT,
            f"SELECT * FROM alerts WHERE environment = ? AND ({condition})"  # noqa: S608
            " AND substr(target, 1, ?) = ? ORDER BY id",
            (self._database.environment, *self._database.in_part),
        )

    def open_alert(self, code: str, target: str, partition: int | None, message: str, now: datetime) -> int:
        """Open an alert; its number."""
        return self._database.insert(
            "INSERT INTO alerts (environment, code, target, partition, message, opened_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (self._database.environment, code, target, partition, message, stamp(now)),
        )

    def resolve_alert(self, number: int, now: datetime) -> None:
        """What the alert says is over."""
        self._database.change(
            "UPDATE alerts SET resolved_at = ? WHERE id = ? AND environment = ? AND resolved_at IS NULL",
            (stamp(now), number, self._database.environment),
        )

    def tell_alert(self, number: int, told: Mapping[str, Phase], *, settled: bool) -> None:
        """Who has been told of which phase; ``settled``: nobody has to be told anything more."""
        self._database.change(
            "UPDATE alerts SET told = ?, settled = ? WHERE id = ? AND environment = ?",
            (json_text(dict(told)), int(settled), number, self._database.environment),
        )
