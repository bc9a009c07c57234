"""A project's targets, the overrides that hold for them, and what a plan does to their weeks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler import ledger
from reconciler.arming.before import KINDS, before
from reconciler.arming.fleet import Fleet, Overrides
from reconciler.arming.project import TargetKey, targets
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.arming.weekly import WeekChange, week_changes
from reconciler.manifests import Project
from reconciler.model import Address, Owned, Plan, Snapshot
from reconciler.planning.scope import EVERYTHING, Scope


def fleet_of(project: Project, scope: Scope = EVERYTHING) -> Fleet:
    """The targets of ``project`` inside ``scope``. Raises ManifestError."""
    found = targets(project.resources, project.attachments)
    return Fleet([target for target in found if scope.covers(Address.parse(target.address))])


def overrides_of(rows: Iterable[ledger.Override], fleet: Fleet) -> Overrides:
    """The overrides of the ledger, ``rows`` in the order they were given, by the targets they hold for.

    One for a whole site holds for each of its partitions too, below the partition's own. One whose target
    no schedule arms any more holds for nothing.
    """
    of_site: dict[str, list[TargetKey]] = {}
    for target in fleet.targets:
        of_site.setdefault(target.address, []).append(target.key)
    found: dict[TargetKey, list[Override]] = {}
    for row in sorted(rows, key=lambda row: row.partition is not None):
        order = Override(State.of(row.state), row.until, row.reason, row.created_at)
        for key in of_site.get(str(row.target), ()):
            if row.partition is None or row.partition == key.partition:
                found.setdefault(key, []).append(order)
    return found


def weeks_of(
    made: Plan,
    project: Project,
    snapshot: Snapshot,
    owned: Mapping[Address, Owned],
    base: Project | None = None,
) -> tuple[WeekChange, ...]:
    """The arming weeks that ``made`` changes, from what was read for it and what people have attested.

    ``base``: the project as it was, where that is at hand: it alone knows of another assignment. Raises
    ManifestError for schedules of the project that cannot be told.
    """
    seen = {address: row.attested for address, row in owned.items() if row.attested is not None}
    live = {address: one.fields for address, one in snapshot.objects.items() if address.kind in KINDS}
    texts = [*project.attachments.values(), *(base.attachments.values() if base is not None else ())]
    declared = base.resources if base is not None else None
    old = before(made.changes, project.resources, {**seen, **live}, declared, texts)
    return week_changes(old, project.resources, project.attachments, made.created_at)
