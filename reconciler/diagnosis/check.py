"""What a diagnosis says: one check a question, each with its result and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.ledger import stamp
from reconciler.model import JsonObject, JsonValue


class Result(StrEnum):
    """How a check ended. ``unknown``: it could not be told, which is not a failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One question. ``name``: topic and, after a dot, about what; ``seen`` and ``to_do``: sentences.

    ``lines``: to be written in reconciler.yaml as they stand. ``facts``: the same for programs.
    """

    name: str
    result: Result
    seen: str
    to_do: str = ""
    lines: tuple[str, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "result": self.result.value,
            "seen": self.seen,
            "to_do": self.to_do,
            "settings": list(self.lines),
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of one environment, in the order of their causes. ``at`` is UTC."""

    environment: str
    surface: str
    account: str
    at: datetime
    checks: tuple[Check, ...]
    requests: int

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return not self.count(Result.FAILED)

    def count(self, result: Result) -> int:
        """How many checks ended with ``result``."""
        return sum(check.result is result for check in self.checks)

    def to_json(self) -> JsonObject:
        return {
            "environment": self.environment,
            "surface": self.surface,
            "account": self.account,
            "at": stamp(self.at),
            "healthy": self.healthy,
            "checks": [check.to_json() for check in self.checks],
            "summary": {result.value: self.count(result) for result in Result},
            "requests": self.requests,
        }


def sentence(text: str) -> str:
    """``text`` with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}."
