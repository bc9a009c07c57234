"""The partner's side of a certification: states reported one by one, or through the product's queue."""

from __future__ import annotations

import uuid
from datetime import datetime

from reconciler.account import Account
from reconciler.arming.reported import Reported
from reconciler.certification.record import NotMetError, Record
from reconciler.chekt import telling
from reconciler.errors import ApiError
from reconciler.model import Address
from reconciler.places import Place
from reconciler.upstream.endpoints import accepted
from reconciler.upstream.reporting import Reporting, Told

USER = "certification"
_SOURCE = "keypad"


class Reports:
    """Reports about one site. ``replays``: each is sent twice, as if its first answer had been lost."""

    def __init__(self, account: Account, site: Address, place: Place, record: Record) -> None:
        """Raises UnsupportedError where the environment does not accept the endpoint's grade."""
        self.replays = False
        self._account = account
        self._site = site
        self._place = place
        self._record = record
        self._endpoint = accepted(account, "arming_state.report")

    def send(self, state: str, at: datetime, user: str = USER) -> str | None:
        """Report ``state`` since ``at`` once; why it was refused, None where it was taken.

        What CHeKT has to refuse must get there, so nothing is judged before. Raises RemoteError where no
        usable answer comes.
        """
        body = telling.report_body(state, "all", at, user_id=user, source=_SOURCE, more={})
        key = uuid.uuid4().hex
        ids = {"dealer_id": self._place.dealer_id, "site_id": self._place.site_id}
        try:
            telling.tell(self._account.client, self._endpoint, ids, body, key, once=True)
            if self.replays:
                self._record.note("note", f"{state} is sent again, as if no answer had come")
                telling.tell(self._account.client, self._endpoint, ids, body, key, once=True)
        except ApiError as exc:
            self._record.note("note", f"reported {state}: {exc.message}")
            return exc.message
        self._record.note("note", f"reported {state}: taken")
        return None

    def deliver(self, state: str, at: datetime) -> None:
        """Report ``state`` since ``at`` as `reconciler arming report` does, repeats included.

        Raises NotMetError where CHeKT does not come to know it, ReportError, RemoteError.
        """
        reporting = Reporting(self._account)
        told = Told(self._site, Reported(state), at, user=USER, source=_SOURCE, resync=True)
        queued = reporting.queue(told)
        assert queued is not None, "a resynchronisation is always queued"
        ended = reporting.deliver(queued)
        self._record.note("note", f"reported {state} through the queue: {ended.status} {ended.note}".rstrip())
        if ended.status != "done":
            raise NotMetError(f"the report of {state} has ended as {ended.status}: {ended.note}")
