"""The safety policy: what a plan may never do, and how much it may do at once.

A wrong delete leaves a building unwatched, so every rule refuses the whole plan, and all reasons are
given together (DESIGN section 6).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors import Problem, UnsafePlanError
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Action, Address, Change, Collection, Grade, Owned, Resource, Snapshot
from reconciler.planning.order import referenced_kinds
from reconciler.planning.ownership import owns, prefixed, twins
from reconciler.planning.reads import child_kinds
from reconciler.planning.scope import Scope, chain, collection_of, parent_of

SHARE_FROM = 5
"""A share of fewer owned objects says nothing: one of two is half."""

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Policy:
    """How much a plan may change, from ``safety`` of reconciler.yaml and the command line.

    Percentages are of the owned objects of a kind. ``allow_deletes``: the number of deletes and
    replaces the user expects; equal to the plan's total it lifts the delete caps. ``accept``: the
    lowest grade of endpoint to write through. ``owned_prefix``: objects whose external id starts
    with it are ours even without a ledger row.
    """

    max_delete_percent: float = 30.0
    max_delete_count: int = 10
    max_update_percent: float = 50.0
    allow_deletes: int | None = None
    accept: Grade = "documented"
    owned_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rules look at beside the changes."""

    desired: Mapping[Address, Resource]
    snapshot: Snapshot
    owned: Mapping[Address, Owned]
    surfaces: Surfaces
    policy: Policy
    scope: Scope


def check(changes: Sequence[Change], around: Circumstances) -> None:
    """Raise UnsafePlanError with every reason for which ``changes`` must not be made."""
    problems = reasons(changes, around)
    if problems:
        raise UnsafePlanError.of(problems)


def reasons(changes: Sequence[Change], around: Circumstances) -> list[Problem]:
    """Every reason why ``changes`` are unsafe, in a fixed order; empty when they are safe."""
    return [
        *_caps(changes, around),
        *_abandoned(changes, around),
        *_protected(changes, around),
        *_inhabited(changes, around),
        *_referred_to(changes, around),
    ]


def _caps(changes: Sequence[Change], around: Circumstances) -> Iterator[Problem]:
    policy = around.policy
    removed = Counter(change.kind for change in changes if change.action in (Action.DELETE, Action.REPLACE))
    updated = Counter(change.kind for change in changes if _updates(change))
    if not removed and not updated:
        return
    ours = _owned_objects(around)
    owned = Counter(address.kind for address in ours)
    held = Counter(
        address.kind for address in ours | {c.address for c in changes if c.action is Action.ADOPT}
    )
    total = sum(removed.values())
    allow = _counted(total)
    for kind in REGISTRY if policy.allow_deletes != total else ():
        count, of = removed[kind], owned[kind]
        what = f"the plan deletes or replaces {count} of {of} owned {REGISTRY[kind].collection}"
        if count > policy.max_delete_count:
            yield Problem(f"{what}; safety.max_delete_count is {policy.max_delete_count}", hint=allow)
        if of >= SHARE_FROM and count * 100 > policy.max_delete_percent * of:
            yield Problem(f"{what}; safety.max_delete_percent is {policy.max_delete_percent:g}", hint=allow)
    for kind in REGISTRY:
        count, of = updated[kind], held[kind]
        if of >= SHARE_FROM and count * 100 > policy.max_update_percent * of:
            yield Problem(
                f"the plan updates {count} of {of} owned or adopted {REGISTRY[kind].collection}; "
                f"safety.max_update_percent is {policy.max_update_percent:g}",
                hint="Read the plan; apply it in parts with --target, or raise safety.max_update_percent.",
            )


def _updates(change: Change) -> bool:
    """Whether values of a live object are replaced: adopting a whole account may do that to all of it."""
    return change.action is Action.UPDATE or (change.action is Action.ADOPT and bool(change.applied_fields()))


def _counted(total: int) -> str:
    return f"Read the plan; if every one of its deletes is meant, add --allow-deletes {total}."


def _abandoned(changes: Sequence[Change], around: Circumstances) -> Iterator[Problem]:
    """Deletes below a dealer that no manifest declares: a file went missing rather than a building."""
    removed = [change for change in changes if change.action in (Action.DELETE, Action.REPLACE)]
    if around.policy.allow_deletes == len(removed):
        return
    counts = Counter(
        step
        for change in removed
        for step in chain(change.address)
        if REGISTRY[step.kind].adopted and step not in around.desired
    )
    for dealer, count in sorted(counts.items()):
        yield Problem(
            f"{dealer} is not declared any more, and the plan deletes {count} of the objects below it",
            hint=_counted(len(removed)),
            address=dealer,
        )


