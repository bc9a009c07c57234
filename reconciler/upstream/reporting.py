"""Arming states of a partner-triggered project, reported in the order in which they came.

A report is put into its site's queue in the ledger first. Whoever has the site's turn then sends all that is
in the queue, in order, what other processes put there and did not come to send included. So two reports of
one site never overtake each other, and none is lost with the process that was to send it.

A report says what a site is since an instant, and nobody but this queue says so: one without a clear answer
is sent again as it was, with its own Idempotency-Key, before anything that came after it. A state that lasts
and that nobody took, since nobody was reached or CHeKT had no time for it, stays in the queue.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.account import Account
from reconciler.alerting.book import AlertBook
from reconciler.alerting.senders import receivers
from reconciler.arming.reported import ALL, SETTLED, Reported, Standing, judge, standings
from reconciler.chekt import telling
from reconciler.errors import AmbiguousError, ApiError, AuthError, LockedError, RemoteError, ReportError
from reconciler.ledger import ArmingReport, ReportDraft
from reconciler.ledger.reports import ReportStatus
from reconciler.model import Address, JsonValue
from reconciler.places import Place, Sites
from reconciler.planning.digest import digest
from reconciler.runtime import store_of
from reconciler.times import spoken_utc
from reconciler.upstream.endpoints import accepted

WITHIN = timedelta(seconds=5)
"""From the state to CHeKT's knowledge of it (chekt-api/README.md section 4.7)."""

TIMEOUT = 4.0
"""Seconds for one request, so that people hear of a late report in time."""

PAUSES = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds before each repeat (DESIGN section 5)."""

AHEAD = timedelta(seconds=60)
"""By which a state may lie ahead of this machine's clock."""

_TURN_SECONDS = (0.05, 0.4)
"""Between two attempts at a site's turn that another process has: at first, and at most."""

_LEFT_AFTER = timedelta(seconds=60)
"""A report that waits for longer has no process to send it any more."""

_WAITING = ("queued", "sending")
_BUSY = 503
"""The status of a server that takes nothing on at present."""

_LATE, _FAILED = "report_late", "report_failed"


@dataclass(frozen=True, slots=True)
class Told:
    """A state that somebody has to report. ``partition``: a number, or ``all``.

    ``at`` is aware; None: just now.
    """

    site: Address
    state: Reported
    at: datetime | None = None
    partition: str = ALL
    user: str = ""
    source: str = ""
    zones: tuple[str, ...] = ()
    resync: bool = False


