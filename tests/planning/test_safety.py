"""What a plan may never do, and how much it may do at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import PlanError, UnsafePlanError
from reconciler.model import Address, Collection, Owned, Snapshot
from reconciler.planning.safety import Policy
from reconciler.planning.scope import Scope
from tests.planning.world import EVERYTHING, PARTNER, World, at, resource

ACME = resource("dealer:acme")
HQ = resource("site:acme/hq")
STRICT = Policy(accept="provisional")


def cameras(count: int, **fields: str) -> list:
    return [resource(f"device:acme/hq/d{n:03}", zone_number=f"{n:03}", **fields) for n in range(count)]


def world_of(owned: int, *, removed: int = 0, updated: int = 0, policy: Policy = STRICT) -> World:
    """A site with ``owned`` cameras of ours, of which some are no longer declared, some differ."""
    devices = cameras(owned, name="Camera")
    world = World(policy=policy).converged(ACME, HQ, *devices)
    for device in devices[:removed]:
        del world.desired[device.address]
    for device in devices[removed : removed + updated]:
        world.exists(device, name="Other")
    return world


def messages(world: World, scope: Scope = EVERYTHING) -> list[str]:
    try:
        world.plan(scope)
    except UnsafePlanError as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("owned", "removed", "refused"),
    [
        (4, 4, False),  # a share of fewer than five says nothing
        (5, 1, False),
        (5, 2, True),  # 40 %
        (10, 3, False),  # exactly 30 %
        (10, 4, True),
        (100, 10, False),
        (100, 11, True),  # over the count, though only 11 %
    ],
)
def test_deletes_are_capped_by_count_and_share(owned: int, removed: int, *, refused: bool) -> None:
    assert bool(messages(world_of(owned, removed=removed))) is refused


@pytest.mark.parametrize(
    ("owned", "updated", "refused"), [(4, 4, False), (5, 3, True), (10, 5, False), (10, 6, True)]
)
def test_updates_are_capped_by_share(owned: int, updated: int, *, refused: bool) -> None:
    assert bool(messages(world_of(owned, updated=updated))) is refused


def test_replaces_count_as_deletes() -> None:
    world = world_of(10)
    for device in cameras(4, name="Camera"):
        world.exists(device, device_type="bridge")
    assert messages(world) == [
        "the plan deletes or replaces 4 of 10 owned devices; safety.max_delete_percent is 30"
    ]


@pytest.mark.parametrize(("allowed", "refused"), [(None, True), (10, True), (11, False), (12, True)])
def test_allow_deletes_lifts_the_caps_only_when_it_is_the_plans_total(
    allowed: int | None, *, refused: bool
) -> None:
    policy = replace(STRICT, allow_deletes=allowed)
    assert bool(messages(world_of(20, removed=11, policy=policy))) is refused


def test_both_caps_are_named_at_once() -> None:
    found = messages(world_of(20, removed=11))
    assert len(found) == 2
    assert "max_delete_count is 10" in found[0]
    assert "max_delete_percent is 30" in found[1]


def test_objects_known_to_be_gone_do_not_dilute_the_share() -> None:
    world = world_of(10, removed=2)
    for device in cameras(10)[5:]:
        del world.desired[device.address], world.objects[device.address]
    assert messages(world) == [
        "the plan deletes or replaces 2 of 5 owned devices; safety.max_delete_percent is 30"
    ]


@pytest.mark.parametrize(
    ("guard", "guarded"),
    [
        ("manifest", "site:acme/hq"),
        ("ledger", "site:acme/hq"),
        ("ledger", "device:acme/hq/d000"),
        ("ledger", "dealer:acme"),
    ],
)
def test_a_protected_parent_protects_its_children_wherever_the_flag_is(guard: str, guarded: str) -> None:
    world = world_of(4, removed=1)
    if guard == "ledger":
        world.owned[at(guarded)] = replace(world.owned[at(guarded)], protect=True)
    else:
        world.declare(resource(guarded, protect=True))
    (message,) = messages(world)
    assert message.startswith("device:acme/hq/d000 would be deleted, ")
    assert "protected" in message


def test_a_protected_resource_is_not_replaced_either() -> None:
    bridge = resource("device:acme/hq/door", device_type="bridge", protect=True)
    world = World().converged(ACME, HQ, bridge).exists(bridge, device_type="camera")
    assert messages(world) == ["device:acme/hq/door would be replaced, which is protected"]


def test_allow_deletes_does_not_lift_protection() -> None:
    world = world_of(4, removed=1, policy=replace(STRICT, allow_deletes=1))
    world.owned[HQ.address] = replace(world.owned[HQ.address], protect=True)
    assert messages(world)


def test_a_protected_portal_resource_is_not_given_to_a_person_to_remove() -> None:
    world = World(PARTNER).converged(ACME)
    app = at("app:acme/ai")
    world.owned[app] = Owned(app, None, None, protect=True, attested={"name": "x"})
    assert messages(world) == ["app:acme/ai would be deleted, which is protected"]


class TestInhabitedSites:
    """A site takes its children along, so it stays when one of them is not ours."""

    DOOR = resource("device:acme/hq/door")

    def test_an_empty_site_of_ours_is_deleted(self) -> None:
        assert messages(World().converged(ACME).exists(HQ)) == []

    def test_a_site_with_our_children_is_deleted_with_them(self) -> None:
        world = World().converged(ACME).exists(HQ).exists(self.DOOR)
        assert world.actions() == {"device:acme/hq/door": "delete", "site:acme/hq": "delete"}

    def test_a_site_with_a_foreign_child_is_not_deleted_and_the_child_is_named(self) -> None:
        world = World().converged(ACME).exists(HQ).exists(self.DOOR, owned=False)
        assert messages(world) == [
            "site:acme/hq would be deleted, but it holds what is not ours: device:acme/hq/door"
        ]

    def test_a_declared_child_that_is_not_ours_yet_stops_a_replace_too(self) -> None:
        world = World().converged(ACME, HQ).declare(self.DOOR, resource("site:acme/hq", external_id="new"))
        world.exists(self.DOOR, owned=False)
        with pytest.raises(PlanError, match="device:acme/hq/door exists, is not owned"):
            world.plan()

    def test_a_child_left_out_by_an_exclude_keeps_the_site(self) -> None:
        world = World().converged(ACME).exists(HQ).exists(self.DOOR)
        (message,) = messages(world, Scope((), ("device:**",)))
        assert message.endswith("this run leaves out what it holds: device:acme/hq/door")

    def test_a_site_whose_children_were_not_read_stays(self) -> None:
        class Unread(World):
            @property
            def snapshot(self) -> Snapshot:
                sites = frozenset({Collection("site", Address("dealer", ("acme",)))})
                return Snapshot(self.objects, sites)

        world = Unread()
        world.converged(ACME).exists(HQ)
        assert "its devices and contacts were not read" in messages(world)[0]


class TestReferencedStations:
    """A site whose station goes away has nobody to receive its alarms."""

    CENTRAL = resource("monitoring_station:acme/central")
    SITE = resource(
        "site:acme/hq",
        monitoring_station="monitoring_station:acme/central",
        references=["monitoring_station:acme/central"],
    )

    def test_a_station_that_a_live_site_keeps_is_not_deleted(self) -> None:
        world = World().converged(ACME, HQ).exists(self.CENTRAL).exists(self.SITE)
        assert messages(world) == [
            "monitoring_station:acme/central would be deleted, but site:acme/hq still refers to it"
        ]

    def test_a_station_goes_once_its_sites_are_turned_elsewhere(self) -> None:
        elsewhere = resource("site:acme/hq", monitoring_station=None)
        world = World().converged(ACME, elsewhere).exists(self.CENTRAL).exists(self.SITE)
        order = list(world.actions().items())
        assert order == [("site:acme/hq", "update"), ("monitoring_station:acme/central", "delete")]

    def test_a_station_is_not_replaced_under_a_site_that_is_out_of_scope(self) -> None:
        world = World().converged(ACME, self.CENTRAL, self.SITE)
        world.declare(resource("monitoring_station:acme/central", external_id="new"))
        (message,) = messages(world, Scope(("monitoring_station:**",)))
        assert message.endswith("would be replaced, but site:acme/hq still refers to it")


def test_a_lifted_protection_takes_an_apply_of_its_own_and_the_way_is_named() -> None:
    site, door = resource("site:acme/hq"), resource("device:acme/hq/door")
    world = World().converged(ACME, site, door)
    world.owned[site.address] = replace(world.owned[site.address], protect=True)
    del world.desired[door.address]
    with pytest.raises(UnsafePlanError) as caught:
        world.plan()
    assert "--exclude 'device:acme/hq/door'" in caught.value.hint