def _owned_objects(around: Circumstances) -> set[Address]:
    """The objects that are ours: the ledger's, less those known to be gone, and the prefix's."""
    snapshot, prefix = around.snapshot, around.policy.owned_prefix
    recorded = {
        address
        for address in around.owned
        if address in snapshot.objects or collection_of(address) not in snapshot.collections
    }
    return recorded | {address for address, live in snapshot.objects.items() if prefixed(live, prefix)}


def _protected(changes: Sequence[Change], around: Circumstances) -> Iterator[Problem]:
    for change in changes:
        removal = change.action in (Action.DELETE, Action.REPLACE)
        if not removal and (change.action is not Action.MANUAL or change.address in around.desired):
            continue
        guard = next((step for step in chain(change.address) if is_protected(step, around)), None)
        if guard is None:
            continue
        verb = "replaced" if change.action is Action.REPLACE else "deleted"
        what = "which is protected" if guard == change.address else f"and {guard} is protected"
        yield Problem(
            f"{change.address} would be {verb}, {what}",
            source=change.source,
            hint=_way_out(guard, change.address, around),
            address=change.address,
        )


def _way_out(guard: Address, address: Address, around: Circumstances) -> str:
    """How to lift the protection of ``guard`` on purpose: by an apply of its own, before the delete's."""
    resource = around.desired.get(guard)
    if resource is None or resource.lifecycle.protect:
        return f"Declare {guard} without lifecycle.protect and apply that first."
    return f"Apply once with --exclude '{address}', which lifts the protection, and then again."


def is_protected(address: Address, around: Circumstances) -> bool:
    """True when the manifest or the ledger protects this very resource."""
    resource, row = around.desired.get(address), around.owned.get(address)
    return (resource is not None and resource.lifecycle.protect) or (row is not None and row.protect)


def _inhabited(changes: Sequence[Change], around: Circumstances) -> Iterator[Problem]:
    """Parents that would go although something under them is not ours, not seen, or not in scope."""
    going = [change for change in changes if change.action in (Action.DELETE, Action.REPLACE)]
    if not going:
        return
    children: dict[Address, list[Address]] = defaultdict(list)
    for address in around.snapshot.objects:
        parent = parent_of(address)
        if parent is not None:
            children[parent].append(address)
    doubles = twins(around.snapshot.objects, around.desired, around.owned)
    for change in going:
        yield from _left_behind(change, sorted(children[change.address]), doubles, around)


def _left_behind(
    change: Change, children: Sequence[Address], doubles: Container[Address], around: Circumstances
) -> Iterator[Problem]:
    verb = "replaced" if change.action is Action.REPLACE else "deleted"
    what = f"{change.address} would be {verb}, but"
    objects, prefix = around.snapshot.objects, around.policy.owned_prefix
    foreign = [
        each for each in children if each in doubles or not owns(each, objects[each], around.owned, prefix)
    ]
    outside = [each for each in children if each not in foreign and not around.scope.covers(each)]
    unread = [
        REGISTRY[kind].collection
        for kind in child_kinds(change.kind, around.surfaces)
        if Collection(kind, change.address) not in around.snapshot.collections
    ]
    found = (
        (
            foreign,
            f"it holds what is not ours: {_names(foreign)}",
            "Declare these and apply, so that they are owned, or remove them in the portal.",
        ),
        (
            outside,
            f"this run leaves out what it holds: {_names(outside)}",
            "Widen --target or drop the --exclude.",
        ),
        (
            unread,
            f"its {' and '.join(unread)} were not read, so nobody knows what it holds",
            "Plan again with this resource in scope.",
        ),
    )
    for each, why, hint in found:
        if each:
            yield Problem(f"{what} {why}", source=change.source, hint=hint, address=change.address)


def _referred_to(changes: Sequence[Change], around: Circumstances) -> Iterator[Problem]:
    """Targets that would go although a live object keeps pointing at them: a site without its station."""
    going = {
        str(change.address): change
        for change in changes
        if change.action in (Action.DELETE, Action.REPLACE) and change.kind in referenced_kinds()
    }
    if not going:
        return
    by_address = {change.address: change for change in changes}
    for address, live in sorted(around.snapshot.objects.items()):
        for reference in REGISTRY[address.kind].references:
            target = going.get(str(live.fields.get(reference.path)))
            if target is not None and not _moves_away(by_address.get(address), reference.path):
                verb = "replaced" if target.action is Action.REPLACE else "deleted"
                yield Problem(
                    f"{target.address} would be {verb}, but {address} still refers to it",
                    source=target.source,
                    hint=f"Change {reference.path} of {address} in the same plan, or in the portal.",
                    address=target.address,
                )


def _moves_away(change: Change | None, path: str) -> bool:
    if change is None:
        return False
    if change.action in (Action.DELETE, Action.REPLACE):
        return True
    return any(each.path == path for each in change.applied_fields())


def _names(addresses: Sequence[Address]) -> str:
    more = len(addresses) - _NAMED
    return ", ".join(map(str, addresses[:_NAMED])) + (f" and {more} more" if more > 0 else "")
