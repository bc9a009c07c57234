"""What an operation of the sandbox sees of the request it answers, and of the world around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.messages import Request
from reconciler.sandbox.store import Row, Store
from reconciler.sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. ``credential`` names the bucket and the idempotency space; it is never a secret.

    ``dealer_id`` is None for a partner's machine, which reaches every connected dealer.
    """

    family: Literal["partner", "dealer", "app"]
    credential: str
    scopes: frozenset[str] = frozenset()
    dealer_id: int | None = None
    app_id: int | None = None
    user: bool = False


@dataclass(slots=True)
class Call:
    """One request on its way through the sandbox. ``now`` is the sandbox's time, epoch seconds."""

    request: Request
    ids: Mapping[str, str]
    store: Store
    switches: Switches
    now: float
    number: int
    caller: Caller | None = None
    fault: Fault | None = None
    replayed: bool = False
    rate_headers: list[tuple[str, str]] = field(default_factory=list)
    memo: dict[tuple[str, int], Row | None] = field(default_factory=dict)

    def known(self, kind: str, object_id: int) -> Row | None:
        """The object, read once a request: for what many rows of a list refer to."""
        key = (kind, object_id)
        if key not in self.memo:
            self.memo[key] = self.store.get(kind, object_id)
        return self.memo[key]

    def struck_by(self, action: str) -> Fault | None:
        """The fault on this request if it is an ``action``, for operations that act it out."""
        return self.fault if self.fault is not None and self.fault.action == action else None

    def number_of(self, name: str, what: str, prefix: str = "") -> int:
        """The id in path position ``name``: digits only, else 404 (section 11.2).

        ``prefix`` is put before ids by the page shape; the bare digits are accepted too.
        """
        text = self.ids[name].removeprefix(prefix)
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise not_found(what)
        return int(text)

    def dealer(self, dealer_id: int) -> Row:
        """The connected dealer, if the caller may see it. Raises Refusal 404."""
        assert self.caller is not None
        row = self.store.get("dealer", dealer_id)
        foreign = self.caller.dealer_id is not None and self.caller.dealer_id != dealer_id
        if row is None or foreign or not row.body.get("connected"):
            raise not_found("dealer")
        return row

    def own_dealer(self) -> Row:
        """The dealer that the caller's key opens. Raises Refusal 404 when it is gone."""
        assert self.caller is not None
        assert self.caller.dealer_id is not None
        row = self.store.get("dealer", self.caller.dealer_id)
        if row is None:
            raise not_found("dealer")
        return row

    def own_site(self, prefix: str = "") -> Row:
        """The site named by the path, if it belongs to the caller's dealer. Raises Refusal 404."""
        dealer = self.own_dealer()
        row = self.store.get("site", self.number_of("site_id", "site", prefix))
        if row is None or row.scope != str(dealer.id):
            raise not_found("site")
        return row

    def invalid(self, field_name: str, message: str, *, code: str = "invalid_value") -> Refusal:
        """The refusal of a body's field, with the status that the switches choose."""
        return Refusal(self.switches.validation_status, message, code=code, field=field_name)
