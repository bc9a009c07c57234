"""What owned resources are called today: dealers by their id, others by ``moved_from``.

A rename changes the ledger only. An object that gets a new name keeps its external id, unless the
manifest writes one: no endpoint is known to change it (chekt-api/README.md section 12.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.errors import PlanError, Problem
from reconciler.kinds import REGISTRY
from reconciler.model import Address, Owned, Resource, Snapshot
from reconciler.planning.scope import chain, collection_of, parent_of


@dataclass(frozen=True, slots=True)
class Moves:
    """``today``: the new address of every row that has one, children included.

    ``renamed``: what was renamed itself, old name and new. ``warnings``: renames that do nothing.
    """

    today: Mapping[Address, Address]
    renamed: tuple[tuple[Address, Address], ...]
    warnings: tuple[str, ...] = ()


def moved(desired: Iterable[Resource], owned: Mapping[Address, Owned]) -> Moves:
    """The owned addresses that go by another name in the manifests.

    What is adopted by the id the user writes (a dealer) is the same object under whatever name, and
    what is owned below it follows. Without this a renamed dealer would look like a removed one beside
    a new one, and everything below it would be deleted under its old address. Raises PlanError where
    two owned objects would have one name, or an object would have to move to another parent.
    """
    resources = list(desired)
    today = {address: address for address in owned}
    renamed: dict[Address, Address] = {}
    warnings: list[str] = []
    problems: list[Problem] = []
    by_kind: dict[str, list[Resource]] = {}
    for resource in resources:
        if resource.identity.moved_from or REGISTRY[resource.address.kind].adopted:
            by_kind.setdefault(resource.address.kind, []).append(resource)
    for name in REGISTRY:  # parents first: what stands below a renamed site is renamed under its new name
        asked = by_kind.get(name)
        if not asked:
            continue
        if REGISTRY[name].adopted:
            steps = _by_remote_id(asked, owned)
        else:
            steps = _by_former_name(asked, set(today.values()), renamed, resources, warnings, problems)
        renamed |= steps
        if steps:
            today = {before: _followed(now, steps) for before, now in today.items()}
    if problems:
        raise PlanError.of(problems)
    changed = {before: now for before, now in today.items() if before != now}
    return Moves(changed, tuple(renamed.items()), tuple(warnings))


def _by_remote_id(desired: Iterable[Resource], owned: Mapping[Address, Owned]) -> dict[Address, Address]:
    names: dict[tuple[str, str | None], Address] = {
        (each.address.kind, each.remote_id): each.address for each in desired if each.remote_id
    }
    return {
        address: now
        for address, row in owned.items()
        if (now := names.get((address.kind, row.remote_id))) not in (None, address)
    }


def _by_former_name(
    asked: Iterable[Resource],
    present: set[Address],
    above: Mapping[Address, Address],
    resources: Sequence[Resource],
    warnings: list[str],
    problems: list[Problem],
) -> dict[Address, Address]:
    """The renames of one kind. ``present``: what is owned, under the names its parents have today."""
    wanted = {
        _as_of_today(source, resource, above): resource
        for resource in asked
        for source in resource.identity.moved_from
    }
    targets: dict[Address, list[Address]] = {}
    for source, resource in wanted.items():
        targets.setdefault(resource.address, []).append(source)
    declared = {each.address for each in resources}
    steps: dict[Address, Address] = {}

    def free(address: Address) -> bool:
        """True when nothing owned has the name, or what has it is renamed itself."""
        return address not in present or (address in wanted and free(wanted[address].address))

    for target, sources in targets.items():
        resource = wanted[sources[0]]
        owned_sources = [source for source in sources if source in present]
        if not owned_sources:
            if target not in present:
                named = " or ".join(map(str, sources))
                warnings.append(
                    f"{target}: moved_from names {named}, which is not owned here; what was renamed again "
                    "before an apply lists every earlier name"
                )
            continue
        source = owned_sources[0]
        above_source = parent_of(source)
        if not free(target):
            if source not in declared:
                problems.append(_both_owned(resource, source))
        elif above_source is not None and above_source != parent_of(target):
            problems.append(_elsewhere(resource, source))
        else:
            steps[source] = target
    return steps


def _as_of_today(source: Address, resource: Resource, above: Mapping[Address, Address]) -> Address:
    """An earlier name under the name its parent has today; a bare id stands under it already."""
    if parent_of(source) == parent_of(resource.address):
        return source
    return _followed(source, above)


def _both_owned(resource: Resource, source: Address) -> Problem:
    return Problem(
        f"{resource.address} was to be renamed from {source}, but both are owned: two objects",
        resource.source,
        f"Remove moved_from, and declare {source} again unless it is to be deleted.",
        resource.address,
    )


def _elsewhere(resource: Resource, source: Address) -> Problem:
    return Problem(
        f"{resource.address} cannot be moved from {source}: an object stays under its parent",
        resource.source,
        "Remove moved_from; it is then deleted there and made here.",
        resource.address,
    )


def _followed(address: Address, steps: Mapping[Address, Address]) -> Address:
    """``address`` with the innermost renamed step of its path replaced."""
    step = next((step for step in chain(address) if step in steps), None)
    if step is None:
        return address
    return Address(address.kind, (*steps[step].path, *address.path[len(step.path) :]))


def readdressed(owned: Mapping[Address, Owned], moves: Mapping[Address, Address]) -> Mapping[Address, Owned]:
    """``owned`` under the names of today. A row that has its name of today already stays as it is."""
    if not moves:
        return owned
    rows = {address: row for address, row in owned.items() if address not in moves}
    for before, now in moves.items():
        rows.setdefault(now, replace(owned[before], address=now))
    return dict(sorted(rows.items()))


def spoken(moves: Moves, desired: Sequence[Resource]) -> tuple[str, ...]:
    """What a plan says of names that changed: an apply writes them to the ledger, and nothing else."""
    kept = {each.address: each.external_id for each in desired if not each.identity.named}
    said = [
        f"{before} is called {now} now; what is owned below it follows"
        + (f"; its external id stays {kept[now]}" if kept.get(now, now.id) != now.id else "")
        for before, now in moves.renamed
    ]
    return (*said, *moves.warnings)


def identified(desired: Sequence[Resource], owned: Mapping[Address, Owned]) -> tuple[Resource, ...]:
    """``desired`` with what the ledger says of the objects they are."""
    known = {address: row.external_id for address, row in owned.items()}
    return keeping_external_ids(taking_over(desired, owned), known)


def as_found(desired: Sequence[Resource], snapshot: Snapshot) -> tuple[Resource, ...]:
    """``desired``, where what is taken over by CHeKT's id keeps the external id it was found with."""
    taken = (each.address for each in desired if each.identity.adopt == each.remote_id is not None)
    return keeping_external_ids(
        desired,
        {address: live.external_id for address in taken if (live := snapshot.objects.get(address))},
    )


