"""Which collections a run reads: the least that proves what the plan will say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Owned
from reconciler.planning import reads
from reconciler.planning.scope import Scope
from tests.planning.world import DEALER_SURFACE, EVERYTHING, PARTNER, SANDBOX, World, at, resource

ACME = resource("dealer:acme")
HQ = resource("site:acme/hq")
DOOR = resource("device:acme/hq/door")
JOHN = resource("contact:acme/hq/john")


def read(world: World, scope: Scope = EVERYTHING, prefix: str | None = None) -> list[str]:
    """Everything that is asked for, in the engine's order, each as text."""
    desired = list(world.desired.values())
    arguments = (desired, world.owned, world.surfaces, scope)
    found = [str(each) for each in reads.dealers(*arguments)]
    first = reads.first_collections(*arguments)
    found += [f"{each.kind} of {each.parent}" for each in first]
    for kind in ("dealer", "site"):
        parents = {address: live for address, live in world.objects.items() if address.kind == kind}
        under = reads.child_collections(*arguments, parents, owned_prefix=prefix)
        found += [f"{each.kind} of {each.parent}" for each in under]
    parts = reads.parts_to_read(desired, world.surfaces, scope, world.objects)
    return found + [f"{part} of {address}" for address, part in parts]


def test_nothing_named_nothing_read() -> None:
    assert read(World()) == []


def test_only_kinds_that_are_named_are_read() -> None:
    assert read(World().converged(ACME, HQ)) == ["dealer:acme", "site of dealer:acme"]


def test_children_are_read_where_they_are_declared_or_owned() -> None:
    branch = resource("site:acme/branch")
    world = World().converged(ACME, HQ, branch, DOOR).exists(resource("contact:acme/branch/ann"))
    assert read(world) == [
        "dealer:acme",
        "site of dealer:acme",
        "device of site:acme/hq",
        "contact of site:acme/branch",
    ]


def test_an_empty_list_of_children_is_read_too() -> None:
    assert "device of site:acme/hq" in read(
        World().converged(ACME, resource("site:acme/hq", declares=["device"]))
    )


def test_children_of_a_site_that_does_not_exist_are_not_read() -> None:
    assert read(World().converged(ACME).declare(HQ, DOOR)) == ["dealer:acme", "site of dealer:acme"]


def test_nothing_is_read_below_a_dealer_that_is_not_there() -> None:
    assert read(World().declare(ACME, HQ)) == ["dealer:acme"]


@pytest.mark.parametrize("reason", ["deleted", "replaced"])
def test_all_children_of_a_site_that_may_go_are_read(reason: str) -> None:
    world = World().converged(ACME, HQ)
    if reason == "deleted":
        del world.desired[HQ.address]
    else:
        world.declare(resource("site:acme/hq", external_id="new"))
    assert read(world)[2:] == ["device of site:acme/hq", "contact of site:acme/hq"]


def test_children_of_a_foreign_site_are_not_read() -> None:
    assert read(World().converged(ACME, HQ).exists(resource("site:acme/x"), owned=False)) == [
        "dealer:acme",
        "site of dealer:acme",
    ]


def test_children_of_a_site_owned_by_its_prefix_are_read() -> None:
    site = resource("site:acme/x", external_id="ours-x")
    world = World().converged(ACME, HQ).exists(site, owned=False)
    assert "contact of site:acme/x" in read(world, prefix="ours-")


def test_a_part_is_read_where_one_of_its_fields_is_written() -> None:
    video = resource("site:acme/hq", security_type="video")
    assert read(World().converged(ACME, video))[-1] == "arming_settings of site:acme/hq"
    assert "arming_settings of site:acme/hq" not in read(World().converged(ACME).declare(video))


def test_a_target_reads_its_own_collections_and_those_above() -> None:
    world = World().converged(ACME, HQ, DOOR, JOHN, resource("webhook:feed", url="https://a.example.com"))
    assert read(world, Scope(("device:acme/hq/door",))) == [
        "dealer:acme",
        "site of dealer:acme",
        "device of site:acme/hq",
    ]


def test_a_referenced_station_is_read_even_when_it_is_out_of_scope() -> None:
    central = resource("monitoring_station:acme/central")
    site = resource(
        "site:acme/hq", monitoring_station=str(central.address), references=[str(central.address)]
    )
    found = read(World().converged(ACME, central, site), Scope(("site:acme/hq",)))
    assert "monitoring_station of dealer:acme" in found


def test_on_the_dealer_surface_sites_are_read_without_their_dealer() -> None:
    world = World(DEALER_SURFACE).declare(ACME).converged(HQ, JOHN)
    assert read(world) == ["site of dealer:acme", "contact of site:acme/hq"]


def test_a_site_without_a_dealer_stands_on_its_own() -> None:
    world = World(DEALER_SURFACE).converged(resource("site:hq"), resource("contact:hq/john"))
    assert read(world) == ["site of None", "contact of site:hq"]


@pytest.mark.parametrize(("surfaces", "found"), [(PARTNER, []), (SANDBOX, ["schedule of None"])])
def test_what_only_the_portal_keeps_is_read_on_the_sandbox_alone(
    surfaces: Surfaces, found: list[str]
) -> None:
    assert read(World(surfaces).declare(resource("schedule:nights"))) == found


def test_an_owned_dealer_is_read_as_long_as_something_of_ours_is_below_it() -> None:
    world = World().exists(ACME).exists(HQ)
    assert read(world)[:2] == ["dealer:acme", "site of dealer:acme"]


def test_a_row_of_a_kind_that_no_longer_exists_is_no_reason_to_read() -> None:
    world = World()
    world.owned[at("elevator:x")] = Owned(at("elevator:x"), "1", "x")
    assert read(world) == []


def test_a_site_that_was_recreated_by_another_hand_is_not_ours_to_look_into() -> None:
    world = World().converged(ACME, HQ)
    del world.desired[HQ.address]
    world.objects[HQ.address] = replace(world.objects[HQ.address], remote_id="another")
    assert read(world) == ["dealer:acme", "site of dealer:acme"]
