"""What part of the project a run is about: globs over addresses, and what differs from a git revision."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from reconciler.errors import PlanError, Problem
from reconciler.kinds import REGISTRY
from reconciler.model import Address, ChangedSince, Collection

_NEAR = 3
_NEAR_CANDIDATES = 5000
"""Addresses compared when looking for near spellings; the search is slow and only for a hint."""

_WILD = frozenset("*?")

_ANY_ID = "\0"
"""Stands for ids that nobody knows: no id has it, and only wildcards match it."""

_PARENTS = {kind.name: kind.parent for kind in REGISTRY.values()}


def parent_of(address: Address) -> Address | None:
    """The address a resource stands under, None for one that stands on its own.

    A site may lack its dealer (the project's only one): ``site:hq`` stands under nothing, and its
    camera ``device:hq/door`` under it.
    """
    kind, path = address
    above = _PARENTS.get(kind)
    if above is None or len(path) < 2:
        return None
    return Address(above, path[:-1])


def collection_of(address: Address) -> Collection:
    """The collection that ``address`` belongs to."""
    return Collection(address.kind, parent_of(address))


def chain(address: Address) -> Iterator[Address]:
    """``address`` and its ancestors, innermost first."""
    step: Address | None = address
    while step is not None:
        yield step
        step = parent_of(step)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """``glob`` over an address as text. ``**`` crosses ``/``, ``*`` and ``?`` stop at it."""
    steps = re.split(r"(\*\*|\*|\?)", glob)
    meaning = {"**": ".*", "*": "[^/:]*", "?": "[^/:]"}
    return re.compile("".join(meaning.get(step, re.escape(step)) for step in steps), re.DOTALL)


class _Globs:
    """Globs prepared for many questions: a saved plan of thousands of changes is a scope of as many."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, globs: Iterable[str]) -> None:
        written = list(globs)
        self._exact = frozenset(glob for glob in written if not _WILD.intersection(glob))
        self._patterns = [_pattern(glob) for glob in written if glob not in self._exact]

    def match(self, address: Address) -> bool:
        """True when one of them names ``address`` or an ancestor of it."""
        spellings = [str(step) for step in chain(address)]
        return not self._exact.isdisjoint(spellings) or any(
            pattern.fullmatch(text) for pattern in self._patterns for text in spellings
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """The addresses a run may look at and change; everything when there is no target.

    ``targets``, ``excludes``: globs over ``kind:path``; an exclude wins. A parent takes its children
    along, so ``site:acme/hq`` covers ``device:acme/hq/door``. ``changed_since``: where its addresses are
    told, only these and what stands below them.
    """

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    changed_since: ChangedSince | None = None
    _targeted: _Globs = field(init=False, repr=False, compare=False)
    _excluded: _Globs = field(init=False, repr=False, compare=False)
    _changed: frozenset[Address] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_targeted", _Globs(self.targets))
        object.__setattr__(self, "_excluded", _Globs(self.excludes))
        told = self.changed_since.addresses if self.changed_since is not None else None
        object.__setattr__(self, "_changed", None if told is None else frozenset(told))

    def covers(self, address: Address) -> bool:
        """True when ``address``, or an ancestor of it, is targeted and changed and neither is excluded."""
        if self._changed is not None and self._changed.isdisjoint(chain(address)):
            return False
        if self.excludes and self._excluded.match(address):
            return False
        return not self.targets or self._targeted.match(address)

    def covers_any(self, collection: Collection) -> bool:
        """False when whatever may stand in ``collection`` is out of scope."""
        above = collection.parent.path if collection.parent is not None else ()
        return self.covers(Address(collection.kind, (*above, _ANY_ID)))

    def check(self, known: Iterable[Address]) -> None:
        """Raise PlanError when a target names nothing among ``known``, with near spellings."""
        if not self.targets:
            return
        addresses = sorted(set(known))
        problems = [
            Problem(f"--target {glob} matches no resource", hint=_hint(glob, addresses))
            for glob in _idle(self.targets, addresses)
        ]
        if problems:
            first = problems[0]
            raise PlanError(
                "; ".join(problem.message for problem in problems), hint=first.hint, problems=problems
            )

    def idle_excludes(self, known: Iterable[Address]) -> tuple[str, ...]:
        """The excludes that match nothing among ``known``: likely a slip of the pen."""
        if not self.excludes:
            return ()
        return tuple(_idle(self.excludes, set(known)))


EVERYTHING = Scope()


def _idle(globs: Iterable[str], addresses: Iterable[Address]) -> list[str]:
    """The ``globs`` that name none of ``addresses`` and none of their ancestors."""
    spellings = {str(step) for address in addresses for step in chain(address)}
    return [
        glob
        for glob in globs
        if glob not in spellings
        and not any(map(_pattern(glob).fullmatch, spellings if _WILD & set(glob) else ()))
    ]


def _hint(glob: str, addresses: list[Address]) -> str:
    form = "Write kind:parents/id, such as site:acme/hq; * stops at /, ** does not."
    kind, colon, _ = glob.partition(":")
    alike = (str(a) for a in addresses if not colon or a.kind == kind or kind not in REGISTRY)
    candidates = list(islice(alike, _NEAR_CANDIDATES))
    near = difflib.get_close_matches(glob, candidates, n=_NEAR, cutoff=0.5)
    if not colon:
        near = [text for text in candidates if text.partition(":")[2].split("/")[-1] == glob][:_NEAR] or near
    return f"Did you mean {' or '.join(near)}?" if near else form
