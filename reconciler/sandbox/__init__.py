"""Sandbox: a strict simulator of CHeKT, in process or on a port.

``Sandbox`` is the WSGI application. ``transport(sandbox)`` puts it behind an httpx client, ``serve``
on a port. The development credentials are constants; ``generate_key`` makes a key pair to register.
"""

from __future__ import annotations

from reconciler.sandbox.app import RequestRecord, Sandbox
from reconciler.sandbox.credentials import (
    AUDIENCE,
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_NAME,
    DEALER_ID,
    EVENT_KEY,
    EXTERNAL_DEALER_ID,
    KeyPair,
    dealer_key,
    generate_key,
)
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.remote_clock import RemoteClock
from reconciler.sandbox.server import Server, serve
from reconciler.sandbox.switches import Switches
from reconciler.sandbox.transport import transport
from reconciler.sandbox.webhooks import Delivery, Sender

__all__ = [
    "AUDIENCE",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "COMPANY_NAME",
    "DEALER_ID",
    "EVENT_KEY",
    "EXTERNAL_DEALER_ID",
    "Delivery",
    "Fault",
    "KeyPair",
    "RemoteClock",
    "RequestRecord",
    "Sandbox",
    "Sender",
    "Server",
    "Switches",
    "dealer_key",
    "generate_key",
    "serve",
    "transport",
]
