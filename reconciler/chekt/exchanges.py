"""Requests and responses as an observer is told of them: shortened, every secret masked."""

from __future__ import annotations

import re

import httpx

from reconciler.chekt import wire
from reconciler.chekt.auth import TOKEN_REQUEST
from reconciler.observer import Content, Exchange
from reconciler.redaction import MASK, Redactor

_SHOWN = 500
_LOOKED_AT = 20_000
"""Characters of a body: shown, and searched for secrets before they are cut to that."""

_OPEN_HEADERS = ("idempotency-key", "x-partner-trace-id")
_SECRET_HEADER = re.compile("auth|token|key|secret|cookie|signature", re.IGNORECASE)
_SECRET_FIELD = re.compile(
    r'("[^"]*(?:secret|token|password|passcode|api_?key|assertion|user_code|pin_code)[^"]*"\s*:\s*)'
    r'("(?:[^"\\]|\\.)*"?|[^,}\]\s]+)',
    re.IGNORECASE,
)
_SIGNED_URL = re.compile(
    r"([?&][\w.-]*(?:signature|token|secret|credential|key|sig)[\w.-]*=)[^&#\"\\\s]+", re.IGNORECASE
)
"""What lets whoever has a link use it: an upload, a camera's picture."""


def answered(
    response: httpx.Response,
    seconds: float,
    attempt: int,
    trace_id: str,
    redactor: Redactor,
    *,
    detailed: bool,
) -> Exchange:
    """The exchange that ended with ``response``."""
    request = response.request
    open_ = detailed and not request.extensions.get(TOKEN_REQUEST)
    return Exchange(
        request.method,
        request.url.host,
        wire.printable(request.url.path, redactor),
        response.status_code,
        seconds,
        attempt,
        trace_id,
        request=_content(request.headers, request.content, redactor) if open_ else None,
        response=_content(response.headers, response.content, redactor) if open_ else None,
    )


def unanswered(
    request: httpx.Request, problem: str, seconds: float, attempt: int, trace_id: str, redactor: Redactor
) -> Exchange:
    """The exchange that ended without a response."""
    path = wire.printable(request.url.path, redactor)
    said = wire.printable(problem, redactor)
    return Exchange(request.method, request.url.host, path, None, seconds, attempt, trace_id, said)


def _content(headers: httpx.Headers, body: bytes, redactor: Redactor) -> Content:
    shown = tuple(
        (name, MASK if _is_secret(name) else wire.printable(value, redactor))
        for name, value in headers.items()
    )
    text = _SECRET_FIELD.sub(rf'\1"{MASK}"', redactor(body[:_LOOKED_AT].decode("utf-8", "replace")))
    text = _SIGNED_URL.sub(rf"\1{MASK}", text)
    return Content(shown, wire.printable(text, redactor, _SHOWN))


def _is_secret(name: str) -> bool:
    return name.lower() not in _OPEN_HEADERS and _SECRET_HEADER.search(name) is not None
