"""Faults on demand: what goes wrong, on which request, how often (section 11.12)."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from reconciler.model import JsonObject, JsonValue

Action = Literal[
    "status",
    "page",
    "drop",
    "timeout",
    "slow",
    "bulk_item",
    "shuffle",
    "stale",
    "truncate",
    "cut",
    "replay",
    "twice",
    "revoke",
    "duplicate",
    "late",
    "reorder",
    "forge",
]
DELIVERY = frozenset({"duplicate", "late", "reorder", "forge"})
"""The actions that strike webhook deliveries; all others strike requests."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    ``method`` and ``path`` are regular expressions that must match in full; ``nth`` is the first
    matching request it strikes (from 1) and ``count`` how many in a row, 0 for all.

    ``action``: ``status`` answers with ``status`` (429 and 503 with ``Retry-After`` of ``seconds``, 0
    for none); ``page`` does so with HTML, as a proxy in between would; ``drop`` closes the connection;
    ``timeout`` stays silent for ``seconds``, then closes; ``slow`` answers after ``seconds``;
    ``bulk_item`` fails entry ``index`` (from 0) of a bulk call; ``shuffle`` reverses the order of bulk
    results; ``stale`` lists what was there ``seconds`` ago; ``truncate`` sends half of the body and
    closes, ``cut`` sends half of it as if it were all; ``replay`` answers with the last answer to the
    same method and path; ``twice`` carries the request out twice and sends the second answer, as where a
    proxy repeats it; ``revoke`` ends the life of the caller's token.

    Of webhook deliveries, where ``method`` is matched with the system (A, B, C) and ``path`` with the
    event's name: ``duplicate`` sends it twice; ``late`` sends it ``seconds`` later; ``reorder`` holds it
    back until the next one to the same address was sent, ``seconds`` at most; ``forge`` signs it wrongly.

    ``when``: for status, page, drop and timeout, ``before`` the request takes effect or ``after``. A write
    struck after its effect keeps its idempotency record unless ``forget`` is set.
    """

    action: Action
    method: str = ".*"
    path: str = ".*"
    nth: int = 1
    count: int = 1
    when: Literal["before", "after"] = "before"
    status: int = 500
    seconds: float = 1.0
    index: int = 0
    forget: bool = False

    @classmethod
    def from_json(cls, value: JsonValue) -> Fault:
        """The fault written as JSON. Raises ValueError for an unknown name, action or expression."""
        from pydantic import TypeAdapter  # noqa: PLC0415 - only needed for faults that come as JSON

        known = cls.__dataclass_fields__
        if not isinstance(value, dict) or not set(value) <= set(known):
            raise ValueError(f"a fault is an object with {', '.join(known)}")
        fault = TypeAdapter(cls).validate_python(value)
        for pattern in (fault.method, fault.path):
            try:
                re.compile(pattern)
            except re.error as exc:
                raise ValueError(f"{pattern!r} is not a regular expression: {exc}") from exc
        return fault

    def to_json(self) -> JsonObject:
        """Every field by name."""
        return asdict(self)


class Faults:
    """The faults in wait. Thread-safe; the first in order that strikes wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put ``fault`` in wait, behind those already there."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> Sequence[Fault]:
        """The faults still in wait, with what is left of ``nth`` and ``count``."""
        with self._lock:
            return tuple(self._waiting)

    def strike(self, method: str, path: str, *, delivery: bool = False) -> Fault | None:
        """The fault that strikes this request (or webhook delivery), or None. Counts it."""
        if not self._waiting:
            return None
        with self._lock:
            struck: Fault | None = None
            left: list[Fault] = []
            for fault in self._waiting:
                concerns = (fault.action in DELIVERY) == delivery
                matches = re.fullmatch(fault.method, method) and re.fullmatch(fault.path, path)
                if not concerns or not matches or struck is not None:
                    left.append(fault)
                elif fault.nth > 1:
                    left.append(replace(fault, nth=fault.nth - 1))
                else:
                    struck = fault
                    if fault.count == 0:
                        left.append(fault)
                    elif fault.count > 1:
                        left.append(replace(fault, count=fault.count - 1))
            self._waiting = left
            return struck
