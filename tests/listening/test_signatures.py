"""A delivery is CHeKT's when its signature says so: vectors made by openssl, and what comes near them."""

from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.listening.endpoints import Encoding, Signing
from reconciler.listening.signatures import fault, sent_at, signature

SECRET = b"whsec_example_0001"
STAMP = "1763629200"
AT = datetime(2025, 11, 20, 9, 0, tzinfo=UTC)
BODY = b'{"id":"evt_1","type":"alarm.created","created_at":"2025-11-20T09:00:00Z","data":{"site_id":1784}}'
STAMPED = "d89b9f4bf47c9bc1703cba7522476d38cc0a4bc028dffae482493b16c89bce4a"
PLAIN = "80b4773960ce0a42f1ce95c52b16f9984220f22ee866a82545b75982fee1e188"

VECTORS: list[tuple[bytes, bytes, Encoding, str]] = [
    (SECRET, STAMP.encode() + b"." + BODY, "hex", STAMPED),
    (SECRET, STAMP.encode() + b"." + BODY, "sha256_hex", f"sha256={STAMPED}"),
    (SECRET, STAMP.encode() + b"." + BODY, "base64", "2JufS/R8m8FwPLp1IkdtOMwKS8Ao3/rkgkk7Fsibzko="),
    (SECRET, BODY, "hex", PLAIN),
    (SECRET, b"", "hex", "3e1a4b02c9be5b213991ac2253438130255b7164c1033d11e9c1c4108b76cb6a"),
    (SECRET, b'1763629200.{"a":\xff\x00}', "base64", "oM2UTqHIdaa0EuwCr3eFYw0JTWtgBrVZ0zabY2OveWc="),
    (
        "ключ-example".encode(),
        '{"event_type":"site.armed","site_id":"1784","name":"강남 본사"}'.encode(),
        "hex",
        "c1a2502dd0b6163d1a748748741c7d23b3296f1448de4b4902155efcde0f9d1d",
    ),
]
"""Secret, text, encoding, and what ``openssl dgst -sha256 -hmac`` printed for them."""


@pytest.mark.parametrize(("secret", "text", "encoding", "expected"), VECTORS)
def test_signatures_are_those_that_openssl_made(
    secret: bytes, text: bytes, encoding: Encoding, expected: str
) -> None:
    assert signature(secret, text, encoding).decode() == expected


def _openssl(secret: bytes, text: bytes) -> bytes:
    command = ["openssl", "dgst", "-sha256", "-binary", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}"]
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
@settings(max_examples=12, deadline=None)
@given(st.binary(min_size=4, max_size=80), st.binary(max_size=300))
def test_openssl_agrees_about_any_secret_and_any_body(secret: bytes, text: bytes) -> None:
    digest = _openssl(secret, text)
    assert signature(secret, text, "hex").decode() == digest.hex()
    assert signature(secret, text, "sha256_hex").decode() == f"sha256={digest.hex()}"
    assert signature(secret, text, "base64") == base64.b64encode(digest)


def stamped(*encodings: Encoding, secrets: tuple[bytes, ...] = (SECRET,)) -> Signing:
    return Signing(secrets, "x-chekt-signature", "x-chekt-timestamp", encodings or get_args(Encoding))


def of_body(*encodings: Encoding) -> Signing:
    return Signing((SECRET,), "x-webhook-signature", None, encodings or ("sha256_hex",))


BASE64 = base64.b64encode(bytes.fromhex(STAMPED)).decode()

JUDGED = [
    (stamped(), STAMPED, STAMP, None),
    (stamped(), f"sha256={STAMPED}", STAMP, None),
    (stamped(), BASE64, STAMP, None),
    (stamped(secrets=(b"the new secret", SECRET)), STAMPED, STAMP, None),
    (stamped(secrets=(SECRET, b"the new secret")), STAMPED, STAMP, None),
    (stamped(secrets=(b"the new secret",)), STAMPED, STAMP, "bad_signature"),
    (stamped("hex"), BASE64, STAMP, "bad_signature"),
    (stamped("base64"), STAMPED, STAMP, "bad_signature"),
    (stamped("hex"), f"sha256={STAMPED}", STAMP, "bad_signature"),
    (stamped("hex"), STAMPED.upper(), STAMP, "bad_signature"),
    (stamped("hex"), f"{STAMPED}, {STAMPED}", STAMP, "bad_signature"),
    (stamped("hex"), STAMPED[:-1], STAMP, "bad_signature"),
    (stamped(), "", STAMP, "bad_signature"),
    (stamped(), "\xff", STAMP, "bad_signature"),
    (stamped(), None, STAMP, "missing_signature"),
    (stamped(), STAMPED, None, "missing_signature"),
    (stamped(), STAMPED, "1763629201", "bad_signature"),
    (stamped(), PLAIN, STAMP, "bad_signature"),  # signed as the body alone: only where that is set
    (of_body("hex"), PLAIN, None, None),
    (of_body(), f"sha256={PLAIN}", None, None),
    (of_body(), PLAIN, None, "bad_signature"),
    (of_body("hex"), STAMPED, STAMP, "bad_signature"),
]


@pytest.mark.parametrize(("signing", "signed", "timestamp", "expected"), JUDGED)
def test_only_the_signature_that_is_set_is_good(
    signing: Signing, signed: str | None, timestamp: str | None, expected: str | None
) -> None:
    assert fault(signing, signed, timestamp, BODY, AT) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, None), (300, None), (301, "stale_timestamp"), (-300, None), (-301, "stale_timestamp")],
)
def test_a_good_signature_is_good_for_as_long_as_the_window(seconds: int, expected: str | None) -> None:
    assert fault(stamped(), STAMPED, STAMP, BODY, AT + timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STAMP, AT),
        (f"{STAMP}000", AT),
        ("2025-11-20T09:00:00Z", AT),
        ("2025-11-20T18:00:00+09:00", AT),
        ("", None),
        ("-1", None),
        ("9" * 400, None),
        ("٣", None),
        ("soon", None),
    ],
)
def test_a_timestamp_is_read_as_seconds_milliseconds_or_iso(text: str, expected: datetime | None) -> None:
    assert sent_at(text) == expected


def test_a_signing_shows_no_secret() -> None:
    assert "whsec" not in repr(stamped())
