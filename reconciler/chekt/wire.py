"""What CHeKT puts on the wire: JSON bodies, four error shapes, envelopes, ids, times.

Sources: chekt-api/README.md sections 3.2 (envelopes), 3.4 (errors), 3.7 (types).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeGuard
from urllib.parse import quote

import httpx

import reconciler
from reconciler.chekt import strict_json
from reconciler.errors import RemoteError
from reconciler.escape import visible
from reconciler.model import JsonValue
from reconciler.redaction import Redactor

MESSAGE_LENGTH = 300
"""Characters of server text that an error may carry."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_UNPRINTABLE = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")
_WHOLE = re.compile("0|[1-9][0-9]{0,63}")
"""An id that is a number; Python refuses to read one of thousands of digits."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """What an error body says; ``message`` is redacted, on one line, and bounded in length."""

    message: str
    code: str | None = None
    field: str | None = None
    request_id: str | None = None


def user_agent() -> str:
    """Name and version, as CHeKT's logs will show them."""
    return f"chekt-reconciler/{reconciler.__version__}"


def is_object(value: JsonValue) -> TypeGuard[Mapping[str, JsonValue]]:
    """Whether ``value`` is a JSON object."""
    return isinstance(value, Mapping)


def is_array(value: JsonValue) -> TypeGuard[Sequence[JsonValue]]:
    """Whether ``value`` is a JSON array."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def printable(text: str, redactor: Redactor, length: int = MESSAGE_LENGTH) -> str:
    """``text`` fit for a terminal: secrets masked, one line, no control characters, at most ``length``."""
    line = visible(_UNPRINTABLE.sub(" ", redactor(text)).strip())
    return line if len(line) <= length else line[: length - 1] + "…"


def json_body(response: httpx.Response) -> JsonValue:
    """The JSON of a response; None where the body is empty. Raises ValueError that says what came instead."""
    if not response.content.strip():
        return None
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml", "application/xml", "text/xml"):
        raise ValueError(f"expected JSON, received {kind}")
    try:
        return strict_json.parse(response.content)
    except ValueError as exc:
        what = f"{kind or 'a body without Content-Type'} of {len(response.content)} bytes"
        raise ValueError(f"expected JSON, received {what} that does not parse ({exc})") from None


def json_or_none(response: httpx.Response) -> JsonValue:
    """The JSON of a response, None where it holds none."""
    try:
        return json_body(response)
    except ValueError:
        return None


def server_error(response: httpx.Response, redactor: Redactor) -> ServerError:
    """What the body of an error response says, in the order of chekt-api/README.md section 3.4."""
    found = _from_body(json_or_none(response))
    if found is None:
        return ServerError(_raw_text(response, redactor))

    def shown(value: JsonValue) -> str | None:
        return None if value is None else printable(text(value), redactor)

    message, code, field, request_id = map(shown, found)
    return ServerError(message or "no reason given", code, field, request_id)


def _from_body(body: JsonValue) -> tuple[JsonValue, JsonValue, JsonValue, JsonValue] | None:
    """Message, code, field, request id; None for a body in no known shape."""
    if not is_object(body):
        return None
    error = body.get("error")
    request_id = body.get("request_id")
    if is_object(error):
        message = error.get("message") or error.get("detail") or error.get("code")
        if error.get("message") and error.get("detail"):
            message = f"{text(error['message'])} ({text(error['detail'])})"
        return message, error.get("code"), error.get("field"), error.get("request_id") or request_id
    details = body.get("details")
    field = details.get("field") if is_object(details) else None
    if isinstance(error, str):
        described = body.get("message") or body.get("error_description") or error
        return described, error, field, request_id
    if body.get("message") is not None:
        return body["message"], body.get("code"), field, request_id
    return None


def text(value: JsonValue) -> str:
    """``value`` as text: itself where it is text, else its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _raw_text(response: httpx.Response, redactor: Redactor) -> str:
    if not response.content.strip():
        return "an empty body"
    text = response.content.decode("utf-8", "replace")
    if "<html" in text[:1000].lower() or "<!doctype" in text[:1000].lower():
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        said = f", titled {title[1].strip()!r}" if title else ""
        return printable(f"an HTML page{said}", redactor)
    return printable(text, redactor)


def single(body: JsonValue, names: tuple[str, ...]) -> Mapping[str, JsonValue] | None:
    """The one object in ``body``: bare, under ``data``, or under one of ``names``; None if there is none."""
    if not is_object(body):
        return None
    inner = body.get("data")
    if is_object(inner):
        body = inner
    for name in names:
        named = body.get(name)
        if is_object(named) and len(body) <= 2:
            return named
    return body


def array(body: JsonValue, names: tuple[str, ...]) -> Sequence[JsonValue] | None:
    """The list in ``body``: bare, under ``data``, or under one of ``names``; None if there is none."""
    if is_array(body):
        return body
    if not is_object(body):
        return None
    for name in (*names, "data"):
        inner = body.get(name)
        if is_array(inner):
            return inner
    inner = body.get("data")
    return array(inner, names) if is_object(inner) else None


def text_id(value: JsonValue) -> str | None:
    """A remote or external id as text, whatever type the wire uses; None where there is none."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return str(value).strip() or None if isinstance(value, (int, str)) else None


def wire_id(value: str) -> int | str:
    """A remote id as the wire wants it: a number where it is one (chekt-api/README.md section 3.7)."""
    return int(value) if _WHOLE.fullmatch(value) else value


def truth(value: JsonValue) -> bool | None:
    """A yes or no: booleans, 0 / 1, and both as text; None for anything else."""
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    if isinstance(value, bool):
        return value
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def path(template: str, ids: Mapping[str, str]) -> str:
    """``template`` with its ``{placeholders}`` filled, percent-encoded. Raises RemoteError."""

    def fill(match: re.Match[str]) -> str:
        value = ids.get(match[1])
        if value is None:
            raise RemoteError(f"{template} needs {match[1]}, which is not known")
        if value in ("", ".", "..") or not _encodable(value):
            raise RemoteError(f"{value!a} cannot stand for {match[1]} in {template}")
        return quote(value, safe="")

    return _PLACEHOLDER.sub(fill, template)


def _encodable(value: str) -> bool:
    """Whether ``value`` is text: half a character, which JSON can escape, is none."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def moment(value: JsonValue) -> datetime | None:
    """A time in any of CHeKT's spellings as aware UTC; without a zone it is taken as UTC. None if unreadable.

    ISO with ``Z`` or offset, ``YYYY-MM-DD HH:MM:SS`` (chekt-api/README.md section 3.7), Unix seconds.
    """
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value.strip())
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def http_date(text: str | None) -> datetime | None:
    """A ``Date`` or ``Retry-After`` header's date as aware UTC; None if absent or unreadable."""
    if not text:
        return None
    try:
        parsed = parsedate_to_datetime(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after(response: httpx.Response, now: float) -> float | None:
    """Seconds that ``Retry-After`` asks to wait; a date is measured against the server's own ``Date``."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        if until is None:
            return None
        server_now = http_date(response.headers.get("Date"))
        seconds = until.timestamp() - (server_now.timestamp() if server_now else now)
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None  # noqa: PLR0124  NaN
