"""Whether a delivery is signed as its endpoint wants it (chekt-api/README.md sections 7 and 12.16). Pure."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from reconciler.chekt.wire import moment
from reconciler.listening.endpoints import Encoding, Signing

SignatureFault: TypeAlias = Literal["missing_signature", "bad_signature", "stale_timestamp"]

_WRITTEN: Mapping[Encoding, Callable[[bytes], bytes]] = {
    "hex": lambda digest: digest.hex().encode(),
    "base64": base64.b64encode,
    "sha256_hex": lambda digest: b"sha256=" + digest.hex().encode(),
}
_MILLISECONDS_FROM = 10**11
"""A Unix time from here on counts milliseconds; seconds get there in the year 5138."""


def signature(secret: bytes, text: bytes, encoding: Encoding) -> bytes:
    """HMAC-SHA256 of ``text`` under ``secret`` as a header writes it."""
    return _WRITTEN[encoding](hmac.digest(secret, text, "sha256"))


def fault(
    signing: Signing, signed: str | None, timestamp: str | None, body: bytes, now: datetime
) -> SignatureFault | None:
    """What is wrong with a delivery's signature, None where it is good.

    ``signed`` and ``timestamp``: the headers, None where absent; ``body``: the raw bytes. Every secret and
    encoding is tried, in constant time. A timestamp is judged once its signature is known to be good, so
    that nobody else learns about this clock.
    """
    if signed is None or (signing.timestamp_header is not None and timestamp is None):
        return "missing_signature"
    text = body
    if signing.timestamp_header is not None:
        assert timestamp is not None
        text = timestamp.encode("latin-1") + b"." + body
    given = signed.encode("latin-1")
    matches = [
        hmac.compare_digest(given, signature(secret, text, encoding))
        for secret in signing.secrets
        for encoding in signing.encodings
    ]
    if not any(matches):
        return "bad_signature"
    if signing.timestamp_header is not None:
        assert timestamp is not None
        at = sent_at(timestamp)
        if at is None or abs(now - at) > signing.window:
            return "stale_timestamp"
    return None


def sent_at(timestamp: str) -> datetime | None:
    """The time that a timestamp header says: Unix seconds or milliseconds, or ISO; None where unreadable."""
    if not timestamp.isascii() or not timestamp.isdecimal():
        return moment(timestamp)
    number = int(timestamp[:20])
    try:
        return datetime.fromtimestamp(number / (1000 if number >= _MILLISECONDS_FROM else 1), UTC)
    except (ValueError, OverflowError, OSError):
        return None