class Reporting:
    """The queues of an account's sites. Thread-safe, but one thread at a time for a site."""

    def __init__(self, account: Account) -> None:
        """Raises UnsupportedError where the endpoint is below the accepted grade, SecretError."""
        self._account = account
        self._book = account.ledger
        self._runtime = account.runtime
        self._endpoint = accepted(account, "arming_state.report")
        self._sites = Sites(account.project, account.ledger.owned(), account.client)
        self._alerts = AlertBook(account.ledger, receivers(account.project, account.runtime))
        self._telling = threading.Lock()
        self.untold: list[str] = []
        """Why people could not be told of something, as sentences."""

    def queue(self, told: Told) -> ArmingReport | None:
        """Put ``told`` into its site's queue; None where that was reported before and lasts.

        Where it says what is in the queue already, nothing is added: the last report there is returned, since
        the process that was to send it may have ended.

        Raises ReportError for a state that cannot follow on what was reported, RemoteError for a site that is
        not in the account.
        """
        _check(told, self._runtime.clock())
        place = self._sites.place(str(told.site))
        while True:
            with self._book.transaction():
                draft = _draft(told, place, self._known(place.site_id), self._runtime.clock())
                if draft is None:
                    waiting = self._book.waiting_reports(place.site_id)
                    about = [
                        each
                        for each in waiting
                        if ALL in (told.partition, each.partition) or each.partition == told.partition
                    ]
                    return about[-1] if about else None
                sequence = self._book.next_sequence(place.site_id)
                queued = self._book.queue_report(draft, sequence, _key(draft, sequence))
            if queued is not None:
                return queued

    def left_behind(self) -> list[ArmingReport]:
        """What is put off, or was left behind by a process that ended: a report of each site."""
        return self._book.overdue_reports(self._runtime.clock() - _LEFT_AFTER)

    def deliver(self, queued: ArmingReport) -> ArmingReport:
        """Send what is in the queue of ``queued``'s site, as soon as it is our turn; how ``queued`` ended.

        It is still ``queued`` where it was put off, or one before it was. Another process may have sent it
        meanwhile. Does not raise for reports that failed.
        """
        project, runtime = self._account.project, self._runtime
        turn = f"report:{project.environment.name}:{queued.site_id}"
        pause, longest = _TURN_SECONDS
        sent = True
        while sent and self._book.report(queued.id).status in _WAITING:
            try:
                with store_of(project, runtime).lock(turn, command="arming report", now=runtime.clock()):
                    sent = all(map(self._send, self._book.waiting_reports(queued.site_id)))
            except LockedError:
                runtime.sleep(pause)
                pause = min(2 * pause, longest)
        return self._book.report(queued.id)

    def outcome(self, queued: ArmingReport) -> ArmingReport:
        """How ``queued`` stands by now: what came after it may have taken it along."""
        return self._book.report(queued.id)

    def _known(self, site_id: str, before: int | None = None) -> Mapping[str, Standing]:
        return {
            each.partition: Standing(
                None if each.status == "unknown" else Reported(each.state), each.happened_at, each.sequence
            )
            for each in self._book.last_reports(site_id, before)
        }

    def _send(self, report: ArmingReport) -> bool:
        """Send one report and settle it; False where it was put off, and nothing may go out before it.

        What follows on a report that was refused may be refused here.
        """
        doubtful = report.status == "sending"  # its process ended while it was sent
        if not doubtful and not report.resync:
            try:
                known = self._known(report.site_id, report.sequence)
                judge(known, report.partition, Reported(report.state), report.happened_at)
            except ValueError as exc:
                self._settle(report, "failed", f"what came before it was not reported: {exc}")
                return True
        self._book.begin_report(report)
        status, note = self._tried(report, doubtful=doubtful)
        if status == "queued":
            self._put_off(report, note)
            return False
        self._settle(report, status, note)
        return True

    def _tried(self, report: ArmingReport, *, doubtful: bool) -> tuple[ReportStatus, str]:
        """Send ``report`` until CHeKT has answered, as often as it makes sense; how that ended, and why.

        ``doubtful``: it may have arrived already. ``queued``: it lasts, and was certainly not taken.
        """
        lasts = Reported(report.state) in SETTLED
        late = False
        note = ""
        for pause in (0.0, *PAUSES):
            if pause:
                self._runtime.waiting(f"{report.state} of {report.site} is not reported: {note}", pause)
                self._runtime.sleep(pause)
            try:
                self._tell(report)
            except AmbiguousError as exc:
                note = exc.message
                doubtful = doubtful or not (lasts and exc.status == _BUSY)
            except (ApiError, AuthError) as exc:
                note = exc.message
                if not isinstance(exc, ApiError) or exc.status != 429:
                    return ("unknown" if doubtful else "failed"), note
            except RemoteError as exc:
                note = exc.message
            else:
                self._heed_delay(report, "it took that long")
                return "done", ""
            late = late or self._heed_delay(report, note)
        if doubtful:
            return "unknown", note
        return ("queued" if lasts else "failed"), note

    def _tell(self, report: ArmingReport) -> None:
        named = self._account.project.environment.report_zones_as
        zones: JsonValue = list(report.zones)
        body = telling.report_body(
            report.state,
            report.partition,
            report.happened_at,
            user_id=report.user_id,
            source=report.source,
            more={named: zones} if named is not None and report.zones else {},
        )
        telling.tell(
            self._account.client,
            self._endpoint,
            {"dealer_id": report.dealer_id, "site_id": report.site_id},
            body,
            report.idempotency_key,
            timeout=TIMEOUT,
            once=True,
        )

    def _heed_delay(self, report: ArmingReport, why: str) -> bool:
        """Tell people of a report that is later than CHeKT allows; whether it is."""
        began = report.queued_at if report.resync else report.happened_at
        late = self._runtime.clock() - began > WITHIN
        if late:
            what = f"{report.state} since {spoken_utc(began)} was not reported within 5 s: {why}"
            self._heed(report, {_LATE: what}, over=())
        return late

    def _put_off(self, report: ArmingReport, note: str) -> None:
        """Leave ``report``, and what came after it, in the queue: whoever reports next sends it first."""
        self._book.put_off_reports(report.site_id, note)
        what = f"{report.state} since {spoken_utc(report.happened_at)} is not reported yet"
        ahead = "it is queued and goes out before the next report of the site"
        self._heed(report, {_FAILED: f"{what}, {ahead}: {note}"}, over=(_LATE,))

    def _settle(self, report: ArmingReport, status: ReportStatus, note: str) -> None:
        self._book.settle_report(report, status, note, self._runtime.clock())
        word = "may not have been" if status == "unknown" else "was not"
        what = f"{report.state} since {spoken_utc(report.happened_at)} {word} reported: {note}"
        self._heed(report, {} if status == "done" else {_FAILED: what})

    def _heed(
        self, report: ArmingReport, found: Mapping[str, str], over: Collection[str] = (_LATE, _FAILED)
    ) -> None:
        """Tell people what was ``found``, a sentence by code, and that what of ``over`` was not is over."""
        partition = None if report.partition == ALL else int(report.partition)
        where = (str(report.site), partition)
        with self._telling:
            known = [
                alert
                for alert in self._book.open_alerts()
                if (alert.target, alert.partition) == where and alert.code in {*over, *found}
            ]
            if known or found:
                self._alerts.adjust(*where, known, found, self._runtime.clock())
                self.untold += self._alerts.tell()


