"""From changes to writes: which there are, what each sends and what it waits for."""

from __future__ import annotations

from reconciler.kinds import REGISTRY
from reconciler.model import Operation
from reconciler.planning.order import made_first
from reconciler.planning.steps import Batch, Step, StepKey, field_name, steps
from tests.planning.world import World, at, resource

ACME = resource("dealer:acme")
HQ = resource("site:acme/hq", address1=None)
DOOR = resource("device:acme/hq/door")


def made(world: World) -> dict[StepKey, Step]:
    return {step.key: step for step in steps(world.plan(), list(world.desired.values()), world.surfaces)}


def key(text: str, operation: Operation, part: str | None = None) -> StepKey:
    return StepKey(at(text), operation, part)


def test_a_create_sends_what_is_written_and_children_wait_for_it() -> None:
    found = made(World().converged(ACME).declare(HQ, DOOR))
    assert list(found) == [key("site:acme/hq", "create"), key("device:acme/hq/door", "create")]
    assert found[key("site:acme/hq", "create")].fields == ("name", "timezone")
    assert found[key("device:acme/hq/door", "create")].depends_on == {key("site:acme/hq", "create")}


def test_an_update_sends_the_fields_that_differ_and_not_the_ignored() -> None:
    site = resource("site:acme/hq", account_number="1", ignore=["account_number"])
    world = World().converged(ACME, site).exists(site, name="Other", account_number="2")
    assert made(world)[key("site:acme/hq", "update")].fields == ("name",)


def test_a_security_type_is_a_write_of_its_own_after_the_site() -> None:
    found = made(World().converged(ACME).declare(resource("site:acme/hq", security_type="video")))
    part = found[key("site:acme/hq", "update", "arming_settings")]
    assert part.fields == ("security_type",)
    assert part.depends_on == {key("site:acme/hq", "create")}
    assert found[key("site:acme/hq", "create")].fields == ("name", "timezone")


def test_a_security_type_alone_writes_its_part_alone() -> None:
    site = resource("site:acme/hq", security_type="video")
    found = made(World().converged(ACME, site).exists(site, security_type="alarm_com"))
    assert list(found) == [key("site:acme/hq", "update", "arming_settings")]


def test_a_site_is_updated_before_its_security_type() -> None:
    site = resource("site:acme/hq", security_type="video")
    found = made(World().converged(ACME, site).exists(site, security_type="alarm_com", name="Other"))
    part = found[key("site:acme/hq", "update", "arming_settings")]
    assert part.depends_on == {key("site:acme/hq", "update")}


def test_an_adopt_writes_only_its_differences() -> None:
    world = World().converged(ACME).declare(HQ).exists(HQ, owned=False)
    assert made(world) == {}
    world.exists(HQ, owned=False, name="Other")
    assert list(made(world)) == [key("site:acme/hq", "update")]


def test_a_nested_difference_sends_the_whole_field() -> None:
    nights = resource("schedule:nights", windows=[{"days": ["mon"], "arm": "18:00", "disarm": "08:00"}])
    world = World().converged(nights)
    world.exists(nights, windows=[{"days": ["mon"], "arm": "19:00", "disarm": "08:00"}])
    assert made(world)[key("schedule:nights", "update")].fields == ("windows",)
    assert [field_name(path) for path in ("windows[0].arm", "webhook.events", "name")] == [
        "windows",
        "webhook",
        "name",
    ]


def test_a_replaced_site_goes_after_its_children_and_comes_before_them() -> None:
    world = World().converged(ACME, HQ, DOOR).declare(resource("site:acme/hq", external_id="new"))
    site, door = "site:acme/hq", "device:acme/hq/door"
    assert list(made(world)) == [
        key(door, "delete"),
        key(site, "delete"),
        key(site, "create"),
        key(door, "create"),
    ]
    assert made(world)[key(site, "delete")].depends_on == {key(door, "delete")}
    assert made(world)[key(site, "create")].depends_on == {key(site, "delete")}
    assert made(world)[key(door, "create")].depends_on == {key(site, "create"), key(door, "delete")}


