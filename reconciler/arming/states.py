"""Arming states in order of strictness (DESIGN section 8)."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What a site or partition should be; a greater value is stricter.

    ``str(state)`` is CHeKT's own spelling, ``armed_away``; ``State.of("armed_away")`` reads it.
    """

    DISARMED = 0
    ARMED_STAY = 1
    ARMED_NIGHT = 2
    ARMED_AWAY = 3

    def __str__(self) -> str:
        return _TEXTS[self]

    @classmethod
    def of(cls, text: str) -> State:
        """The state that CHeKT spells ``text``. Raises ValueError for another word."""
        if text not in _BY_TEXT:
            raise ValueError(f"{text!r} is no arming state; write one of {', '.join(_TEXTS)}")
        return _BY_TEXT[text]

    @property
    def mode(self) -> str:
        """The manifest's word for an armed state, ``away``; ``disarmed`` has none and keeps its name."""
        return str(self).removeprefix("armed_")


_TEXTS = tuple(state.name.lower() for state in State)
_BY_TEXT = {str(state): state for state in State}
