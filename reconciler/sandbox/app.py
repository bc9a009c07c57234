"""The sandbox: a WSGI application that stands in for CHeKT, in process or on a port."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.model import JsonObject
from reconciler.sandbox.auth import authenticate, bearer, check_scope, check_trace_id
from reconciler.sandbox.call import Call
from reconciler.sandbox.credentials import COMPANY_NAME, DEALER_ID, EXTERNAL_DEALER_ID
from reconciler.sandbox.errors import CODES, Dropped, Refusal, body_of
from reconciler.sandbox.faults import Fault, Faults
from reconciler.sandbox.idempotency import key_of, latest_answer, store_answer, stored_answer
from reconciler.sandbox.limits import Limiter, rate_of
from reconciler.sandbox.messages import Request, Response, page, reply
from reconciler.sandbox.routes import all_routes
from reconciler.sandbox.routing import Route, Router
from reconciler.sandbox.seed import seed_dealer, set_up
from reconciler.sandbox.store import Store, stored
from reconciler.sandbox.switches import Switches
from reconciler.sandbox.timekeeping import Clock, iso, real_clock
from reconciler.sandbox.tokens import Tokens
from reconciler.sandbox.webhooks import Sender, deliver_due, post_to_loopback

READ_TIMEOUT = "reconciler.read_timeout"
"""Key of the WSGI environ under which an in-process client states its read time-out, seconds."""

_LOG_LENGTH = 100_000


class RequestRecord(NamedTuple):
    """One request as the log keeps it. ``at`` is the sandbox's time; ``seconds`` the time it took.

    ``status`` is 0 where the connection was dropped; ``fault`` names the action that struck;
    ``credential`` names the caller without a secret.
    """

    number: int
    at: datetime
    method: str
    path: str
    status: int
    trace_id: str | None
    idempotency_key: str | None
    body_digest: str
    credential: str | None
    replayed: bool
    fault: str | None
    seconds: float

    def to_json(self) -> JsonObject:
        """Every field, ``at`` as ISO text."""
        return {**self._asdict(), "at": iso(self.at)}


class Sandbox:
    """A simulated CHeKT account on SQLite.

    ``db``: a file, kept from run to run with its objects, clock and switches, or ``:memory:``.
    ``switches``: None keeps those of the file. ``clock``: the base clock; ``sandbox.clock`` moves it.
    ``sender``: posts webhook deliveries; by default they are only kept, unless the switch
    ``deliveries`` lets them go to loopback addresses. Thread-safe.
    """

    def __init__(
        self,
        db: Path | str = ":memory:",
        *,
        switches: Switches | None = None,
        clock: Callable[[], datetime] | None = None,
        sender: Sender | None = None,
    ) -> None:
        self.store = Store(db)
        self.clock = Clock(clock or real_clock)
        self.faults = Faults()
        self.limiter = Limiter(self.clock.base)
        self.tokens = Tokens(self.store)
        self._sender = sender
        self._delivering = threading.Lock()
        self._log: deque[RequestRecord] = deque(maxlen=_LOG_LENGTH)
        self._numbers = 0
        self._number_lock = threading.Lock()
        self._router = Router(all_routes(self))
        self._switches = self._restore(switches)
        self.seed_dealer(DEALER_ID, EXTERNAL_DEALER_ID, COMPANY_NAME)

    def _restore(self, switches: Switches | None) -> Switches:
        with self.store.transaction():
            saved = self.store.setting("clock")
            if isinstance(saved, dict):
                self.clock.restore(saved)
            kept = self.store.setting("switches")
            chosen = switches or (Switches.from_json(kept) if isinstance(kept, dict) else Switches())
            self.store.save_setting("switches", chosen.to_json())
            return chosen

    @property
    def switches(self) -> Switches:
        """The switches in force. Assign to change them."""
        return self._switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        with self.store.transaction():
            self.store.save_setting("switches", switches.to_json())
        self._switches = switches
        self.limiter.clear()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def reset(self) -> None:
        """Back to a fresh sandbox: one connected dealer. Switches stay; clock, faults and log do not."""
        with self.store.transaction():
            self.store.clear()
            self.store.save_setting("switches", self._switches.to_json())
        self.clock.release()
        self.faults.clear()
        self.limiter.clear()
        self.tokens.clear()
        self._log.clear()
        self.seed_dealer(DEALER_ID, EXTERNAL_DEALER_ID, COMPANY_NAME)

    def seed_dealer(
        self,
        dealer_id: int,
        external_dealer_id: str | None = None,
        company_name: str = COMPANY_NAME,
        *,
        connected: bool = True,
    ) -> None:
        """Make sure the dealer exists, with its API key. An existing dealer is left as it is."""
        at = self.clock.now().timestamp()
        seed_dealer(self.store, at, dealer_id, external_dealer_id, company_name, connected=connected)

    def set_up(self, dealer_id: int, content: JsonObject) -> None:
        """Put in place what people set up in the dealer's portal; see ``seed.set_up``."""
        with self.store.transaction():
            set_up(self.store, self.clock.now().timestamp(), str(dealer_id), content)

    def register_key(self, kid: str, public_pem: str) -> None:
        """Accept client assertions signed with this RSA key. Raises ValueError for no RSA public key."""
        self.tokens.register_key(kid, public_pem)

    def add_fault(self, fault: Fault) -> None:
        """Put ``fault`` in wait."""
        self.faults.add(fault)

    def state(self) -> JsonObject:
        """Everything: objects by kind, arming states, counts, clock, switches, length of the log."""
        store = self.store
        with store.lock:
            counts = store.counts()
            objects = {kind: [stored(row) for row in store.all(kind)] for kind in counts}
            arming = store.rows("SELECT site_id, partition_id, body FROM arming ORDER BY 1, 2")
        return {
            "objects": objects,
            "counts": dict(counts),
            "arming": [{"site_id": a, "partition_id": b, **json.loads(body)} for a, b, body in arming],
            "clock": self.clock.to_json(),
            "switches": self._switches.to_json(),
            "requests": len(self._log),
        }

    def requests(self) -> list[RequestRecord]:
        """The log of API requests, oldest first; the simulator's own operations are left out."""
        return list(self._log)

    def clear_requests(self) -> None:
        """Empty the request log."""
        self._log.clear()

    def deliver(self) -> int:
        """Send the webhook deliveries that are due; how many were tried: none while others send them."""
        sender = self._sender
        if sender is None and self._switches.deliveries == "loopback":
            sender = post_to_loopback
        if sender is None or not self._delivering.acquire(blocking=False):
            return 0
        try:
            now = self.clock.now().timestamp()
            return deliver_due(self.store, now, sender, self._switches, self.faults)
        finally:
            self._delivering.release()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request. Raises Dropped where a fault ends the connection without an answer."""
        response = self._answer(environ)
        _pause(response.delay, environ.get(READ_TIMEOUT))
        headers = list(response.headers)
        length = len(response.body) if response.declared is None else response.declared
        if response.status != 204:
            headers.append(("Content-Length", str(length)))
        headers.append(("Date", format_datetime(self.clock.now().replace(microsecond=0), usegmt=True)))
        phrase = HTTPStatus(response.status).phrase if response.status in _STATUSES else "Unknown"
        start_response(f"{response.status} {phrase}", headers)
        return [response.body]

    def _answer(self, environ: dict[str, Any]) -> Response:
        started = time.perf_counter()
        with self._number_lock:
            self._numbers += 1
            number = self._numbers
        try:
            request = Request.of(environ)
        except Refusal as refusal:
            return self._refuse(refusal, "", number)
        now = self.clock.now()
        call = Call(request, {}, self.store, self._switches, now.timestamp(), number)
        status = 0
        admin = False
        try:
            route, call.ids = self._router.match(request.method, request.path)
            admin = route.admin
            response = self._run_admin(route, call) if admin else self._run(route, call)
            status = response.status
        except Refusal as refusal:
            response = self._refuse(refusal, request.path, number, call)
            status = response.status
        finally:
            if not admin:
                self._record(call, now, status, time.perf_counter() - started)
        return response

    def _run_admin(self, route: Route, call: Call) -> Response:
        """One operation of the simulator itself: no credentials, so from this machine only."""
        if not ipaddress.ip_address(call.request.remote).is_loopback:
            raise Refusal(403, "the simulator's own operations answer on loopback only")
        if not route.writes:
            with self.store.lock:
                return route.answer(call)
        with self.store.transaction():
            return route.answer(call)

    def _run(self, route: Route, call: Call) -> Response:
        """One API request: fault, caller, rate, permission, repeat or effect, fault."""
        call.fault = self.faults.strike(call.request.method, call.request.path)
        if call.fault is not None and call.fault.when == "before":
            self._strike(call.fault, call.request)
        check_trace_id(call)
        if call.struck_by("revoke"):
            self.tokens.revoke(bearer(call))
        if route.access not in ("open", "media"):
            call.caller = authenticate(call, self.tokens, route.access)
            if self._switches.rate_limits and route.access != "event":
                rate = rate_of(call.caller.family, self._switches)
                told = self.limiter.take(call.caller.credential, rate)
                call.rate_headers = told if self._switches.rate_headers else []
            check_scope(call.caller, route.scope)
        try:
            replayed = latest_answer(call) if call.struck_by("replay") else None
            if call.struck_by("twice"):
                with suppress(Refusal):  # the client never hears of the first time
                    self._effect(route, call)
            response = replayed or self._effect(route, call)
        except Refusal:
            if call.fault is not None and call.fault.when == "after":
                self._strike(call.fault, call.request)
            raise
        if call.fault is not None:
            response = self._strike_after(call.fault, call.request, response)
        return response.with_headers(call.rate_headers)

    def _effect(self, route: Route, call: Call) -> Response:
        """Answer from the store: a write in one transaction, a repeated one from its stored answer."""
        key = key_of(call)
        if not route.writes:
            with self.store.lock:
                return route.answer(call)
        with self.store.lock:
            repeated = stored_answer(call, key) if key is not None else None
            if repeated is not None:
                call.replayed = True
                return repeated
            forget = call.fault is not None and call.fault.forget
            try:
                with self.store.transaction():
                    response = route.answer(call)
                    if key is not None and not forget:
                        store_answer(call, key, response)
            except Refusal as refusal:
                if key is not None and not forget:
                    with self.store.transaction():
                        store_answer(call, key, self._refuse(refusal, call.request.path, call.number))
                raise
        self.deliver()
        return response

    def _strike(self, fault: Fault, request: Request) -> None:
        """Act out a fault that replaces the answer. Raises Refusal or Dropped."""
        if fault.action == "status":
            headers: tuple[tuple[str, str], ...] = ()
            if fault.status in (429, 503) and fault.seconds:
                headers = (("Retry-After", str(max(1, round(fault.seconds)))),)
            if fault.status == 429:
                reset = str(int(self.clock.base().timestamp() + max(1, fault.seconds)))
                rate = rate_of("dealer" if request.path.startswith("/ext/") else "partner", self._switches)
                headers += (
                    ("X-RateLimit-Limit", str(rate.per_minute)),
                    ("X-RateLimit-Remaining", "0"),
                    ("X-RateLimit-Reset", reset),
                )
            code = CODES.get(fault.status, "error")
            raise Refusal(fault.status, "the sandbox fails on purpose", code=code, headers=headers)
        if fault.action == "page":
            raise Refusal(fault.status, "the sandbox fails on purpose", as_page=True)
        if fault.action in ("drop", "timeout"):
            timed_out = fault.action == "timeout"
            raise Dropped(timed_out=timed_out, seconds=fault.seconds if timed_out else 0.0)

    def _strike_after(self, fault: Fault, request: Request, response: Response) -> Response:
        """Act out a fault on the way back."""
        if fault.when == "after":
            self._strike(fault, request)
        if fault.action == "slow":
            response.delay = fault.seconds
        if fault.action in ("truncate", "cut"):
            whole = len(response.body)
            declared = whole if fault.action == "truncate" else None
            return Response(response.status, response.body[: whole // 2], list(response.headers), declared)
        return response

    def _refuse(self, refusal: Refusal, path: str, number: int, call: Call | None = None) -> Response:
        shape = self._switches.error_shape
        if shape == "surface":
            live = path.startswith("/ext/") and self._switches.shape == "live"
            shape = "live" if live else "structured"
        body = body_of(refusal, shape, f"req_{number}")
        if path.startswith("/oauth/"):
            body = {"error": refusal.code, "error_description": refusal.message, "message": refusal.message}
        answer = page(refusal.message, refusal.status) if refusal.as_page else reply(body, refusal.status)
        response = answer.with_headers(refusal.headers)
        named = {name for name, _ in refusal.headers}
        spent = call.rate_headers if call is not None else []
        return response.with_headers([header for header in spent if header[0] not in named])

    def _record(self, call: Call, at: datetime, status: int, seconds: float) -> None:
        request = call.request
        self._log.append(
            RequestRecord(
                number=call.number,
                at=at,
                method=request.method,
                path=request.target,
                status=status,
                trace_id=request.headers.get("x-partner-trace-id"),
                idempotency_key=request.headers.get("idempotency-key"),
                body_digest=request.digest(),
                credential=call.caller.credential if call.caller is not None else None,
                replayed=call.replayed,
                fault=call.fault.action if call.fault is not None else None,
                seconds=seconds,
            )
        )


def _pause(seconds: float, patience: float | None) -> None:
    """Answer slowly. A client known to give up sooner does not have to wait for it."""
    if patience is not None and seconds > patience:
        raise Dropped(timed_out=True, seconds=patience)
    if seconds > 0:
        time.sleep(seconds)


_STATUSES = frozenset(status.value for status in HTTPStatus)
