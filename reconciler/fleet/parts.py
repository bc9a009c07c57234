"""A project in parts: the sites of one dealer, with what arms them. A lane's work needs no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.errors import ConfigError
from reconciler.kinds import REGISTRY
from reconciler.ledger import lane_of
from reconciler.manifests import Project
from reconciler.model import Address, Resource
from reconciler.planning.scope import chain

_SHARED = ("schedule", "calendar")


def parts_of(project: Project) -> Mapping[str, Project]:
    """The lanes of ``project``: every dealer that has a site with a schedule, by the dealer's id.

    A lane knows the credentials of its own dealer alone, so that it fails for no other's. Raises ConfigError
    for such a site without a dealer.
    """
    shared: list[Resource] = []
    sites: dict[str, list[Resource]] = {}
    dealers: dict[str, Resource] = {}
    for resource in project.resources:
        if resource.address.kind in _SHARED:
            shared.append(resource)
        elif resource.address.kind == "dealer":
            dealers[resource.address.id] = resource
        elif resource.address.kind == "site" and resource.fields.get("arming"):
            sites.setdefault(lane_of(resource.address), []).append(resource)
    for site in sites.get("", ()):
        raise ConfigError(
            f"{site.address} stands under no dealer, so no lane is its own",
            hint="Write `dealer:` in the site.",
            source=site.source,
            address=site.address,
        )
    return {lane: _part(project, (dealers[lane], *shared, *found)) for lane, found in sorted(sites.items())}


def applied_part(project: Project, lane: str) -> Project:
    """What an apply of ``lane`` needs of ``project``: the dealer, what stands under it, and schedules.

    So a worker needs the secrets and the key of that dealer alone.
    """
    mine = (each for each in project.resources if _concerns(each, lane))
    dealer = next((each for each in project.resources if each.address == Address("dealer", (lane,))), None)
    return _part(project, (*((dealer,) if dealer is not None else ()), *mine))


def _concerns(resource: Resource, lane: str) -> bool:
    return resource.address.kind in _SHARED or lane_of_change(resource.address) == lane


def lane_of_change(address: Address) -> str | None:
    """The lane in which ``address`` is changed; None for what concerns no single dealer."""
    top = next((step for step in chain(address) if REGISTRY[step.kind].parent == "dealer"), None)
    return None if top is None else lane_of(top)


def _part(project: Project, resources: tuple[Resource, ...]) -> Project:
    dealers = [each for each in resources if each.address.kind == "dealer"]
    names = {name for dealer in dealers for name in (dealer.address.id, dealer.remote_id)}
    known = {name: each for name, each in project.environment.dealers.items() if name in names}
    environment = project.environment.model_copy(update={"dealers": known})
    return replace(project, resources=resources, environment=environment)


def prefix_of(lane: str) -> str:
    """How the addresses of the lane's sites begin."""
    return f"site:{lane}/"
