"""A writer that cannot write: a dry run is this in the place of the real one."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model import Write, WriteResult


class DryRunWriter:
    """Refuses every write; satisfies ``Writer``."""

    def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """One refusal a write."""
        return [WriteResult(write, error="dry run: nothing was sent") for write in writes]
