"""A client on a server that each test writes as a function; nothing sleeps, time is a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pytest

from reconciler.chekt import ClientSecret, Connection, Credentials, DealerKeys, connect
from reconciler.chekt.client import Client
from reconciler.cli.logs import Log
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Surface
from reconciler.redaction import Redactor

Serve = Callable[[httpx.Request], httpx.Response]

SECRET = "planted-client-secret"
KEY = "planted-dealer-key"
TOKEN = "planted-access-token"
TOKEN_URL = "https://auth.example.com/oauth/token"
NOW = 1_790_000_000.0


@dataclass
class Clock:
    """Time that passes only in sleep."""

    now: float = NOW
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Lab:
    """Builds clients and keeps what they did: requests to the API, log lines, time slept."""

    clock: Clock = field(default_factory=Clock)
    redactor: Redactor = field(default_factory=Redactor)
    seen: list[httpx.Request] = field(default_factory=list)
    token_requests: list[httpx.Request] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    token: Serve | None = None

    def client(
        self,
        serve: Serve,
        surface: Surface = "partner",
        *,
        credentials: Credentials | None = None,
        corrections: Mapping[str, Mapping[str, str]] | None = None,
        sandbox: bool = False,
        **changes: object,
    ) -> Client:
        if credentials is None:
            credentials = (
                ClientSecret(TOKEN_URL, "https://api.example.com/", "client-1", SECRET)
                if surface == "partner"
                else DealerKeys(KEY)
            )
        log = Log(
            self.lines.append, lambda: datetime.fromtimestamp(self.clock(), UTC), as_json=False, detailed=True
        )
        connection = Connection("https://api.example.com", surface, credentials, observer=log)
        return connect(
            replace(connection, **changes),  # type: ignore[arg-type]
            surfaces(surface, sandbox=sandbox, corrections=corrections),
            redactor=self.redactor,
            transport=httpx.MockTransport(lambda request: self._serve(serve, request)),
            clock=self.clock,
            sleep=self.clock.sleep,
            jitter=lambda: 0.0,
        )

    def _serve(self, serve: Serve, request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example.com":
            self.token_requests.append(request)
            if self.token is not None:
                return self.token(request)
            return httpx.Response(200, json={"access_token": TOKEN, "expires_in": 3600})
        self.seen.append(request)
        return serve(request)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def always(*args: object, **kwargs: object) -> Serve:
    """A server that gives one answer, made anew for every request."""
    return lambda _request: httpx.Response(*args, **kwargs)  # type: ignore[arg-type]


def in_turn(*answers: httpx.Response | Exception) -> Serve:
    """A server that gives ``answers`` one after the other, and fails the test after the last."""
    queue = list(answers)

    def serve(request: httpx.Request) -> httpx.Response:
        assert queue, f"unexpected request {request.method} {request.url}"
        answer = queue.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return serve
