"""What a run tells while it goes on. Plain data; told from the thread that started the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model import Address, Operation
from reconciler.writes import OutcomeStatus


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """``done`` of the ``planned`` reads known so far have been answered."""

    done: int
    planned: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A write is about to be journalled and sent."""

    address: Address
    operation: Operation
    part: str | None


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A write ended, or will never begin (skipped). ``done`` of ``total`` steps have ended."""

    address: Address
    operation: Operation
    part: str | None
    status: OutcomeStatus
    message: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ValueReplaced:
    """The server stored field ``path`` differently from what was sent; the ledger remembers both."""

    address: Address
    path: str


@dataclass(frozen=True, slots=True)
class IntentRecovered:
    """A write that an earlier run left without an outcome was looked up; ``message`` says what is so."""

    address: Address
    operation: Operation
    message: str


Event: TypeAlias = ReadProgress | StepStarted | StepFinished | ValueReplaced | IntentRecovered
