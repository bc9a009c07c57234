"""Stops every connection and name look-up that would leave this machine.

The tests' conftest installs it in its own process; Python imports it by this name in the children, whose
``PYTHONPATH`` begins with this folder. A refusal is written down in ``REFUSALS_FILE`` too, so that a test
fails even where the program under test swallowed the error.
"""

import ipaddress
import os
import sys
from pathlib import Path

REFUSALS_FILE = "LOOPBACK_ONLY_REFUSALS"
"""Environment variable that names the file for refusals, one a line."""

_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_INSTALLED = "_loopback_only"


class NetworkRefusedError(RuntimeError):
    """A test went for another host. No OSError: nobody takes it for an outage and tries again."""


def _local(host: object) -> bool:
    if host is None or host == "":
        return True
    name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    name = name.partition("%")[0].rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _literal(host: object) -> bool:
    """Whether it is an address: to resolve one asks nobody."""
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        if isinstance(address, tuple) and not _local(address[0]):
            _refuse(f"a connection to {address[0]} port {address[1]}")
    elif event in _LOOK_UPS and not _local(args[0]) and not _literal(args[0]):
        _refuse(f"a look-up of {args[0]!r}")


def _refuse(what: str) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "the collection of tests").rpartition(" (")
    said = f"{test[0] or test[2]}: {what} was stopped; tests reach this machine only"
    if file := os.environ.get(REFUSALS_FILE):
        with Path(file).open("a", encoding="utf-8") as log:
            log.write(said + "\n")
    raise NetworkRefusedError(said)


def install() -> None:
    """Guard this process, once and for good."""
    if not hasattr(sys, _INSTALLED):
        setattr(sys, _INSTALLED, True)
        sys.addaudithook(_watch)


install()
