"""Well-known credentials of the sandbox. They open nothing but a simulator."""

from __future__ import annotations

from typing import NamedTuple

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - a published credential of the simulator
AUDIENCE = "https://sandbox.chekt.invalid/"
EVENT_KEY = "chekt-sandbox-event-key"
DEALER_ID = 12345
EXTERNAL_DEALER_ID = "adc-67890"
COMPANY_NAME = "CHeKT Security Solutions Inc."

SCOPES: tuple[str, ...] = (
    "read:dealer",
    "update:dealer",
    "create:sites",
    "read:sites",
    "update:sites",
    "delete:sites",
    "read:site_contacts",
    "create:site_contacts",
    "update:site_contacts",
    "delete:site_contacts",
    "create:devices",
    "read:devices",
    "update:devices",
    "delete:devices",
    "create:monitoring_stations",
    "read:monitoring_stations",
    "update:monitoring_stations",
    "delete:monitoring_stations",
)
"""Scopes of an issued machine token (chekt-api/README.md section 2.3)."""


def dealer_key(dealer_id: int) -> str:
    """The API key that opens ``/ext/v1`` for one dealer of a fresh sandbox."""
    return f"chekt-sandbox-dealer-{dealer_id}"


class KeyPair(NamedTuple):
    """An RSA key pair: key id, and both halves as PEM text."""

    kid: str
    private_pem: str
    public_pem: str


def generate_key(kid: str = "sandbox-key") -> KeyPair:
    """A new RSA 2048 pair for ``kid``, ready to register with the sandbox and to sign assertions."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(kid, private_pem.decode(), public_pem.decode())
