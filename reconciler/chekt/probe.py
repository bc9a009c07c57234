"""A look at a host that changes nothing: GETs and the token request, each answer kept as it came.

Where the client takes an answer in any of CHeKT's shapes and raises for a refusal, a probe tells which shape
it was and what the refusal said. It asks once: a host that does not answer is told of, not asked again.
"""

from __future__ import annotations

import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from reconciler.chekt import exchanges, wire
from reconciler.chekt.accounts import Accounts
from reconciler.chekt.auth import TOKEN_REQUEST, TokenUnavailableError
from reconciler.chekt.budget import Level
from reconciler.chekt.connection import Connection
from reconciler.chekt.http import http_client
from reconciler.chekt.trouble import explain
from reconciler.errors import RemoteError
from reconciler.model import JsonValue
from reconciler.redaction import Redactor
from reconciler.urls import is_loopback

_PATIENCE: Final = 5.0
"""Seconds that a request waits for the rate budget."""

_SENT_AT: Final = "chekt_probe_sent_at"


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, or why there is none. Header names are in lower case; times are Unix seconds, ours.

    ``status`` is None where no answer came, ``problem`` and ``hint`` saying why. With a status ``problem``
    says why its body is no JSON. ``code`` and ``said``: of an error, as CHeKT words it. ``location``: where a
    redirect points to.
    """

    path: str
    status: int | None
    body: JsonValue = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_at: float = 0.0
    received_at: float = 0.0
    problem: str = ""
    hint: str = ""
    code: str | None = None
    said: str = ""
    location: str | None = None

    @property
    def is_json(self) -> bool:
        """Whether it is a success with readable JSON."""
        return self.status is not None and 200 <= self.status < 300 and not self.problem


@dataclass(frozen=True, slots=True)
class TokenSeen:
    """The token endpoint's answer, without the token. ``lifetime``: seconds.

    ``scopes`` and ``lifetime`` are None where nothing tells them.
    """

    answer: Seen
    scopes: frozenset[str] | None = None
    lifetime: float | None = None
    audience: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether there is a token."""
        return self.answer.status == 200 and not self.answer.problem


