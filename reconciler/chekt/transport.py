"""One request to the API and what became of it: budget, retry, idempotency, trace id, classification.

Every exception of httpx is translated here. A read is tried again after 429, 5xx and transport errors;
a write only where it certainly was not executed (a 429, a connection that never stood). Any other write
without a usable answer raises AmbiguousError and is left to whoever can look the object up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypedDict, Unpack

import httpx

from reconciler.chekt import accounts, exchanges, wire
from reconciler.chekt.accounts import Account, Accounts
from reconciler.chekt.auth import TOKEN_REQUEST, TokenUnavailableError
from reconciler.chekt.bounds import OutOfBoundsError
from reconciler.chekt.connection import Connection
from reconciler.chekt.http import http_client
from reconciler.chekt.width import Width
from reconciler.errors import AmbiguousError, ApiError, AuthError, RemoteError
from reconciler.model import JsonValue
from reconciler.redaction import Redactor

RETRIES: Final = 5
_BACKOFF: Final = (1.0, 2.0, 4.0, 8.0, 8.0)
_JITTER_SHARE: Final = 0.25
_LONGEST_WAIT: Final = 300.0
"""Seconds; a server that asks for more is busy beyond this run."""

_ONCE_PATIENCE: Final = 5.0
"""Seconds that a call which must not come late waits for the rate budget."""

_SENT_AT: Final = "chekt_sent_at"
_SECONDS: Final = "chekt_seconds"
"""Extensions of a request and of its response: Unix seconds, and seconds until the answer began."""

_WRITES: Final = ("send_request_headers.started", "send_request_body.started")
"""What httpcore traces just before it writes to the socket; without its body a command is no command."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_MAY_BE_DONE = (302, 303)
"""Redirects that servers send after they did what was asked, too."""

_UNSENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a client takes from its surroundings. ``clock``: Unix seconds; ``jitter``: in [0, 1).

    ``on_wait`` hears why a request is tried again, and in how many seconds.
    """

    redactor: Redactor
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    jitter: Callable[[], float]
    on_wait: Callable[[str, float], None] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One API call. ``idempotency_key`` marks a write; ``body`` is JSON, None for no body at all.

    ``once``: not to be tried again, since it would come too late. ``timeout``: seconds until a connection
    stands, and between two pieces of the answer; None for the connection's own.
    """

    method: str
    path: str
    dealer_id: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: JsonValue = None
    idempotency_key: str | None = None
    once: bool = False
    timeout: float | None = None

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. ``body`` is None where the response had none; header names are in lower case."""

    endpoint: str
    status: int
    body: JsonValue
    headers: Mapping[str, str]


@dataclass(slots=True)
class Requests:
    """How many requests were sent, repeated ones included."""

    reads: int = 0
    writes: int = 0
    tokens: int = 0


class _Facts(TypedDict):
    status: int
    endpoint: str
    server_code: str | None
    field: str | None
    trace_id: str | None
    hint: str


class RefusedError(ApiError):
    """An error response with its body: a bulk call may tell of its entries even so."""

    def __init__(self, message: str, *, body: JsonValue, **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.body = body


class Transport:
    """Sends calls to one base URL. Thread-safe; ``close`` when done."""

    def __init__(
        self,
        connection: Connection,
        runtime: Runtime,
        trace_id: str,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.requests = Requests()
        self.width = Width()
        self._trace_id = trace_id
        self._runtime = runtime
        self._observer = connection.observer
        self._permit = connection.permit
        self._count_lock = threading.Lock()
        self._accounts = Accounts(connection, runtime.redactor, clock=runtime.clock, sleep=runtime.sleep)
        self._ceiling = accounts.ceiling(connection, clock=runtime.clock, sleep=runtime.sleep)
        self._http = http_client(
            connection, transport, [self._ask_permit, self._count], on_answer=self._clock_answer
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call) -> Answer:
        """The answer to ``call``, a success with readable JSON or none.

        Raises ApiError and AuthError for a refusal, AmbiguousError for a write nobody knows the
        outcome of, RemoteError where the server cannot be reached.
        """
        account = self._accounts.of(call.dealer_id)
        for attempt in range(RETRIES + 1):
            outcome = self._attempt(call, account, attempt + 1)
            if isinstance(outcome, Answer):
                return outcome
            wait = outcome.wait
            if wait is None:
                wait = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
                wait *= 1.0 + _JITTER_SHARE * self._runtime.jitter()
            if call.once or attempt == RETRIES or wait > _LONGEST_WAIT:
                raise outcome.error
            if self._runtime.on_wait is not None:
                self._runtime.on_wait(outcome.error.message, wait)
            self._runtime.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(self, call: Call, account: Account, attempt: int) -> Answer | _Again:
        """One request: an answer, or why it may be tried again. Everything else is raised."""
        request = self._request(call)
        budgets = [account.budget] if self._ceiling is None else [self._ceiling, account.budget]
        waited = sum(budget.take(_ONCE_PATIENCE if call.once else None) for budget in budgets)
        started = self._runtime.clock()
        try:
            response = self._http.send(request, auth=account.auth)
        except TokenUnavailableError as exc:
            wait = wire.retry_after(exc.response, self._runtime.clock())
            return _Again(RemoteError(f"{call.endpoint}: {exc}", hint="Try again later."), wait)
        except httpx.RequestError as exc:
            self._told_failure(exc, attempt, self._runtime.clock() - started)
            return self._failed(call, exc)
        for each in (*response.history, response):
            if TOKEN_REQUEST not in each.request.extensions:
                self._told(each, attempt)
        if response.status_code == 429:
            self.width.refused()
        else:
            seconds: float = response.extensions[_SECONDS]
            self.width.answered(
                call.method, seconds, waited, lambda: min(budget.per_second for budget in budgets)
            )
        return self._classify(call, account, response, started)

    def _request(self, call: Call) -> httpx.Request:
        headers = {"x-partner-trace-id": self._trace_id}
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        try:
            return self._http.build_request(
                call.method,
                call.path,
                params=dict(call.query) or None,
                json=call.body,
                headers=headers,
                extensions={"chekt_write": call.idempotency_key is not None},
                timeout=httpx.USE_CLIENT_DEFAULT if call.timeout is None else call.timeout,
            )
        except ValueError as exc:  # a lone surrogate, NaN: what YAML can hold and JSON cannot
            raise RemoteError(f"{call.endpoint} cannot be sent: a value cannot be written as JSON") from exc

    def _failed(self, call: Call, exc: httpx.RequestError) -> _Again:
        """A request without a response."""
        reason = wire.printable(str(exc), self._runtime.redactor) or type(exc).__name__
        if isinstance(exc, _UNSENDABLE):
            raise RemoteError(f"{call.endpoint} cannot be sent: {reason}") from exc
        if exc.request.extensions.get(TOKEN_REQUEST):
            hint = "Check CHEKT_TOKEN_URL and the network."
            where = wire.printable(str(exc.request.url.copy_with(query=None)), self._runtime.redactor)
            error = RemoteError(
                f"no token, the token endpoint cannot be reached: {where}: {reason}", hint=hint
            )
            if isinstance(exc, OutOfBoundsError):
                raise error from exc
            return _Again(error)
        if isinstance(exc, OutOfBoundsError) and call.idempotency_key is None:
            hint = "Check the base URL and the endpoint."
            raise RemoteError(f"{call.endpoint}: {reason}", hint=hint) from exc
        if call.idempotency_key is None or isinstance(exc, _NOT_SENT):
            host = self._http.base_url.host
            hint = "Check the base URL and the network."
            return _Again(RemoteError(f"{call.endpoint}: no answer from {host}: {reason}", hint=hint))
        raise self._ambiguous(call, f"no answer came: {reason}") from exc

    def _classify(
        self, call: Call, account: Account, response: httpx.Response, sent_at: float
    ) -> Answer | _Again:
        status = response.status_code
        if status != 429:
            account.budget.heed(response.headers)
        if 200 <= status < 300:
            return self._answer(call, response)
        said = wire.server_error(response, self._runtime.redactor)
        if status == 429:
            now = self._runtime.clock()
            wait = wire.retry_after(response, now)
            account.budget.refuse(1.0 if wait is None else wait, sent_at=sent_at, headers=response.headers)
            return _Again(self._api_error(call, said, response), wait)
        if status >= 500 or status == 408:
            if call.idempotency_key is not None:
                raise self._ambiguous(call, f"the server answered {status}: {said.message}", status)
            return _Again(
                self._api_error(call, said, response), wire.retry_after(response, self._runtime.clock())
            )
        if status in _MAY_BE_DONE and call.idempotency_key is not None:
            raise self._ambiguous(call, f"the server answered {status}: {said.message}", status)
        if status in (401, 403):
            raise AuthError(
                f"{call.endpoint} answered {status}: {said.message} (trace id {self._trace_id})",
                hint=_AUTH_HINTS[status],
            )
        raise self._api_error(call, said, response)

    def _answer(self, call: Call, response: httpx.Response) -> Answer:
        try:
            body = wire.json_body(response)
        except ValueError as exc:
            status = response.status_code
            if call.idempotency_key is not None:
                raise self._ambiguous(call, f"the server answered {status}, but {exc}", status) from exc
            raise self.unexpected(call.endpoint, status, str(exc)) from exc
        return Answer(call.endpoint, response.status_code, body, response.headers)

    def shown(self, text: str) -> str:
        """Server text fit for an error or the terminal."""
        return wire.printable(text, self._runtime.redactor)

    def unexpected(self, endpoint: str, status: int, what: str) -> ApiError:
        """A success that does not hold what it should; ``what`` says what was expected where."""
        return ApiError(
            f"{endpoint} answered {status}: {wire.printable(what, self._runtime.redactor)}",
            status=status,
            endpoint=endpoint,
            trace_id=self._trace_id,
            hint="Check the base URL and the endpoint; endpoints are corrected in reconciler.yaml.",
        )

    def _api_error(self, call: Call, said: wire.ServerError, response: httpx.Response) -> ApiError:
        trace_id = said.request_id or self._trace_id
        named = [text for text in (said.code, said.field and f"field {said.field}") if text]
        about = f" [{', '.join(named)}]" if named else ""
        return RefusedError(
            f"{call.endpoint} answered {response.status_code}{about}: {said.message} (trace id {trace_id})",
            status=response.status_code,
            endpoint=call.endpoint,
            server_code=said.code,
            field=said.field,
            trace_id=trace_id,
            hint=self._hint(response),
            body=wire.json_or_none(response),
        )

    def _hint(self, response: httpx.Response) -> str:
        if response.has_redirect_location:
            where = self.shown(response.headers["Location"].partition("?")[0])
            return f"It points to {where}; redirects are never followed. Correct the base URL."
        return _HINTS.get(response.status_code, "")

    def _ambiguous(self, call: Call, what: str, status: int | None = None) -> AmbiguousError:
        return AmbiguousError(
            f"{call.endpoint}: {what}; it may or may not have taken effect (trace id {self._trace_id})",
            hint="The object has to be looked up before anything is sent again.",
            status=status,
        )

    def _ask_permit(self, request: httpx.Request) -> None:
        """Now, and again when a connection stands: setting one up takes its time."""
        permit = self._permit
        if permit is None:
            return

        def trace(event: str, _: object) -> None:
            if event.endswith(_WRITES):
                permit()

        permit()
        request.extensions["trace"] = trace

    def _count(self, request: httpx.Request) -> None:
        with self._count_lock:
            if request.extensions.get(TOKEN_REQUEST):
                self.requests.tokens += 1
            elif request.extensions.get("chekt_write"):
                self.requests.writes += 1
            else:
                self.requests.reads += 1
        request.extensions[_SENT_AT] = self._runtime.clock()

    def _clock_answer(self, response: httpx.Response) -> None:
        sent_at: float = response.request.extensions[_SENT_AT]
        response.extensions[_SECONDS] = self._runtime.clock() - sent_at
        if TOKEN_REQUEST in response.request.extensions:  # a refused one ends the call from within httpx
            self._told(response, 1)

    def _told(self, response: httpx.Response, attempt: int) -> None:
        seconds: float = response.extensions[_SECONDS]
        redactor, detailed = self._runtime.redactor, self._observer.detailed
        self._observer.exchanged(
            exchanges.answered(response, seconds, attempt, self._trace_id, redactor, detailed=detailed)
        )

    def _told_failure(self, exc: httpx.RequestError, attempt: int, seconds: float) -> None:
        problem = str(exc) or type(exc).__name__
        self._observer.exchanged(
            exchanges.unanswered(
                exc.request, problem, seconds, attempt, self._trace_id, self._runtime.redactor
            )
        )


@dataclass(frozen=True, slots=True)
class _Again:
    """An attempt that may be repeated: the error if it is not, and the seconds the server asked for."""

    error: RemoteError
    wait: float | None = None


_AUTH_HINTS: Mapping[int, str] = {
    401: "The credentials are refused; check that they belong to this environment and are not revoked.",
    403: "The credentials lack the permission or scope for this endpoint.",
}
_HINTS: Mapping[int, str] = {
    404: "It does not exist, or these credentials may not see it.",
    409: "It conflicts with what the account holds; plan again.",
    429: "The rate limit is reached; try again later, or set environments.NAME.rate lower.",
}
