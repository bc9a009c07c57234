"""What a run tells of itself while it works: the seam between those who work and those who log or trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from reconciler.writes import Write, Writer, WriteResult

_NAMED = 5
"""Addresses of one bulk call that are named."""


@dataclass(frozen=True, slots=True)
class Content:
    """Headers and body of one message, shortened, secrets masked."""

    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it. ``status`` is None where no answer came; ``problem`` says why.

    ``attempt`` counts from 1. ``seconds``: until the answer began. ``request`` and ``response`` are
    None where nobody asked for them, or where they are a token's.
    """

    method: str
    host: str
    path: str
    status: int | None
    seconds: float
    attempt: int
    trace_id: str
    problem: str = ""
    request: Content | None = None
    response: Content | None = None


class Observer(Protocol):
    """Hears of the work, from any thread. Whatever it is told holds no secret."""

    @property
    def detailed(self) -> bool:
        """Whether it wants the headers and bodies of exchanges."""
        ...

    def doing(self, what: str, /, **facts: str) -> AbstractContextManager[None]:
        """A piece of work, the block; it may lie in another. ``facts``: such as ``address``."""
        ...

    def exchanged(self, exchange: Exchange) -> None:
        """A request was answered, or was not."""
        ...


class Observers:
    """Several observers as one; none at all is fine."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = observers

    @property
    def detailed(self) -> bool:
        return any(each.detailed for each in self._observers)

    @contextmanager
    def doing(self, what: str, /, **facts: str) -> Iterator[None]:
        with ExitStack() as stack:
            for each in self._observers:
                stack.enter_context(each.doing(what, **facts))
            yield

    def exchanged(self, exchange: Exchange) -> None:
        for each in self._observers:
            each.exchanged(exchange)


NOBODY = Observers()


class ObservedWriter:
    """``writer``, each of its writes a piece of work that ``observer`` hears of."""

    def __init__(self, writer: Writer, observer: Observer) -> None:
        self._writer = writer
        self._observer = observer

    def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        if not writes:
            return ()
        first = writes[0]
        addresses = ", ".join(str(write.address) for write in writes[:_NAMED])
        more = f" and {len(writes) - _NAMED} more" if len(writes) > _NAMED else ""
        with self._observer.doing("change", address=addresses + more, operation=first.operation):
            return self._writer.write(writes)