def _key(draft: ReportDraft, sequence: int) -> str:
    """The Idempotency-Key of a report: of this very one, since its number in the site's queue is in it."""
    content: list[JsonValue] = [draft.site_id, sequence, draft.partition, draft.state, str(draft.happened_at)]
    return digest(["arming-state", *content]).removeprefix("sha256:")


def _check(told: Told, now: datetime) -> None:
    """Raises ReportError for a report that makes no sense, whatever was reported before."""
    wrong = ""
    if not all(_is_text(each) for each in (told.user, told.source, *told.zones)):
        wrong = "user, source or zones hold what is no UTF-8"
    elif told.zones and told.state is not Reported.ARM_FAILURE:
        wrong = f"zones belong to arm_failure, not to {told.state}"
    elif told.at is not None and told.at > now + AHEAD:
        wrong = f"it is to begin only at {spoken_utc(told.at)}"
    elif told.resync and told.state not in SETTLED:
        wrong = f"{told.state} does not last; resynchronise to one of {', '.join(sorted(SETTLED))}"
    if wrong:
        raise ReportError(f"{told.state} cannot be reported: {wrong}", address=told.site)


def _is_text(text: str) -> bool:
    """Whether ``text`` can be written; an argument in another encoding cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _draft(told: Told, place: Place, known: Mapping[str, Standing], now: datetime) -> ReportDraft | None:
    """The report to queue after those ``known``; None where that was reported before and lasts.

    Where nobody said when, it is now, and not before what was queued meanwhile. Raises ReportError.
    """
    before = standings(known, told.partition)
    at = max([now, *(each.at for each in before)]) if told.at is None else told.at
    try:
        verdict = "report" if told.resync else judge(known, told.partition, told.state, at)
    except ValueError as exc:
        about = "" if told.partition == ALL else f" partition {told.partition}"
        raise ReportError(
            f"{told.state} of {told.site}{about} was not reported: {exc}",
            hint="Report what came in between, or --resync where CHeKT is to take the state as it is.",
            address=told.site,
        ) from exc
    if verdict == "unchanged":
        return None
    return ReportDraft(
        site=told.site,
        dealer_id=place.dealer_id,
        site_id=place.site_id,
        partition=told.partition,
        state=told.state.value,
        zones=told.zones,
        source=told.source,
        user_id=told.user,
        resync=told.resync,
        happened_at=at,
        queued_at=now,
    )
