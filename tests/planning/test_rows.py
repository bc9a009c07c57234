"""What an apply changes in the ledger besides its writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.kinds.surfaces import surfaces
from reconciler.model import Owned
from reconciler.planning.rows import forgotten, protections
from reconciler.planning.scope import Scope
from tests.planning.world import DEALER_SURFACE, EVERYTHING, PARTNER, World, at, resource

ACME = resource("dealer:acme")
HQ = resource("site:acme/hq")
DOOR = resource("device:acme/hq/door")


def dropped(world: World, scope: Scope = EVERYTHING) -> list[str]:
    found = forgotten(list(world.desired.values()), world.snapshot, world.owned, world.surfaces, scope)
    return [str(each) for each in found]


def test_a_row_is_kept_while_its_object_lives_or_is_declared() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    assert dropped(world) == []
    del world.objects[HQ.address]
    assert str(HQ.address) not in dropped(world)


def test_a_row_whose_object_is_proven_gone_is_dropped() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    del world.objects[DOOR.address]
    assert dropped(world) == ["device:acme/hq/door"]
    assert dropped(world, Scope(("dealer:other",))) == []
    assert dropped(world, Scope(("dealer:acme",))) == ["device:acme/hq/door"]


def test_children_of_a_site_that_is_gone_are_gone_with_it() -> None:
    world = World().converged(ACME).exists(HQ).exists(DOOR)
    del world.objects[HQ.address], world.objects[DOOR.address]
    assert dropped(world) == ["device:acme/hq/door", "site:acme/hq"]


def test_a_row_is_kept_where_nobody_looked() -> None:
    world = World()
    world.owned[DOOR.address] = Owned(DOOR.address, "1", "door")
    assert dropped(world) == []


def test_a_child_is_kept_while_its_site_lives_and_its_own_collection_is_unread() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    del world.objects[DOOR.address]
    snapshot = world.snapshot
    unread = replace(snapshot, collections=frozenset(c for c in snapshot.collections if c.kind != "device"))
    assert forgotten(list(world.desired.values()), unread, world.owned, world.surfaces, EVERYTHING) == ()


def test_a_dealer_is_released_once_nothing_of_ours_is_below_it() -> None:
    world = World().exists(ACME).exists(HQ)
    assert dropped(world) == []
    del world.owned[HQ.address]
    assert dropped(world) == ["dealer:acme"]


def test_a_read_only_site_is_released_unless_it_is_protected() -> None:
    world = World(DEALER_SURFACE).declare(ACME).exists(HQ)
    assert dropped(world) == ["site:acme/hq"]
    world.owned[HQ.address] = replace(world.owned[HQ.address], protect=True)
    assert dropped(world) == []


@pytest.mark.parametrize(
    "endpoint", [{"create": "POST /ext/v1/sites"}, {"delete": "DELETE /ext/v1/sites/{site_id}"}]
)
def test_a_site_that_can_be_written_somehow_is_not_released(endpoint: dict[str, str]) -> None:
    writable = surfaces("dealer", sandbox=False, corrections={"site": endpoint})
    assert dropped(World(writable).declare(ACME).exists(HQ)) == []


def test_an_attested_resource_is_kept_until_a_person_removed_it() -> None:
    world = World(PARTNER).converged(ACME)
    app = at("app:acme/ai")
    world.owned[app] = Owned(app, None, None, attested={"name": "x"})
    assert dropped(world) == []


def test_protection_follows_the_manifest_of_what_is_still_declared() -> None:
    world = World().converged(ACME, resource("site:acme/hq", protect=True)).exists(DOOR)
    world.owned[DOOR.address] = replace(world.owned[DOOR.address], protect=True)
    found = protections(list(world.desired.values()), world.owned, Scope())
    assert found == {HQ.address: True}
    world.owned[HQ.address] = replace(world.owned[HQ.address], protect=True)
    assert protections([HQ], world.owned, Scope()) == {HQ.address: False}
    assert protections([HQ], world.owned, Scope(("site:acme/hq",))) == {HQ.address: False}
    assert protections([HQ], world.owned, Scope(("site:acme/shop",))) == {}
