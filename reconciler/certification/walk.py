"""The walk through the modes: every one of them from every other, each change once."""

from __future__ import annotations

from collections.abc import Iterable

MODES = ("disarmed", "armed_away", "armed_stay", "armed_night")
"""Away, Stay, Night and Disarmed (chekt-api/README.md section 4.7)."""


def _walk(modes: Iterable[str]) -> tuple[str, ...]:
    """A closed walk from the first of ``modes`` over all ordered pairs of them (Hierholzer)."""
    left = {mode: [other for other in modes if other != mode] for mode in modes}
    path, walk = [next(iter(left))], []
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            walk.append(path.pop())
    return tuple(reversed(walk))[1:]


WALK = _walk(MODES)
"""The states to go to, one after the other, from disarmed."""
