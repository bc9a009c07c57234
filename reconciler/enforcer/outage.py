"""What the log says while targets cannot be looked at: as it begins, now and then, and when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.arming.project import TargetKey
from reconciler.enforcer.report import utc
from reconciler.enforcer.tick import Sight
from reconciler.enforcer.watch import Watch

TOLD_EVERY = timedelta(minutes=10)

_APART = timedelta(minutes=1)
"""Between the first lines of two outages, so that single failures in a large fleet do not fill the log."""


class Outages:
    """The targets that cannot be looked at, told of as one, however many they are. Not thread-safe."""

    def __init__(self) -> None:
        self._reasons: dict[TargetKey, str] = {}
        self._told_at: datetime | None = None
        self._lasts = False

    def heed(self, sights: Iterable[Sight], watch: Watch, now: datetime) -> str | None:
        """Take in what a round saw of the targets of ``watch``; the line to log, None for none."""
        for sight in sights:
            if sight.seen.problem is None:
                self._reasons.pop(sight.target.key, None)
            else:
                self._reasons[sight.target.key] = sight.seen.problem
        if not self._reasons:
            return self._over(len(watch.targets))
        apart = TOLD_EVERY if self._lasts else _APART
        if self._told_at is not None and abs(now - self._told_at) < apart:  # the clock may have been set back
            return None
        self._told_at, self._lasts = now, True
        return self._line(watch, now)

    def keep(self, keys: Iterable[TargetKey]) -> None:
        """Forget all targets but these: the others are not enforced any more."""
        known = set(keys)
        self._reasons = {key: why for key, why in self._reasons.items() if key in known}

    def _over(self, count: int) -> str | None:
        lasted, self._lasts = self._lasts, False
        if not lasted:
            return None
        return "It can be looked at again." if count == 1 else "All targets can be looked at again."

    def _line(self, watch: Watch, now: datetime) -> str:
        (reason, _), *others = Counter(self._reasons.values()).most_common()
        looks = [at for key in self._reasons if (at := watch.planned(key)) is not None]
        again = f"; tried again at {utc(max(now, min(looks)))}" if looks else ""
        count, more = len(watch.targets), watch.next_at()
        unsure = len(self._reasons) < count and more is not None and more <= now
        one = "one says: " if others else ""
        failing = f"{'At least ' if unsure else ''}{len(self._reasons)} of {count} targets"
        return f"{failing} cannot be looked at{again}: {one}{reason.rstrip('.')}."
