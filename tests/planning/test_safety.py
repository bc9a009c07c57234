"""What a plan may never do, and how much it may do at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import PlanError, Problem, UnsafePlanError
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


def problems(world: World, scope: Scope = EVERYTHING) -> list[Problem]:
    try:
        world.plan(scope)
    except UnsafePlanError as error:
        return list(error.problems)
    return []


def messages(world: World, scope: Scope = EVERYTHING) -> list[str]:
    return [problem.message for problem in problems(world, scope)]


def read_and_allow(total: int) -> str:
    return f"Read the plan; if every one of its deletes is meant, add --allow-deletes {total}."


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


def test_both_caps_are_named_at_once_with_the_way_out() -> None:
    assert problems(world_of(20, removed=11)) == [
        Problem(
            "the plan deletes or replaces 11 of 20 owned devices; safety.max_delete_count is 10",
            hint=read_and_allow(11),
        ),
        Problem(
            "the plan deletes or replaces 11 of 20 owned devices; safety.max_delete_percent is 30",
            hint=read_and_allow(11),
        ),
    ]


def test_too_many_updates_name_the_setting_and_the_way_out() -> None:
    assert problems(world_of(10, updated=6)) == [
        Problem(
            "the plan updates 6 of 10 owned or adopted devices; safety.max_update_percent is 50",
            hint="Read the plan; apply it in parts with --target, or raise safety.max_update_percent.",
        )
    ]


@pytest.mark.parametrize(("updated", "refused"), [(5, False), (6, True)])
def test_a_lost_ledger_does_not_open_the_account_to_any_number_of_updates(
    updated: int, *, refused: bool
) -> None:
    world = world_of(10, updated=updated)
    world.owned.clear()
    assert bool(messages(world)) is refused


def test_allow_deletes_does_not_lift_the_cap_on_updates() -> None:
    policy = replace(STRICT, allow_deletes=1)
    assert messages(world_of(10, removed=1, updated=6, policy=policy)) == [
        "the plan updates 6 of 10 owned or adopted devices; safety.max_update_percent is 50"
    ]


class TestObjectsThatAreOursByPrefix:
    """An external id with the prefix of reconciler.yaml proves ownership without a ledger row."""

    POLICY = replace(STRICT, owned_prefix="ours-")

    def test_they_are_deleted_when_nothing_declares_them_and_count_for_the_share(self) -> None:
        world = World(policy=self.POLICY).converged(ACME, HQ)
        for n in range(6):
            world.exists(resource(f"device:acme/hq/d{n}", external_id=f"ours-{n}"), owned=False)
        world.exists(resource("device:acme/hq/foreign", external_id="theirs"), owned=False)
        assert messages(world) == [
            "the plan deletes or replaces 6 of 6 owned devices; safety.max_delete_percent is 30"
        ]

    def test_what_the_ledger_owns_too_is_counted_once(self) -> None:
        world = World(policy=self.POLICY).converged(ACME, HQ)
        kept = [resource(f"device:acme/hq/d{n}", external_id=f"ours-{n}") for n in range(4)]
        world.converged(*kept)
        world.exists(resource("device:acme/hq/d4", external_id="ours-4"), owned=False)
        del world.desired[kept[0].address]
        assert messages(world) == [
            "the plan deletes or replaces 2 of 5 owned devices; safety.max_delete_percent is 30"
        ]

    def test_a_site_goes_with_the_children_that_the_prefix_proves(self) -> None:
        world = World(policy=self.POLICY).converged(ACME).exists(HQ)
        world.exists(resource("device:acme/hq/door", external_id="ours-door"), owned=False)
        assert world.actions() == {"device:acme/hq/door": "delete", "site:acme/hq": "delete"}


class TestDealersThatWentMissing:
    """A dealer that no manifest declares any more takes nothing along: a file is gone, not a fleet."""

    def world(self, allow: int | None = None) -> World:
        world = World(policy=replace(STRICT, allow_deletes=allow))
        world.converged(resource("dealer:other"), resource("site:other/yard"))
        return world.exists(ACME).exists(HQ).exists(resource("device:acme/hq/door"))

    def test_what_is_below_it_is_not_deleted_and_is_counted(self) -> None:
        assert problems(self.world()) == [
            Problem(
                "dealer:acme is not declared any more, and the plan deletes 2 of the objects below it",
                hint=read_and_allow(2),
                address=ACME.address,
            )
        ]

    def test_the_exact_number_of_deletes_says_that_it_is_meant(self) -> None:
        assert self.world(allow=2).actions() == {"device:acme/hq/door": "delete", "site:acme/hq": "delete"}

    def test_another_number_does_not(self) -> None:
        assert len(messages(self.world(allow=3))) == 1

    def test_changes_below_a_dealer_that_is_declared_are_no_concern_of_it(self) -> None:
        world = World(policy=STRICT).converged(ACME, HQ).exists(resource("device:acme/hq/door"))
        world.exists(HQ, name="Other")
        assert world.actions() == {"site:acme/hq": "update", "device:acme/hq/door": "delete"}


def test_objects_known_to_be_gone_do_not_dilute_the_share() -> None:
    world = world_of(10, removed=2)
    for device in cameras(10)[5:]:
        del world.desired[device.address], world.objects[device.address]
    assert messages(world) == [
        "the plan deletes or replaces 2 of 5 owned devices; safety.max_delete_percent is 30"
    ]


DECLARED = "Apply once with --exclude 'device:acme/hq/d000', which lifts the protection, and then again."
PROTECTED = "Declare {} without lifecycle.protect and apply that first."


@pytest.mark.parametrize(
    ("guard", "guarded", "what", "hint"),
    [
        ("manifest", "site:acme/hq", "and site:acme/hq is protected", PROTECTED.format("site:acme/hq")),
        ("ledger", "site:acme/hq", "and site:acme/hq is protected", DECLARED),
        (
            "ledger",
            "device:acme/hq/d000",
            "which is protected",
            PROTECTED.format("device:acme/hq/d000"),
        ),
        ("ledger", "dealer:acme", "and dealer:acme is protected", DECLARED),
    ],
)
def test_a_protected_parent_protects_its_children_wherever_the_flag_is(
    guard: str, guarded: str, what: str, hint: str
) -> None:
    world = world_of(4, removed=1)
    if guard == "ledger":
        world.owned[at(guarded)] = replace(world.owned[at(guarded)], protect=True)
    else:
        world.declare(resource(guarded, protect=True))
    door = at("device:acme/hq/d000")
    assert problems(world) == [Problem(f"{door} would be deleted, {what}", hint=hint, address=door)]


def test_a_protected_resource_is_not_replaced_either() -> None:
    bridge = resource("device:acme/hq/door", device_type="bridge", protect=True)
    world = World().converged(ACME, HQ, bridge).exists(bridge, device_type="camera")
    assert problems(world) == [
        Problem(
            "device:acme/hq/door would be replaced, which is protected",
            source=bridge.source,
            hint="Declare device:acme/hq/door without lifecycle.protect and apply that first.",
            address=bridge.address,
        )
    ]


def test_every_protected_resource_is_named_whatever_stands_before_it_in_the_plan() -> None:
    """An update and a replace that nothing guards come first; the guarded ones are all found."""
    doors = [resource(f"device:acme/hq/d{n}", protect=n > 1) for n in range(4)]
    world = World().converged(ACME, HQ, *doors)
    world.exists(doors[0], zone_number="009")
    for door in doors[1:]:
        world.exists(door, device_type="bridge")
    assert messages(world) == [
        "device:acme/hq/d2 would be replaced, which is protected",
        "device:acme/hq/d3 would be replaced, which is protected",
    ]


def test_a_protected_resource_may_still_be_updated() -> None:
    site = resource("site:acme/hq", name="Headquarters", protect=True)
    world = World(policy=STRICT).converged(ACME, site).exists(site, name="Other")
    assert world.actions() == {"site:acme/hq": "update"}


def test_a_protected_portal_resource_that_is_declared_may_be_changed_by_a_person() -> None:
    app = resource("app:acme/ai", protect=True, permissions=["devices:read"])
    world = World(PARTNER).converged(ACME).declare(app)
    world.owned[app.address] = Owned(app.address, None, None, protect=True, attested={"permissions": []})
    assert world.actions() == {"app:acme/ai": "manual"}


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
        assert problems(world) == [
            Problem(
                "site:acme/hq would be deleted, but it holds what is not ours: device:acme/hq/door",
                hint="Declare these and apply, so that they are owned, or remove them in the portal.",
                address=HQ.address,
            )
        ]

    @pytest.mark.parametrize(
        ("count", "ending"),
        [(10, "d09"), (11, "d09 and 1 more"), (12, "d09 and 2 more")],
    )
    def test_of_many_foreign_children_ten_are_named_and_the_rest_counted(
        self, count: int, ending: str
    ) -> None:
        world = World().converged(ACME).exists(HQ)
        for n in range(count):
            world.exists(resource(f"device:acme/hq/d{n:02}"), owned=False)
        (message,) = messages(world)
        assert message.endswith(f"device:acme/hq/{ending}")
        assert message.count(", device:acme/hq/d") == 9

    def test_a_site_that_would_be_replaced_keeps_what_the_run_leaves_out(self) -> None:
        site = resource("site:acme/hq", external_id="new")
        world = World().converged(ACME, HQ, self.DOOR).declare(site)
        assert problems(world, Scope((), ("device:**",))) == [
            Problem(
                "site:acme/hq would be replaced, but this run leaves out what it holds: device:acme/hq/door",
                source=site.source,
                hint="Widen --target or drop the --exclude.",
                address=site.address,
            )
        ]

    def test_a_declared_child_that_is_not_ours_yet_stops_a_replace_too(self) -> None:
        world = World().converged(ACME, HQ).declare(self.DOOR, resource("site:acme/hq", external_id="new"))
        world.exists(self.DOOR, owned=False)
        with pytest.raises(PlanError, match="device:acme/hq/door exists, is not owned"):
            world.plan()

    def test_a_child_left_out_by_an_exclude_keeps_the_site(self) -> None:
        world = World().converged(ACME).exists(HQ).exists(self.DOOR)
        (problem,) = problems(world, Scope((), ("device:**",)))
        assert problem.message.endswith("this run leaves out what it holds: device:acme/hq/door")
        assert problem.hint == "Widen --target or drop the --exclude."

    def test_a_site_whose_children_were_not_read_stays(self) -> None:
        class Unread(World):
            @property
            def snapshot(self) -> Snapshot:
                sites = frozenset({Collection("site", Address("dealer", ("acme",)))})
                return Snapshot(self.objects, sites)

        world = Unread()
        world.converged(ACME).exists(HQ)
        assert problems(world) == [
            Problem(
                "site:acme/hq would be deleted, but its devices and contacts were not read, "
                "so nobody knows what it holds",
                hint="Plan again with this resource in scope.",
                address=HQ.address,
            )
        ]


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
        assert problems(world) == [
            Problem(
                "monitoring_station:acme/central would be deleted, but site:acme/hq still refers to it",
                hint="Change monitoring_station of site:acme/hq in the same plan, or in the portal.",
                address=self.CENTRAL.address,
            )
        ]

    def test_every_site_that_stays_is_looked_at_after_one_that_moves_away(self) -> None:
        first = resource("site:acme/a", monitoring_station=None)
        world = World().converged(ACME, first).exists(self.CENTRAL)
        for name in ("a", "b"):
            live = resource(f"site:acme/{name}", monitoring_station="monitoring_station:acme/central")
            world.exists(live, owned=name == "a")
        assert messages(world) == [
            "monitoring_station:acme/central would be deleted, but site:acme/b still refers to it"
        ]

    def test_a_station_goes_together_with_the_site_that_refers_to_it(self) -> None:
        world = World().converged(ACME).exists(self.CENTRAL).exists(self.SITE)
        assert world.actions() == {"site:acme/hq": "delete", "monitoring_station:acme/central": "delete"}

    def test_a_change_of_another_field_of_the_site_does_not_let_the_station_go(self) -> None:
        other = resource("site:acme/hq", name="Other")
        world = World().converged(ACME, other).exists(self.CENTRAL).exists(self.SITE)
        assert len(messages(world)) == 1

    def test_a_station_in_use_may_be_updated(self) -> None:
        world = World().converged(ACME, self.CENTRAL, self.SITE).exists(self.CENTRAL, name="Other")
        assert world.actions() == {"monitoring_station:acme/central": "update"}

    def test_a_station_goes_once_its_sites_are_turned_elsewhere(self) -> None:
        elsewhere = resource("site:acme/hq", monitoring_station=None)
        world = World().converged(ACME, elsewhere).exists(self.CENTRAL).exists(self.SITE)
        order = list(world.actions().items())
        assert order == [("site:acme/hq", "update"), ("monitoring_station:acme/central", "delete")]

    def test_a_station_is_not_replaced_under_a_site_that_is_out_of_scope(self) -> None:
        world = World().converged(ACME, self.CENTRAL, self.SITE)
        world.declare(resource("monitoring_station:acme/central", external_id="new"))
        (problem,) = problems(world, Scope(("monitoring_station:**",)))
        assert problem.message.endswith("would be replaced, but site:acme/hq still refers to it")
        assert problem.source == self.CENTRAL.source


def test_a_lifted_protection_takes_an_apply_of_its_own_and_the_way_is_named() -> None:
    site, door = resource("site:acme/hq"), resource("device:acme/hq/door")
    world = World().converged(ACME, site, door)
    world.owned[site.address] = replace(world.owned[site.address], protect=True)
    del world.desired[door.address]
    with pytest.raises(UnsafePlanError) as caught:
        world.plan()
    assert "--exclude 'device:acme/hq/door'" in caught.value.hint
