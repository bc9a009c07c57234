"""What holds for every plan, whatever is declared, exists and is ours."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.errors import PlanError
from reconciler.model import Action, Owned, Plan, Resource
from reconciler.planning.ownership import owns
from reconciler.planning.scope import parent_of
from reconciler.planning.steps import steps
from tests.planning.world import World, live_of, resource

STATIONS = ("central", "north")
NAMES = st.sampled_from(["Alpha", "Beta"])
PRESENCE = st.sampled_from(["nowhere", "declared", "live", "owned", "converged", "drifted", "lost", "gone"])
"""``live``: not declared, not ours. ``owned``: ours, not declared. ``lost``: the ledger's, recreated by
another hand. ``gone``: declared, the ledger's, not live."""


@st.composite
def resources(draw: st.DrawFn) -> list[Resource]:
    """Sites with devices and contacts, stations they refer to, a calendar and a schedule."""
    found = [resource(f"monitoring_station:acme/{name}", name=draw(NAMES)) for name in STATIONS]
    for site in ("hq", "branch"):
        station = draw(st.sampled_from([None, *STATIONS]))
        extra = (
            {"security_type": draw(st.sampled_from(["video", "alarm_com"]))} if draw(st.booleans()) else {}
        )
        if station is not None:
            extra["monitoring_station"] = f"monitoring_station:acme/{station}"
        found.append(
            resource(
                f"site:acme/{site}",
                name=draw(NAMES),
                external_id=draw(st.sampled_from([None, "moved"])),
                references=[extra["monitoring_station"]] if station is not None else [],
                **extra,
            )
        )
        for device in ("door", "gate"):
            kind = draw(st.sampled_from(["camera", "bridge"]))
            found.append(resource(f"device:acme/{site}/{device}", device_type=kind, name=draw(NAMES)))
        found.append(resource(f"contact:acme/{site}/john", first_name=draw(NAMES)))
    found.append(resource("calendar:days"))
    found.append(resource("schedule:nights", references=["calendar:days"], calendars=["days"]))
    return found


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A dealer that is ours, and around it anything in any state of presence."""
    world = World().converged(resource("dealer:acme"))
    for each in draw(resources()):
        presence = draw(PRESENCE)
        parent = parent_of(each.address)
        if presence in ("declared", "converged", "drifted", "lost", "gone"):
            world.declare(each)
        if presence in ("nowhere", "declared") or (parent is not None and parent not in world.objects):
            continue
        if presence == "gone":
            world.owned[each.address] = Owned(each.address, "before", each.external_id)
            continue
        before = {
            "name": "Drifted",
            "device_type": "camera",
            "first_name": "Drifted",
            "security_type": "video",
        }
        drift = {name: value for name, value in before.items() if name in each.fields}
        world.exists(each, owned=presence != "live", **(drift if presence == "drifted" else {}))
        if presence == "drifted" and each.address.kind == "site":
            world.objects[each.address] = replace(world.objects[each.address], external_id="original")
        if presence == "lost":
            world.objects[each.address] = replace(live_of(each), remote_id="another")
    return world


def planned(world: World) -> Plan:
    """The plan of ``world``; worlds for which none may be made are not examples."""
    try:
        return world.plan()
    except PlanError:
        assume(condition=False)
        raise


PROFILE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@PROFILE
@given(worlds())
def test_after_an_apply_nothing_is_left_to_change(world: World) -> None:
    world.apply(planned(world))
    assert world.plan().changes == ()


@PROFILE
@given(worlds())
def test_nothing_is_deleted_or_replaced_without_proof_of_ownership(world: World) -> None:
    for change in planned(world).changes:
        if change.action in (Action.DELETE, Action.REPLACE):
            assert owns(change.address, world.objects[change.address], world.owned, None)
            assert change.precondition is not None


@PROFILE
@given(worlds())
def test_nothing_that_is_declared_is_deleted_and_no_parent_takes_along_what_is_not_in_the_plan(
    world: World,
) -> None:
    made = planned(world)
    going = {each.address for each in made.changes if each.action in (Action.DELETE, Action.REPLACE)}
    deleted = {each.address for each in made.changes if each.action is Action.DELETE}
    assert not deleted & world.desired.keys()
    assert all(address in going for address in world.objects if parent_of(address) in going)


@PROFILE
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(world: World, chance: random.Random) -> None:
    made = planned(world)
    for table in (world.desired, world.objects, world.owned):
        entries = list(table.items())
        chance.shuffle(entries)
        table.clear()
        table.update(entries)
    assert world.plan() == made


@PROFILE
@given(worlds())
def test_every_step_stands_after_what_it_waits_for(world: World) -> None:
    made = planned(world)
    seen = set()
    for step in steps(made, list(world.desired.values()), world.surfaces):
        assert step.depends_on | step.after <= seen
        seen.add(step.key)
        assert made.changes[step.change].address == step.address


@PROFILE
@given(worlds())
def test_changes_stand_in_the_order_they_are_made(world: World) -> None:
    changes = planned(world).changes
    place = {change.address: number for number, change in enumerate(changes)}
    for change in changes:
        parent = parent_of(change.address)
        if parent not in place:
            continue
        child_first = place[change.address] < place[parent]
        if change.action is not Action.DELETE:
            assert not child_first
        elif changes[place[parent]].action in (Action.DELETE, Action.REPLACE):
            assert child_first
