"""Which URLs may be the root of an API: nothing that would send credentials in the clear."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from reconciler.errors import ConfigError


def base_url(text: str) -> str:
    """``text`` without a slash at its end: https, or http on this machine; no user, query or fragment.

    Raises ValueError with a sentence, what is wrong and mostly ``; `` and the way out. It never quotes
    ``text``, which may hold a password.
    """
    split = urlsplit(text)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError('not an absolute URL; write one such as "https://api.chekt.com"')
    if split.username is not None or split.password is not None or split.query or split.fragment:
        raise ValueError("a base URL holds no user, query or fragment; write scheme, host and path only")
    _ = split.port  # raises ValueError where it is not a number
    if split.scheme == "http" and not is_loopback(text):
        raise ValueError("plain http is refused except on this machine; write https://")
    return text.rstrip("/")


def check_url(url: str, name: str) -> str:
    """``base_url`` for a URL from outside the manifests; ``name`` says in errors where it was written.

    Raises ConfigError.
    """
    try:
        return base_url(url)
    except ValueError as exc:
        wrong, _, hint = str(exc).partition("; ")
        way_out = f"{hint[:1].upper()}{hint[1:]}." if hint else "Correct it."
        raise ConfigError(f"{name}: {wrong}", hint=way_out) from None


def is_loopback(url: str) -> bool:
    """Whether the host of ``url`` can only be this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
