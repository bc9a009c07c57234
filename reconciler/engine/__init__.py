"""Engine: read the account, execute a plan, verify it."""

from reconciler.engine.events import (
    Event,
    IntentRecovered,
    ReadProgress,
    StepFinished,
    StepStarted,
    ValueReplaced,
)
from reconciler.engine.execute import execute
from reconciler.engine.fetch import fetch
from reconciler.engine.journal import PATIENCE, Journal, Unrecorded
from reconciler.engine.recover import Recovery, fetch_and_recover, recover
from reconciler.engine.verify import touched, verify

__all__ = [
    "PATIENCE",
    "Event",
    "IntentRecovered",
    "Journal",
    "ReadProgress",
    "Recovery",
    "StepFinished",
    "StepStarted",
    "Unrecorded",
    "ValueReplaced",
    "execute",
    "fetch",
    "fetch_and_recover",
    "recover",
    "touched",
    "verify",
]