class Probe:
    """Asks one host, as one surface's credentials. A context manager.

    ``answers``: every one so far, the token endpoint's left out. ``token``: the last look at that.
    """

    def __init__(
        self,
        connection: Connection,
        redactor: Redactor,
        transport: httpx.BaseTransport | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        """Raises ConfigError for a URL that is refused, AuthError for unusable credentials."""
        self.connection = connection
        self.answers: list[Seen] = []
        self.token: TokenSeen | None = None
        self._redactor = redactor
        self._clock = clock
        self._trace_id = str(uuid.uuid4())
        self._accounts = Accounts(connection, redactor, clock=clock, sleep=sleep)
        self._http = http_client(connection, transport, [self._stamp], on_answer=self._look)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def hopeless(self) -> bool:
        """Whether to ask on makes no sense: the host does not answer, or there is no token it takes."""
        if any(seen.status is None and seen.sent_at for seen in self.answers):
            return True
        return self.token is not None and (
            not self.token.given or any(seen.status == 401 for seen in self.answers)
        )

    def budget(self, dealer_id: str | None = None) -> Level:
        """The request budget as it stands. Raises AuthError where no key fits."""
        return self._accounts.of(dealer_id).budget.level()

    def get(self, path: str, dealer_id: str | None = None, query: Mapping[str, str] | None = None) -> Seen:
        """What ``GET path`` answers. Never raises."""
        seen = self._get(path, dealer_id, query or {})
        self.answers.append(seen)
        return seen

    def _get(self, path: str, dealer_id: str | None, query: Mapping[str, str]) -> Seen:
        request = self._http.build_request(
            "GET", path, params=dict(query) or None, headers={"x-partner-trace-id": self._trace_id}
        )
        try:
            account = self._accounts.of(dealer_id)
            account.budget.take(_PATIENCE)
            response = self._http.send(request, auth=account.auth)
        except RemoteError as exc:
            return Seen(path, None, problem=exc.message, hint=exc.hint)
        except TokenUnavailableError as exc:
            return Seen(path, None, problem=str(exc), hint="Try again later.")
        except httpx.RequestError as exc:
            return self._unanswered(path, exc)
        if response.status_code == 429:
            wait = wire.retry_after(response, self._clock()) or 1.0
            account.budget.refuse(wait, sent_at=_sent(response.request), headers=response.headers)
        else:
            account.budget.heed(response.headers)
        self._tell(response)
        return self._seen(path, response)

    def _unanswered(self, path: str, exc: httpx.RequestError) -> Seen:
        trouble = explain(exc)
        seconds = self._clock() - _sent(exc.request)
        told = exchanges.unanswered(exc.request, str(exc), seconds, 1, self._trace_id, self._redactor)
        self.connection.observer.exchanged(told)
        problem = wire.printable(trouble.problem, self._redactor)
        seen = Seen(
            path, None, sent_at=_sent(exc.request) or self._clock(), problem=problem, hint=trouble.hint
        )
        if TOKEN_REQUEST not in exc.request.extensions:
            return seen
        self.token = TokenSeen(seen)
        return Seen(path, None, problem=f"no token: {problem}", hint=trouble.hint)

    def _seen(self, path: str, response: httpx.Response) -> Seen:
        body: JsonValue = None
        problem = ""
        try:
            body = wire.json_body(response)
        except ValueError as exc:
            problem = wire.printable(str(exc), self._redactor)
        failed = response.status_code >= 300
        error = wire.server_error(response, self._redactor) if failed else None
        location = response.headers.get("Location", "").partition("?")[0] if response.is_redirect else ""
        return Seen(
            path,
            response.status_code,
            body,
            {name.lower(): value for name, value in response.headers.items()},
            _sent(response.request),
            self._clock(),
            problem,
            code=error.code if error else None,
            said=error.message if error else "",
            location=wire.printable(location, self._redactor) or None,
        )

    def _stamp(self, request: httpx.Request) -> None:
        request.extensions[_SENT_AT] = self._clock()

    def _look(self, response: httpx.Response) -> None:
        """Keep the token endpoint's answer, which nothing else passes on."""
        if TOKEN_REQUEST not in response.request.extensions:
            return
        response.read()
        self._tell(response)
        path = wire.printable(str(response.request.url.copy_with(query=None)), self._redactor)
        self.token = _token(self._seen(path, response))

    def _tell(self, response: httpx.Response) -> None:
        seconds = self._clock() - _sent(response.request)
        observer = self.connection.observer
        told = exchanges.answered(
            response, seconds, 1, self._trace_id, self._redactor, detailed=observer.detailed
        )
        observer.exchanged(told)


def _sent(request: httpx.Request) -> float:
    sent: float = request.extensions.get(_SENT_AT, 0.0)
    return sent


def _token(answer: Seen) -> TokenSeen:
    """What the answer and the token in it say; the token itself is kept nowhere."""
    body = answer.body if wire.is_object(answer.body) else {}
    token = body.get("access_token")
    claims = _claims(token) if isinstance(token, str) else {}
    scope = body.get("scope", claims.get("scope"))
    audience = claims.get("aud")
    problem = answer.problem
    if answer.status == 200 and not problem and not (isinstance(token, str) and token):
        problem = "there is no access_token in it"
    return TokenSeen(
        replace(answer, body=None, problem=problem),
        frozenset(scope.split()) if isinstance(scope, str) else None,
        _lifetime(body.get("expires_in"), claims),
        tuple(str(each) for each in (audience if isinstance(audience, list) else [audience]) if each),
    )


def _lifetime(expires_in: JsonValue, claims: Mapping[str, Any]) -> float | None:
    if isinstance(expires_in, (int, float)):
        return float(expires_in)
    expires, issued = claims.get("exp"), claims.get("iat")
    if isinstance(expires, (int, float)) and isinstance(issued, (int, float)):
        return float(expires - issued)
    return None


def _claims(token: str) -> Mapping[str, Any]:
    """The claims of a token that is a JWT; its signature is the server's business."""
    import jwt  # noqa: PLC0415  needed by few, slow to import

    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return claims


def proxy_of(url: str) -> str | None:
    """The proxy between this machine and ``url``, without its password; None for a direct way."""
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    known = urllib.request.getproxies()
    proxy = known.get(parts.scheme) or known.get("all")
    if proxy is None:
        return None
    found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return f"{found.scheme}://{found.hostname}" + (f":{found.port}" if found.port else "")
