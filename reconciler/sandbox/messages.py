"""Requests and responses of the simulated server, and JSON in both directions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.errors import Refusal

JSON_TYPE = "application/json"
LARGEST_BODY = 32 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """One request as it came in. Header names are lower case; the body has been read."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    remote: str

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Request:
        """The request in a WSGI ``environ`` (PEP 3333). Raises Refusal 413 for a huge body."""
        headers = {
            name[5:].replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        headers["content-type"] = str(environ.get("CONTENT_TYPE") or "")
        host = headers.get("host") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        path = str(environ.get("PATH_INFO") or "/").encode("latin-1", "replace").decode("utf-8", "replace")
        return cls(
            method=str(environ["REQUEST_METHOD"]).upper(),
            path=path,
            query=dict(parse_qsl(str(environ.get("QUERY_STRING") or ""), keep_blank_values=True)),
            headers=headers,
            body=_read(environ),
            base_url=f"{environ['wsgi.url_scheme']}://{host}",
            remote=str(environ.get("REMOTE_ADDR") or "127.0.0.1"),
        )

    @property
    def target(self) -> str:
        """Path and query, as a log shows them."""
        if not self.query:
            return self.path
        return self.path + "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in self.query.items())

    def digest(self) -> str:
        """SHA-256 of the body, hex."""
        return hashlib.sha256(self.body).hexdigest()

    def json(self) -> JsonValue:
        """The JSON body. Raises Refusal 400 when there is none or it is not JSON."""
        if not self.headers["content-type"].lower().startswith(JSON_TYPE):
            raise Refusal(400, "send the body as application/json", code="invalid_content_type")
        try:
            value: JsonValue = json.loads(self.body, parse_constant=_no_constant)
            if b"\\u" in self.body:
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as exc:
            raise Refusal(400, f"the body is not valid JSON: {exc}", code="invalid_json") from exc
        return value

    def json_object(self) -> JsonObject:
        """The JSON body, which must be an object. Raises Refusal 400."""
        value = self.json()
        if not isinstance(value, dict):
            raise Refusal(400, "the body must be a JSON object", code="invalid_body")
        return value

    def form(self) -> dict[str, str]:
        """The fields of a form body. Raises Refusal 400 when the body is not a form."""
        if not self.headers["content-type"].lower().startswith("application/x-www-form-urlencoded"):
            raise Refusal(400, "send the body as application/x-www-form-urlencoded")
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as exc:
            raise Refusal(400, "the form is not UTF-8") from exc


def _read(environ: Mapping[str, Any]) -> bytes:
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise Refusal(413, f"the body is larger than {LARGEST_BODY} bytes")
    if length.isdigit():
        return bytes(environ["wsgi.input"].read(int(length)))
    if environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ or not length:
        return bytes(environ["wsgi.input"].read()) if environ["REQUEST_METHOD"] != "GET" else b""
    return b""


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


@dataclass(slots=True)
class Response:
    """One answer: status, body bytes and headers.

    For faults: ``declared`` is a wrong Content-Length, ``delay`` the seconds to hold the answer back.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    declared: int | None = None
    delay: float = 0.0

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Response:
        """The same answer with ``headers`` added."""
        self.headers.extend(headers)
        return self


def reply(value: JsonValue, status: int = 200) -> Response:
    """``value`` as a JSON answer."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(status, body, [("Content-Type", JSON_TYPE)])


def page(text: str, status: int) -> Response:
    """``text`` as an HTML page."""
    body = f"<!doctype html><html><body><h1>{text}</h1></body></html>".encode()
    return Response(status, body, [("Content-Type", "text/html; charset=utf-8")])
