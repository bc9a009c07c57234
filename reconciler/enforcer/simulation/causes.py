"""Why a target is not as its schedule wants it: the causes that wrong-state time is put down to."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """What a second in the wrong state is put down to, ``avoidable`` where the enforcer could do better.

    ``panel``: a command was accepted, and the panel takes its time. ``doubt``: a rule of doubt held a
    command back. ``rate_limits``: requests had to wait for the key's rate, or met a 429.
    """

    AVOIDABLE = "avoidable"
    PANEL = "panel"
    RATE_LIMITS = "rate_limits"
    OUTAGES = "outages"
    OPEN_ZONES = "open_zones"
    PEOPLE = "people"
    DOUBT = "doubt"
