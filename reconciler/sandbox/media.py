"""Camera links: the short-lived token, MJPEG and snapshots (sections 5.5 and 5.6)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any

from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row

_SIGNING_SECRET = b"chekt-sandbox-media"
_LIFETIME = 900
_MAC = re.compile(r"[0-9A-F]{12}")
_PICTURE = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP////////////////////////////////////////////////////////////////"
    "//////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
_OPEN = [("Access-Control-Allow-Origin", "*")]
"""Viewers fetch camera pictures from pages of other origins (client C3)."""


def media_routes() -> Iterator[Route]:
    """Pictures of cameras and events, and the upload URLs of the Event API."""
    yield Route("GET", "/api/v1/snapshots/{mac}/{channel}", snapshot, "media")
    yield Route("GET", "/api/v1/mjpeg", mjpeg, "media")
    yield Route("GET", "/api/v1/mjpeg/{mac}/{channel}", mjpeg, "media")
    yield Route("GET", "/sim/v0/media/{name}", lambda _call: _picture(), "media")
    yield Route("PUT", "/sim/v0/uploads/{name}", receive_upload, "media")


def upload_url(base_url: str, event: Row, number: int) -> str:
    """Where the file ``number`` (from 0) of an event goes. The link is all it takes, as of signed ones."""
    name = f"{event.id}-{number}"
    return f"{base_url}/sim/v0/uploads/{name}?signature={_signature(name)}"


def receive_upload(call: Call) -> Response:
    """Keep length and digest of an event's file. Raises Refusal for a second one, and for credentials.

    A link that is signed is all that a store takes; with another credential beside it, it refuses both.
    """
    name = call.ids["name"]
    number, _, index = name.partition("-")
    event = call.store.get("partner_event", int(number)) if number.isascii() and number.isdigit() else None
    signature = call.request.query.get("signature", "")
    if event is None or not hmac.compare_digest(_signature(name).encode(), signature.encode()):
        raise Refusal(403, "the upload link is not valid")
    if {"authorization", "x-api-key"} & call.request.headers.keys():
        raise Refusal(400, "an upload link takes no credentials beside it", code="invalid_argument")
    held = event.body.get("uploads")
    uploads = dict(held) if isinstance(held, dict) else {}
    if index in uploads:
        raise Refusal(409, "this link was used", code="conflict")
    digest = hashlib.sha256(call.request.body).hexdigest()
    uploads[index] = {"bytes": len(call.request.body), "sha256": digest}
    call.store.update(event, {**event.body, "uploads": uploads}, call.now)
    return Response(200, b"", [])


def mac_of(text: object) -> str | None:
    """Twelve upper-case hex digits, None where ``text`` is no MAC."""
    digits = re.sub(r"[:.\-]", "", str(text or "")).upper()
    return digits if _MAC.fullmatch(digits) else None


def camera_url(base_url: str, mac: str, channel: int, now: float) -> str:
    """The MJPEG link of a camera: a JWT with ``sub`` (MAC), ``channel`` and ``group_channel``."""
    claims = {"sub": mac, "channel": channel, "group_channel": channel, "exp": int(now) + _LIFETIME}
    return f"{base_url}/api/v1/mjpeg?access_token={_sign(claims)}"


def snapshot(call: Call) -> Response:
    """One picture as JSON; 401 for an expired token, 403 for a camera it does not cover."""
    claims = _check(call)
    channels = (str(claims.get("channel")), str(claims.get("group_channel")))
    if call.ids["mac"] != claims.get("sub") or call.ids["channel"] not in channels:
        raise Refusal(403, "the token does not cover this channel")
    picture = base64.b64encode(_PICTURE).decode()
    return reply({"data": picture, "base64Encoded": True}).with_headers(_OPEN)


def mjpeg(call: Call) -> Response:
    """A stream of one frame."""
    claims = _check(call)
    if "mac" in call.ids and call.ids["mac"] != claims.get("sub"):
        raise Refusal(403, "the token does not cover this camera")
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(_PICTURE)
    body = part + _PICTURE + b"\r\n--frame--\r\n"
    return Response(200, body, [("Content-Type", "multipart/x-mixed-replace; boundary=frame"), *_OPEN])


def _picture() -> Response:
    return Response(200, _PICTURE, [("Content-Type", "image/jpeg"), *_OPEN])


def _check(call: Call) -> dict[str, Any]:
    token = call.request.query.get("access_token", "")
    head, dot, signature = token.rpartition(".")
    if not dot or not hmac.compare_digest(_signature(head).encode(), signature.encode()):
        raise Refusal(401, "the access token is not valid", code="invalid_token")
    try:
        claims: dict[str, Any] = json.loads(_decode(head.partition(".")[2]))
    except (ValueError, binascii.Error) as exc:
        raise Refusal(401, "the access token is not valid", code="invalid_token") from exc
    if claims["exp"] <= call.now:
        raise Refusal(401, "the access token has expired", code="token_expired")
    return claims


def _sign(claims: dict[str, object]) -> str:
    head = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
    return f"{head}.{_signature(head)}"


def _signature(head: str) -> str:
    raw = hmac.new(_SIGNING_SECRET, head.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
