"""Gives every draft its address, and turns the names in references into addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Problem
from reconciler.kinds import REGISTRY, Kind, Reference
from reconciler.manifests import explain
from reconciler.manifests.documents import Draft
from reconciler.manifests.spelling import nearest
from reconciler.model import Address

_LISTED = 8
_SEARCHES = 200
"""Missing names for which the nearest one is looked up: among many thousands that takes its time."""


@dataclass(slots=True)
class Links:
    """Where every draft stands. ``complete``: False when a file could not be read in full.

    What an unread file declares is unknown, so then nothing is called missing.
    """

    drafts: list[Draft]
    complete: bool
    problems: list[Problem] = field(default_factory=list)
    by_address: dict[Address, Draft] = field(default_factory=dict)
    _by_id: dict[str, dict[str, list[Draft]]] = field(default_factory=dict)
    _known: dict[tuple[str, bool], frozenset[str]] = field(default_factory=dict)
    _searches: int = 0

    def place(self) -> None:
        """Set the path of every draft: parents first. A draft without a path has a problem noted."""
        by_kind: dict[str, list[Draft]] = defaultdict(list)
        for draft in self.drafts:
            by_kind[draft.kind.name].append(draft)
        for kind in REGISTRY.values():
            index: dict[str, list[Draft]] = defaultdict(list)
            for draft in by_kind[kind.name]:
                self._place(draft)
                if draft.path is not None:
                    index[draft.id].append(draft)
                    self._register(draft, draft.path)
            self._by_id[kind.name] = index

    def _place(self, draft: Draft) -> None:
        kind = draft.kind
        if kind.parent is None:
            draft.path = (draft.id,)
            return
        if draft.parent is None:
            draft.parent = self._parent(draft, kind.parent)
        if draft.parent is not None and draft.parent.path is not None:
            draft.path = (*draft.parent.path, draft.id)

    def _register(self, draft: Draft, path: tuple[str, ...]) -> None:
        address = Address(draft.kind.name, path)
        first = self.by_address.setdefault(address, draft)
        if first is not draft:
            one, other = sorted((first, draft), key=lambda each: each.table.source())
            self.problems.append(
                Problem(
                    f"{address} is written twice; the other one stands at {one.table.value_source('id')}",
                    other.table.value_source("id"),
                    "Give one of them another id, or remove it.",
                    address,
                )
            )

    def _parent(self, draft: Draft, kind: str) -> Draft | None:
        """The draft that a document names as its parent, or the only one there is."""
        table = draft.table
        if draft.parent_name is not None:
            candidates = self._named(kind, draft.parent_name)
            if len(candidates) == 1:
                return candidates[0]
            self._not_one(kind, kind, draft.parent_name, candidates, table.value_source(kind), draft)
            return None
        if kind in table:  # what it says is wrong, and noted where it was read
            return None
        candidates = self._all(kind)
        if len(candidates) == 1 and REGISTRY[kind].parent is None:
            return candidates[0]
        if candidates and REGISTRY[kind].parent is None:
            listed = ", ".join(sorted(_listed(candidates)))
            self.problems.append(
                Problem(
                    f"{kind}: required, since there are several: {listed}",
                    table.source(),
                    f"Add {kind}: with the one this {draft.kind.name} belongs to.",
                )
            )
        elif self.complete or candidates:
            hint = f"Add {kind}: with the id of its {kind}."
            if not candidates:
                hint = f"Declare a {kind}, with `kind: {kind}` and its id."
            self.problems.append(
                Problem(f"{kind}: a {draft.kind.name} stands under a {kind}", table.source(), hint)
            )
        return None

    def _all(self, kind: str) -> list[Draft]:
        return [draft for drafts in self._by_id[kind].values() for draft in drafts]

    def _named(self, kind: str, name: str) -> list[Draft]:
        """The drafts of ``kind`` whose id, or whose whole path, is ``name``; one for each address."""
        steps = tuple(name.split("/"))
        index = self._by_id[kind]
        found = index.get(steps[-1], [])
        if len(steps) > 1:
            found = [draft for draft in found if draft.path == steps]
        return list({draft.path: draft for draft in reversed(found)}.values())

    def _not_one(
        self, field_name: str, kind: str, name: str, candidates: list[Draft], source: Any, draft: Draft
    ) -> None:
        """Note a name that stands for no resource, or for several."""
        label = kind.replace("_", " ")
        if candidates:
            listed = ", ".join(sorted(_listed(candidates)))
            message = f"{field_name}: {explain.shown(name)} names several: {listed}"
            hint = "Write the whole path of one of them."
        elif self.complete:
            message = f"{field_name}: there is no {label} {explain.shown(name)}"
            hint = self._way_out(kind, name)
        else:
            return
        self.problems.append(Problem(message, source, hint, _address(draft)))

    def _way_out(self, kind: str, name: str) -> str:
        known = self._names(kind, paths="/" in name)
        self._searches += 1
        near = nearest(name, known) if self._searches <= _SEARCHES else None
        if near is not None:
            return f'Did you mean "{near}"?'
        few = f" Known: {', '.join(sorted(known))}." if 0 < len(known) <= _LISTED else ""
        return f"Declare it, with `kind: {kind}` and this id.{few}"

    def _names(self, kind: str, *, paths: bool) -> frozenset[str]:
        """What a reference to ``kind`` may say: ids, or whole paths."""
        if (kind, paths) not in self._known:
            ids = self._by_id[kind]
            whole = ("/".join(draft.path or ()) for drafts in ids.values() for draft in drafts)
            self._known[kind, paths] = frozenset(whole if paths else ids)
        return self._known[kind, paths]

    def refer(self, draft: Draft) -> tuple[Address, ...]:
        """Replace the names in the draft's references by addresses; the targets, without repeats."""
        targets: dict[Address, None] = {}
        for reference in draft.kind.references:
            steps = tuple(reference.path.split("."))
            _rewrite(draft.fields, steps, (), self._target(draft, reference, targets))
        return tuple(targets)

    def _target(
        self, draft: Draft, reference: Reference, targets: dict[Address, None]
    ) -> Callable[[str, tuple[explain.Step, ...]], str]:
        kind = REGISTRY[reference.kind]

        def address_of(name: str, path: tuple[explain.Step, ...]) -> str:
            candidates = self._scoped(draft, kind, name)
            if len(candidates) == 1 and candidates[0].path is not None:
                address = Address(kind.name, candidates[0].path)
                targets[address] = None
                return str(address)
            source = explain.place(draft.table, _written(draft.table, path))
            elsewhere = self._named(kind.name, name)
            if elsewhere and not candidates:
                self.problems.append(
                    Problem(
                        f"{explain.dotted(path)}: {explain.shown(name)} belongs to another "
                        f"{kind.parent}: {', '.join(_listed(elsewhere))}",
                        source,
                        f"Name one of this resource's own {kind.parent}.",
                        _address(draft),
                    )
                )
            else:
                self._not_one(explain.dotted(path), kind.name, name, candidates, source, draft)
            return name

        return address_of

    def _scoped(self, draft: Draft, kind: Kind, name: str) -> list[Draft]:
        """The drafts ``name`` may mean: where both stand under a parent of one kind, it is the same."""
        found = self._named(kind.name, name)
        if kind.parent is None or draft.parent is None or kind.parent != draft.kind.parent:
            return found
        return [each for each in found if each.path is not None and each.path[:-1] == draft.parent.path]