def taking_over(desired: Sequence[Resource], owned: Mapping[Address, Owned]) -> tuple[Resource, ...]:
    """``desired``, where what is to be adopted names CHeKT's id as long as the ledger owns nothing there."""
    return tuple(
        replace(each, remote_id=each.identity.adopt) if _to_adopt(each, owned) else each for each in desired
    )


def _to_adopt(resource: Resource, owned: Mapping[Address, Owned]) -> bool:
    if resource.identity.adopt is None:
        return False
    row = owned.get(resource.address)
    return row is None or row.remote_id is None


def keeping_external_ids(
    desired: Sequence[Resource], known: Mapping[Address, str | None]
) -> tuple[Resource, ...]:
    """``desired``, where an external id that is not written is the one the object is ``known`` to have.

    Raises PlanError where that makes two resources want one external id.
    """
    kept = {
        each.address: external_id
        for each in desired
        if not each.identity.named
        and (external_id := known.get(each.address)) is not None
        and external_id != each.external_id
    }
    if not kept:
        return tuple(desired)
    found = tuple(
        replace(each, external_id=kept[each.address]) if each.address in kept else each for each in desired
    )
    _refuse_shared(found, kept.keys())
    return found


def _refuse_shared(desired: Sequence[Resource], kept: Iterable[Address]) -> None:
    keepers = set(kept)
    collections = {collection_of(address) for address in keepers}
    first: dict[tuple[object, str], Resource] = {}
    problems = []
    for each in sorted(desired, key=lambda each: each.address not in keepers):
        collection = collection_of(each.address)
        if collection not in collections:
            continue
        other = first.setdefault((collection, each.external_id), each)
        if other is not each:
            problems.append(
                Problem(
                    f'{other.address} still has the external id "{each.external_id}" in the account, '
                    f"and {each.address} would get the same",
                    each.source,
                    f"Write external_id in {each.address}.",
                    each.address,
                )
            )
    if problems:
        raise PlanError.of(problems)
