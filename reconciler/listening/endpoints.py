"""What a receiver listens for: endpoints with what proves that a delivery is CHeKT's. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias

System: TypeAlias = Literal["app", "partner", "dealer"]
"""The three webhook systems of chekt-api/README.md section 7: A apps, B partner registrations, C dealers."""

Encoding: TypeAlias = Literal["hex", "base64", "sha256_hex"]
"""How a signature is written: ``ab12..``, ``qxI=..`` or ``sha256=ab12..``; each is compared exactly."""

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Signing:
    """How deliveries are signed: HMAC-SHA256 under any one of ``secrets``, in any one of ``encodings``.

    ``header`` and ``timestamp_header``: names of HTTP headers. With a timestamp header the text signed is
    ``{timestamp}.{body}`` and the timestamp may be ``window`` away from now; without one it is the body.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    header: str
    timestamp_header: str | None
    encodings: tuple[Encoding, ...]
    window: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path that deliveries are taken at.

    ``name`` tells endpoints apart from start to start; ``path`` is the whole path, the secret step included
    where it has one. ``signing``: None where the system does not sign. ``networks``: where
    deliveries may come from, empty for anywhere. ``events``: the types kept, empty for all of them.
    ``consumers``: the names of those that an event is handed to.
    """

    name: str
    path: str = field(repr=False)
    system: System
    signing: Signing | None = None
    networks: tuple[Network, ...] = ()
    events: frozenset[str] = frozenset()
    consumers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """An event that is in the ledger. ``number``: of the delivery there; ``body``: as it was sent."""

    number: int
    endpoint: str
    system: System
    event_id: str
    event_type: str
    received_at: datetime
    body: bytes
