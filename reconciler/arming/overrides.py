"""A person's orders for one target: they stand above everything a schedule says.

Of several overrides that hold at once, the last given decides.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from reconciler.arming.spec import Override
from reconciler.times import utc_text


def active(overrides: Sequence[Override], instant: dt.datetime) -> Override | None:
    """The override that decides at ``instant``, None where the schedule does."""
    for override in reversed(overrides):
        if instant < override.until and (override.start is None or override.start <= instant):
            return override
    return None


def edges(overrides: Sequence[Override]) -> list[dt.datetime]:
    """The instants at which an override begins or ends, ascending."""
    found = {override.until for override in overrides}
    found |= {override.start for override in overrides if override.start is not None}
    return sorted(found)


def reason(override: Override) -> str:
    """``override until 2026-11-20T09:00:00Z: stocktaking``."""
    return f"override until {utc_text(override.until)}: {override.reason}"
