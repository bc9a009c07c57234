"""Which scopes the manifests need of a partner's token, and which it lacks (chekt-api/README.md 2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.chekt.probe import TokenSeen
from reconciler.diagnosis.check import Check, Result
from reconciler.diagnosis.walk import Walk
from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Verb, scope_for
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, JsonValue, Resource

_NAMED = 3


def needed(resources: Sequence[Resource], served: Surfaces) -> dict[str, list[Address]]:
    """Scope -> the resources that need it: to read them, to make and change them, and one day to delete them.

    What is only adopted is read, and changed where a field of it is written.
    """
    found: dict[str, list[Address]] = {}
    for resource in resources:
        kind, binding = REGISTRY[resource.address.kind], served.binding(resource.address.kind)
        if binding is None:
            continue
        changed = not kind.adopted or any(name in kind.managed for name in resource.fields)
        verbs: dict[Verb, bool] = {
            "read": binding.readable,
            "create": binding.create is not None and not kind.adopted,
            "update": binding.update is not None and changed,
            "delete": binding.delete is not None and not kind.adopted,
        }
        for verb, wanted in verbs.items():
            scope = scope_for(binding, verb) if wanted else None
            if scope is not None:
                found.setdefault(scope, []).append(resource.address)
    return found


def scope_check(resources: Sequence[Resource], walk: Walk) -> Check:
    """Whether the token may do what the manifests ask for."""
    wanted = needed(resources, walk.served)
    token = walk.probe.token
    if token is None or not token.given or token.scopes is None:
        return _by_refusals(walk, token)
    missing = {scope: whose for scope, whose in wanted.items() if scope not in token.scopes}
    facts: dict[str, JsonValue] = {
        "needed": sorted(wanted),
        "missing": {scope: [str(each) for each in whose] for scope, whose in sorted(missing.items())},
    }
    if not missing:
        seen = f"The token has all {len(wanted)} scopes the manifests need; none is known for "
        return Check(
            "scopes",
            Result.OK,
            f"{seen}webhooks, arming settings and verifications; arming goes by dealer keys.",
            facts=facts,
        )
    urgent = [scope for scope in missing if not scope.startswith("delete:")]
    listed = _listed(missing)
    if urgent:
        to_do = f"Ask CHeKT to grant them to this client: {' '.join(sorted(missing))}"
        return Check("scopes", Result.FAILED, f"The token lacks {listed}.", to_do, facts=facts)
    to_do = "Nothing as long as nothing is deleted; ask CHeKT to grant them before."
    return Check("scopes", Result.WARNING, f"The token lacks {listed}.", to_do, facts=facts)


def _by_refusals(walk: Walk, token: TokenSeen | None) -> Check:
    """The token does not say: reads that were refused do."""
    if token is None or not token.given:
        return Check("scopes", Result.UNKNOWN, "There is no token to look at.")
    refused = sorted({str(read.endpoint) for read in walk.reads if read.seen.status == 403})
    if refused:
        return Check(
            "scopes",
            Result.FAILED,
            f"The token may not read: {', '.join(refused)} answers 403.",
            "Ask CHeKT to grant this client the scopes for it.",
            facts={"refused": refused},
        )
    seen = "The token does not name its scopes; every read was allowed, writes are not tried."
    return Check("scopes", Result.UNKNOWN, seen)


def _listed(missing: Mapping[str, Sequence[Address]]) -> str:
    """The scopes, those that the same resources need together."""
    together: dict[tuple[Address, ...], list[str]] = {}
    for scope, whose in sorted(missing.items()):
        together.setdefault(tuple(whose), []).append(scope)
    return "; ".join(f"{', '.join(names)}, for {_some(whose)}" for whose, names in together.items())


def _some(addresses: Sequence[Address]) -> str:
    more = len(addresses) - _NAMED
    return ", ".join(map(str, addresses[:_NAMED])) + (f" and {more} more" if more > 0 else "")
