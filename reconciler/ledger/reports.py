"""The arming states that were reported to CHeKT: queued in order for each site, and kept for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reconciler.errors import LedgerError
from reconciler.ledger.database import Decoders, Tables, instant, json_text, stamp
from reconciler.model import Address

ReportStatus = Literal["queued", "sending", "done", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """One state of a site, or of a partition of it (``partition``: its number, or ``all``).

    ``dealer_id`` and ``site_id`` are CHeKT's. ``happened_at``: when the state began; ``queued_at``: when
    it was handed to us. ``zones``: what kept a site from arming. ``resync``: it follows on nothing.
    """

    site: Address
    dealer_id: str
    site_id: str
    partition: str
    state: str
    zones: tuple[str, ...]
    source: str
    user_id: str
    resync: bool
    happened_at: datetime
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class ArmingReport(ReportDraft):
    """A report in its site's queue. ``sequence`` counts those of the site, from 1.

    ``status``: ``queued`` before and ``sending`` while it is sent, then as it ended: ``failed`` where it has
    no effect, ``unknown`` where nobody knows. ``note``: what was said, or what is amiss; of a queued one, why
    it has not gone out.
    """

    id: int
    sequence: int
    idempotency_key: str
    status: ReportStatus
    settled_at: datetime | None
    note: str


def _zones(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


_REPORT: Decoders = {
    "site": Address.parse,
    "zones": _zones,
    "resync": bool,
    "happened_at": instant,
    "queued_at": instant,
    "settled_at": instant,
}


class ReportTables(Tables):
    """The arming reports of one environment."""

    def last_reports(self, site_id: str, before: int | None = None) -> list[ArmingReport]:
        """The last report of each partition (and of ``all``) that was not refused; oldest first.

        ``before``: of those with a lower sequence only.
        """
        environment = self._database.environment
        limit = 2**62 if before is None else before
        return self._database.read(
            ArmingReport,
            _REPORT,
            "SELECT * FROM reports WHERE environment = ? AND site_id = ? AND sequence IN ("
            "SELECT max(sequence) FROM reports WHERE environment = ? AND site_id = ?"
            " AND status <> 'failed' AND sequence < ? GROUP BY partition) ORDER BY sequence",
            (environment, site_id, environment, site_id, limit),
        )

    def next_sequence(self, site_id: str) -> int:
        """The number of the next report of a site; asked for in the transaction that queues it."""
        [[last]] = self._database.rows(
            "SELECT coalesce(max(sequence), 0) FROM reports WHERE environment = ? AND site_id = ?",
            (self._database.environment, site_id),
        )
        number: int = last + 1
        return number

    def queue_report(self, draft: ReportDraft, sequence: int, idempotency_key: str) -> ArmingReport | None:
        """Put ``draft`` at the end of its site's queue; None where another took that place meanwhile."""
        environment = self._database.environment
        taken = not self._database.change(
            "INSERT INTO reports (environment, site, dealer_id, site_id, sequence, partition, state, zones,"
            " source, user_id, resync, happened_at, queued_at, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (environment, site_id, sequence) DO NOTHING",
            (
                environment,
                str(draft.site),
                draft.dealer_id,
                draft.site_id,
                sequence,
                draft.partition,
                draft.state,
                json_text(draft.zones),
                draft.source,
                draft.user_id,
                int(draft.resync),
                stamp(draft.happened_at),
                stamp(draft.queued_at),
                idempotency_key,
            ),
        )
        if taken:
            return None
        [found] = self._database.read(
            ArmingReport,
            _REPORT,
            "SELECT * FROM reports WHERE environment = ? AND site_id = ? AND sequence = ?",
            (environment, draft.site_id, sequence),
        )
        return found

    def waiting_reports(self, site_id: str) -> list[ArmingReport]:
        """The reports of a site that are not settled, in their order."""
        return self._database.read(
            ArmingReport,
            _REPORT,
            "SELECT * FROM reports WHERE environment = ? AND site_id = ?"
            " AND status IN ('queued', 'sending') ORDER BY sequence",
            (self._database.environment, site_id),
        )

    def overdue_reports(self, before: datetime) -> list[ArmingReport]:
        """The last report of each site that is not settled, and was put off or queued before ``before``.

        ``before`` is aware.
        """
        environment = self._database.environment
        return self._database.read(
            ArmingReport,
            _REPORT,
            "SELECT * FROM reports WHERE environment = ? AND id IN (SELECT max(id) FROM reports WHERE"
            " environment = ? AND status IN ('queued', 'sending') AND (queued_at < ? OR note <> '')"
            " GROUP BY site_id) ORDER BY id",
            (environment, environment, stamp(before)),
        )

    def begin_report(self, report: ArmingReport) -> None:
        """From now on nobody knows whether ``report`` has arrived."""
        self._database.change(
            "UPDATE reports SET status = 'sending' WHERE id = ? AND environment = ? AND status = 'queued'",
            (report.id, self._database.environment),
        )

    def put_off_reports(self, site_id: str, note: str) -> None:
        """Leave what waits in a site's queue there, as not sent; ``note`` says why."""
        self._database.change(
            "UPDATE reports SET status = 'queued', note = ? WHERE environment = ? AND site_id = ?"
            " AND status IN ('queued', 'sending')",
            (note, self._database.environment, site_id),
        )

    def settle_report(self, report: ArmingReport, status: ReportStatus, note: str, now: datetime) -> None:
        """Record how ``report`` ended. Raises LedgerError where that was known before."""
        changed = self._database.change(
            "UPDATE reports SET status = ?, note = ?, settled_at = ? WHERE id = ? AND environment = ?"
            " AND status IN ('queued', 'sending')",
            (status, note, stamp(now), report.id, self._database.environment),
        )
        if not changed:
            raise LedgerError(f"report {report.sequence} of {report.site} is settled already")

    def report(self, number: int) -> ArmingReport:
        """The report with the id ``number``."""
        [found] = self._database.read(
            ArmingReport,
            _REPORT,
            "SELECT * FROM reports WHERE environment = ? AND id = ?",
            (self._database.environment, number),
        )
        return found

    def reports(self, site: Address) -> list[ArmingReport]:
        """Every report of a site, oldest first."""
        return self._database.read(
            ArmingReport,
            _REPORT,
            "SELECT * FROM reports WHERE environment = ? AND site = ? ORDER BY sequence",
            (self._database.environment, str(site)),
        )