def test_a_delete_beside_a_create_goes_first_but_the_create_does_not_hang_on_it() -> None:
    renamed = resource("device:acme/hq/front-door")
    found = made(World().converged(ACME, HQ).declare(renamed).exists(DOOR))
    create = found[key("device:acme/hq/front-door", "create")]
    assert list(found) == [key("device:acme/hq/door", "delete"), create.key]
    assert create.depends_on == frozenset()
    assert create.after == {key("device:acme/hq/door", "delete")}


def test_a_site_waits_for_the_station_it_refers_to() -> None:
    station = resource("monitoring_station:acme/zulu")
    site = resource(
        "site:acme/hq", monitoring_station=str(station.address), references=[str(station.address)]
    )
    found = made(World().converged(ACME).declare(site, station))
    assert found[key("site:acme/hq", "create")].depends_on == {key("monitoring_station:acme/zulu", "create")}


def test_a_station_is_deleted_after_the_last_site_has_left_it() -> None:
    old, new = "monitoring_station:acme/old", "monitoring_station:acme/new"
    site = resource("site:acme/hq", monitoring_station=new, references=[new])
    world = World().converged(ACME).declare(site, resource(new)).exists(resource(old))
    world.exists(site, monitoring_station=old)
    assert list(made(world)) == [key(new, "create"), key("site:acme/hq", "update"), key(old, "delete")]
    assert made(world)[key(old, "delete")].depends_on == {key("site:acme/hq", "update")}


def test_a_station_in_use_is_made_anew_before_its_sites_turn_to_it_and_the_old_one_goes_last() -> None:
    name = "monitoring_station:acme/central"
    site = resource("site:acme/hq", monitoring_station=name, references=[name], name="New")
    world = World().converged(ACME, resource(name), site).exists(site, name="Old")
    found = made(world.declare(resource(name, external_id="central-2")))
    assert list(found) == [key(name, "create"), key("site:acme/hq", "update"), key(name, "delete")]
    assert found[key(name, "create")].depends_on == frozenset()
    assert found[key("site:acme/hq", "update")].depends_on == {key(name, "create")}
    assert found[key(name, "delete")].depends_on == {key(name, "create"), key("site:acme/hq", "update")}


def test_a_site_that_leaves_a_station_which_is_replaced_does_so_before_the_old_one_goes() -> None:
    old, new = "monitoring_station:acme/old", "monitoring_station:acme/new"
    site = resource("site:acme/hq", monitoring_station=new, references=[new])
    world = World().converged(ACME, resource(new)).declare(site, resource(old, external_id="old-2"))
    world.exists(resource(old)).exists(site, monitoring_station=old)
    assert made(world)[key(old, "delete")].depends_on == {
        key(old, "create"),
        key("site:acme/hq", "update"),
    }


def test_what_is_made_anew_first_never_keeps_its_external_id() -> None:
    """Else the server could not hold both: nothing but a new external id may force its replacement."""
    assert [kind.name for kind in REGISTRY.values() if made_first(kind.name)] == ["monitoring_station"]
    assert not any(kind.immutable for kind in REGISTRY.values() if made_first(kind.name))


def test_writes_to_one_bulk_endpoint_share_a_batch_and_others_have_none() -> None:
    devices = [resource(f"device:acme/{site}/{name}") for site in ("hq", "east") for name in ("a", "b")]
    found = made(World().converged(ACME).declare(HQ, resource("site:acme/east"), *devices))
    batches = [step.batch for step in found.values() if step.address.kind == "device"]
    assert set(batches) == {
        Batch("device", "create", at("site:acme/hq")),
        Batch("device", "create", at("site:acme/east")),
    }
    assert found[key("site:acme/hq", "create")].batch is None


def test_every_step_names_its_change() -> None:
    world = World().converged(ACME, HQ).exists(DOOR).declare(resource("device:acme/hq/gate"))
    plan = world.plan()
    for step in steps(plan, list(world.desired.values()), world.surfaces):
        assert plan.changes[step.change].address == step.address


def test_a_station_is_deleted_after_every_site_that_may_have_named_it() -> None:
    station, site = resource("monitoring_station:acme/central"), resource("site:acme/hq")
    world = World().converged(ACME, station, site)
    for gone in (station, site):
        del world.desired[gone.address]
    found = made(world)
    delete = found[key("monitoring_station:acme/central", "delete")]
    assert delete.after == {key("site:acme/hq", "delete")}
    assert delete.depends_on == frozenset()
