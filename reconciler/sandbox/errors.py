"""What the sandbox refuses, and the four shapes in which CHeKT reports it.

Source: chekt-api/README.md section 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model import JsonObject, JsonValue

CODES: Mapping[int, str] = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "validation_failed",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}

_CONCEPTS: Mapping[int, str] = {
    400: "ValidationError",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    422: "ValidationError",
    429: "TooManyRequests",
}


class Refusal(Exception):  # noqa: N818 - an answer of the simulated server, not a fault of ours
    """An error response: HTTP status, sentence, code, the field to blame, further headers.

    ``as_page``: sent as an HTML page, which is not CHeKT's doing but that of something in between.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        detail: JsonValue = None,
        headers: tuple[tuple[str, str], ...] = (),
        as_page: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "error")
        self.field = field
        self.detail = detail
        self.headers = headers
        self.as_page = as_page


class Dropped(ConnectionError):  # noqa: N818 - what a client sees, not a fault of ours
    """The connection ends without an answer, after ``seconds`` of silence.

    In process it leaves the WSGI callable as this exception, which the transport turns into a
    time-out (``timed_out``) or a read error; on a socket the server closes the connection.
    """

    def __init__(self, *, timed_out: bool, seconds: float) -> None:
        super().__init__("the sandbox dropped the connection on purpose")
        self.timed_out = timed_out
        self.seconds = seconds


def not_found(what: str) -> Refusal:
    """404 for an object that does not exist or lies outside the caller's reach."""
    return Refusal(404, f"{what} not found", code=f"{what.replace(' ', '_')}_not_found")


def body_of(refusal: Refusal, shape: str, request_id: str) -> JsonObject:
    """The error body in ``shape``: structured, concepts, live or bare."""
    if shape == "concepts":
        body: JsonObject = {
            "error": _CONCEPTS.get(refusal.status, "InternalError"),
            "message": refusal.message,
        }
        if refusal.field is not None:
            body["details"] = {"field": refusal.field, "required": refusal.code == "required"}
        return body
    if shape == "live":
        detail = refusal.detail if refusal.detail is not None else refusal.field
        return {"error": {"message": refusal.message, **({"detail": detail} if detail is not None else {})}}
    if shape == "bare":
        return {"message": refusal.message}
    error: JsonObject = {"code": refusal.code, "message": refusal.message, "request_id": request_id}
    if refusal.field is not None:
        error["field"] = refusal.field
    if refusal.detail is not None:
        error["detail"] = refusal.detail
    return {"error": error}