def _listed(drafts: Iterable[Draft]) -> list[str]:
    paths = ["/".join(draft.path or (draft.id,)) for draft in drafts]
    return paths if len(paths) <= _LISTED else [*paths[:_LISTED], "..."]


def _address(draft: Draft) -> Address | None:
    return None if draft.path is None else Address(draft.kind.name, draft.path)


def _written(table: Mapping[Any, Any], path: tuple[explain.Step, ...]) -> tuple[explain.Step, ...]:
    """``path`` with the keys as the file has them: partitions are numbers there, texts in the model."""
    node: Any = table
    steps: list[explain.Step] = []
    for step in path:
        if isinstance(node, Mapping) and step not in node and isinstance(step, str) and step.isdecimal():
            step = int(step)  # noqa: PLW2901 - the same step, as spelled
        steps.append(step)
        node = node[step] if isinstance(node, Mapping) or isinstance(step, int) else None
    return tuple(steps)


def _rewrite(
    node: Any,
    steps: tuple[str, ...],
    path: tuple[explain.Step, ...],
    change: Callable[[str, tuple[explain.Step, ...]], str],
) -> None:
    """Replace every text at ``steps`` below ``node`` (``*``: any entry) by ``change(text, path)``."""
    step, rest = steps[0], steps[1:]
    if step == "*":
        keys: Iterable[Any] = list(node) if isinstance(node, dict) else range(len(node))
    else:
        keys = (step,) if step in node else ()
    for key in keys:
        value = node[key]
        if value is None:
            continue
        if rest:
            _rewrite(value, rest, (*path, key), change)
        else:
            node[key] = change(value, (*path, key))
