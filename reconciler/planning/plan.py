"""From manifests, account and ledger to a plan: what has to happen, in which order, at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from reconciler.errors import PlanError, Problem, UnsafePlanError, UnsupportedError
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import (
    Address,
    Change,
    Owned,
    Plan,
    RequestEstimate,
    Resource,
    Snapshot,
)
from reconciler.planning.declared import Declared
from reconciler.planning.endpoints import Calls, refused_grades, untried_reads
from reconciler.planning.order import ordered
from reconciler.planning.safety import Circumstances, Policy, check
from reconciler.planning.scope import Scope
from reconciler.planning.undeclared import Undeclared


def plan(  # noqa: PLR0913  # everything a plan depends on comes in here, by name
    desired: Sequence[Resource],
    snapshot: Snapshot,
    owned: Mapping[Address, Owned],
    *,
    surfaces: Surfaces,
    policy: Policy,
    scope: Scope,
    secret_digests: Mapping[Address, Mapping[str, str]],
    environment: str,
    config_digest: str,
    now: datetime,
    lifetime: timedelta,
    project: str,
    warnings: Sequence[str] = (),
    rate_per_minute: float,
) -> Plan:
    """What must happen for the account to be as the manifests say. Equal input gives an equal plan.

    ``snapshot``: what ``reads`` asked for; reference fields of live objects hold addresses where the
    target is known. ``secret_digests``: keyed digest of each secret as resolved now. ``now``: aware
    UTC; the plan may be applied until ``now + lifetime``. ``rate_per_minute``: the request budget.

    Raises PlanError (a target that matches nothing, a dealer that is not there), UnsupportedError
    (the surface or the accepted grade forbids a change) and UnsafePlanError (the policy does), each
    with all its reasons.
    """
    resources = {resource.address: resource for resource in desired}
    known = [*resources, *owned, *snapshot.objects]
    scope.check(known)
    around = Circumstances(resources, snapshot, owned, surfaces, policy, scope)
    calls = Calls(surfaces)
    undeclared = Undeclared(around, calls)
    declared = Declared(around, calls, secret_digests, undeclared.going)
    changes = ordered([*declared.changes, *undeclared.changes], resources)
    _raise(declared, refusals=_refusals(changes, around, environment))
    idle = [f"--exclude {glob} matches no resource" for glob in scope.idle_excludes(known)]
    since = scope.changed_since
    unlimited = (
        [f"--changed-since {since.ref}: {since.why}, so this plan is of everything"]
        if since and since.why
        else []
    )
    made = Plan(
        environment=environment,
        surface=surfaces.surface,
        created_at=now,
        expires_at=now + lifetime,
        config_digest=config_digest,
        changes=changes,
        unmanaged=tuple(sorted(undeclared.unmanaged)),
        warnings=tuple(
            sorted(
                {
                    *warnings,
                    *declared.warnings,
                    *undeclared.warnings,
                    *idle,
                    *unlimited,
                    *untried_reads(snapshot, surfaces),
                }
            )
        ),
        requests=_estimate(snapshot.requests, calls.requests(changes), rate_per_minute),
        project=project,
        targets=scope.targets,
        excludes=scope.excludes,
        changed_since=scope.changed_since,
    )
    try:
        check(changes, around)
    except UnsafePlanError as exc:
        exc.refused = made
        raise
    return made


def _refusals(changes: Sequence[Change], around: Circumstances, environment: str) -> list[Problem]:
    """What the accepted grade forbids; the sandbox is ours, so there every grade is good enough."""
    if around.surfaces.sandbox:
        return []
    return refused_grades(changes, around.policy.accept, environment)


def _raise(declared: Declared, refusals: Sequence[Problem]) -> None:
    for kind, problems in (
        (PlanError, sorted(declared.impossible, key=_by_address)),
        (UnsupportedError, [*sorted(declared.unsupported, key=_by_address), *refusals]),
    ):
        if problems:
            raise kind.of(problems)


def _by_address(problem: Problem) -> tuple[str, str]:
    return str(problem.address or ""), problem.message


def _estimate(read: int, write: int, rate_per_minute: float) -> RequestEstimate:
    """``read`` requests were needed to see the account, and an apply needs them again to be sure."""
    return RequestEstimate(read, write, round((read + write) * 60 / rate_per_minute, 1))
