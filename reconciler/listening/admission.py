"""Whether a request is a delivery of CHeKT's, and which one. Pure: request and time in, a verdict out."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from reconciler.ledger import Delivery
from reconciler.listening.endpoints import Endpoint, Network
from reconciler.listening.envelope import read_envelope
from reconciler.listening.signatures import fault

Reason: TypeAlias = Literal[
    "unknown_path",
    "wrong_method",
    "wrong_address",
    "missing_signature",
    "bad_signature",
    "stale_timestamp",
    "not_json",
    "too_large",
    "bad_request",
    "too_slow",
    "ledger_unavailable",
]

STATUSES: Mapping[Reason, str] = {
    "unknown_path": "404 Not Found",
    "wrong_method": "405 Method Not Allowed",
    "wrong_address": "403 Forbidden",
    "missing_signature": "401 Unauthorized",
    "bad_signature": "401 Unauthorized",
    "stale_timestamp": "401 Unauthorized",
    "not_json": "400 Bad Request",
    "too_large": "413 Content Too Large",
    "bad_request": "400 Bad Request",
    "too_slow": "408 Request Timeout",
    "ledger_unavailable": "503 Service Unavailable",
}

NO_ENDPOINT = ""
"""Stands for the endpoint of a request that has reached none."""


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived.

    ``peer``: the address at the other end of the connection. ``forwarded``: the header X-Forwarded-For, None
    where absent. ``headers``: by name in lower case. ``body``: the raw bytes.
    """

    method: str
    path: str
    peer: str
    forwarded: str | None
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused. ``endpoint``: its name, empty where it reached none.

    ``cause``: what is amiss here, as a sentence; empty where the request is at fault.
    """

    reason: Reason
    endpoint: str = NO_ENDPOINT
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A good delivery of a type that ``endpoint`` leaves out."""

    endpoint: str


Verdict: TypeAlias = "tuple[Endpoint, Delivery] | Unwanted | Refusal"


@dataclass(frozen=True, slots=True)
class Admission:
    """Judges requests for ``endpoints``. ``proxies``: who is believed about the sender's address."""

    endpoints: Sequence[Endpoint]
    proxies: Sequence[Network] = ()

    def judge(self, request: Request, now: datetime) -> Verdict:
        """What ``request``, which came at ``now``, is: in the order of what it costs to find out."""
        endpoint = self._endpoint(request.path)
        if endpoint is None:
            return Refusal("unknown_path")
        if request.method != "POST":
            return Refusal("wrong_method", endpoint.name)
        if endpoint.networks and not self._is_from(endpoint.networks, request):
            return Refusal("wrong_address", endpoint.name)
        if endpoint.signing is not None:
            signing = endpoint.signing
            stamped = signing.timestamp_header
            timestamp = None if stamped is None else request.headers.get(stamped)
            wrong = fault(signing, request.headers.get(signing.header), timestamp, request.body, now)
            if wrong is not None:
                return Refusal(wrong, endpoint.name)
        return _delivery(endpoint, request.body, now)

    def _endpoint(self, path: str) -> Endpoint | None:
        """The endpoint at ``path``. All are compared, in constant time: a path may be a secret."""
        given = path.encode("latin-1", "replace")
        found = None
        for endpoint in self.endpoints:
            if hmac.compare_digest(endpoint.path.encode(), given):
                found = endpoint
        return found

    def _is_from(self, networks: Sequence[Network], request: Request) -> bool:
        sender = self._sender(request)
        return sender is not None and _within(sender, networks)

    def _sender(self, request: Request) -> _Address | None:
        """Where ``request`` comes from; None where that cannot be told.

        Behind a proxy it is the last address of X-Forwarded-For that is no trusted proxy's: what stands
        before it was written by the sender. A forwarded request of anybody else's is from nowhere.
        """
        sender = _address(request.peer)
        if request.forwarded is None or sender is None:
            return sender
        if not _within(sender, self.proxies):
            return None
        for text in reversed(request.forwarded.split(",")):
            sender = _address(text.strip())
            if sender is None or not _within(sender, self.proxies):
                return sender
        return None


_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(text: str) -> _Address | None:
    """The address that ``text`` writes, an IPv4 address inside IPv6 as itself; None for anything else."""
    try:
        found = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _within(address: _Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _delivery(endpoint: Endpoint, body: bytes, now: datetime) -> Verdict:
    try:
        envelope = read_envelope(endpoint.system, body)
    except ValueError:
        return Refusal("not_json", endpoint.name)
    # An event without a readable type is kept: nobody can say that it was not wanted.
    if endpoint.events and envelope.event_type and envelope.event_type not in endpoint.events:
        return Unwanted(endpoint.name)
    delivery = Delivery(
        endpoint.name,
        endpoint.system,
        envelope.key,
        envelope.event_id,
        envelope.event_type,
        now,
        body,
    )
    return endpoint, delivery
