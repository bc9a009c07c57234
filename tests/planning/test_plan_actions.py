"""Which change follows from what is declared, what exists and what is ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import PlanError, UnsafePlanError, UnsupportedError
from reconciler.model import Action, Change, Collection, Owned, Replaced, SecretRef, Snapshot
from reconciler.planning.order import ordered
from reconciler.planning.scope import Scope
from tests.planning.world import DEALER_SURFACE, PARTNER, World, at, live_of, resource

ACME = resource("dealer:acme")
HQ = resource("site:acme/hq")
DOOR = resource("device:acme/hq/door")
CENTRAL = resource("monitoring_station:acme/central")


def fields(world: World, address: str) -> dict[str, tuple[object, object]]:
    return {each.path: (each.before, each.after) for each in world.changes()[address].fields}


def test_nothing_to_do_is_an_empty_plan() -> None:
    world = World().converged(ACME, CENTRAL, HQ, DOOR)
    made = world.plan()
    assert made.empty
    assert made.requests.write == 0
    assert made.warnings == ()


def test_what_is_declared_and_missing_is_created_with_every_written_field() -> None:
    world = World().converged(ACME).declare(HQ, DOOR)
    assert world.actions() == {"site:acme/hq": "create", "device:acme/hq/door": "create"}
    change = world.changes()["site:acme/hq"]
    assert fields(world, "site:acme/hq") == {
        "name": (None, "Headquarters"),
        "timezone": (None, "Asia/Seoul"),
    }
    assert change.precondition is None
    assert change.source == HQ.source
    assert change.reason == ""


def test_a_null_field_is_not_sent_when_creating() -> None:
    world = World().converged(ACME).declare(resource("site:acme/hq", address1=None))
    assert "address1" not in fields(world, "site:acme/hq")


def test_what_the_ledger_owned_and_is_gone_is_created_again_and_says_so() -> None:
    world = World().converged(ACME, HQ)
    del world.objects[HQ.address]
    assert world.changes()["site:acme/hq"].reason == "it was deleted outside"


def test_only_written_fields_are_managed() -> None:
    world = World().converged(ACME, HQ).exists(HQ, account_number="by hand", name="Other")
    assert fields(world, "site:acme/hq") == {"name": ("Other", "Headquarters")}


def test_null_clears_a_field() -> None:
    cleared = resource("site:acme/hq", address1=None)
    world = World().converged(ACME, cleared).exists(cleared, address1="Main street")
    assert fields(world, "site:acme/hq") == {"address1": ("Main street", None)}


def test_an_existing_object_that_is_not_owned_is_adopted_together_with_its_differences() -> None:
    world = World().converged(ACME).declare(HQ).exists(HQ, owned=False, name="Other")
    change = world.changes()["site:acme/hq"]
    assert change.action is Action.ADOPT
    assert fields(world, "site:acme/hq") == {"name": ("Other", "Headquarters")}
    assert change.endpoints[0].method == "PATCH"


def test_an_adopt_without_differences_relies_on_no_endpoint() -> None:
    world = World().converged(ACME).declare(HQ).exists(HQ, owned=False)
    change = world.changes()["site:acme/hq"]
    assert (change.action, change.fields, change.endpoints) == (Action.ADOPT, (), ())


def test_an_object_recreated_outside_is_adopted_anew() -> None:
    world = World().converged(ACME, HQ)
    world.objects[HQ.address] = replace(live_of(HQ), remote_id="another")
    change = world.changes()["site:acme/hq"]
    assert change.action is Action.ADOPT
    assert change.reason.endswith("under this name; another is not owned yet")


def test_an_owned_object_that_is_no_longer_declared_is_deleted() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    assert world.actions() == {"device:acme/hq/door": "delete"}
    assert world.changes()["device:acme/hq/door"].precondition is not None


def test_an_object_that_is_not_ours_is_listed_and_left_alone() -> None:
    world = World().converged(ACME, HQ).exists(DOOR, owned=False)
    made = world.plan()
    assert made.empty
    assert made.unmanaged == (DOOR.address,)


def test_a_recreated_undeclared_object_is_not_ours_and_stays() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    world.objects[DOOR.address] = replace(live_of(DOOR), remote_id="another")
    assert world.plan().empty
    assert world.plan().unmanaged == (DOOR.address,)


def test_an_external_id_prefix_proves_ownership_too() -> None:
    mine = resource("device:acme/hq/door", external_id="ours-door")
    world = World().converged(ACME, HQ).exists(mine, owned=False)
    world.policy = replace(world.policy, owned_prefix="ours-")
    world.exists(resource("device:acme/hq/gate"), owned=False)
    assert world.actions() == {"device:acme/hq/door": "delete"}
    assert world.plan().unmanaged == (at("device:acme/hq/gate"),)


def test_an_owned_object_outside_the_collections_that_were_read_is_not_deleted() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    snapshot = world.snapshot
    kept = frozenset(each for each in snapshot.collections if each.kind != "device")
    assert replace_snapshot(world, replace(snapshot, collections=kept)).plan().empty


def test_absence_is_only_believed_in_a_collection_that_was_read() -> None:
    world = World().converged(ACME).declare(HQ)
    unread = Snapshot({ACME.address: live_of(ACME)}, frozenset({Collection("device", HQ.address)}))
    with pytest.raises(PlanError, match="was not looked for"):
        replace_snapshot(world, unread).plan()


def replace_snapshot(world: World, snapshot: Snapshot) -> World:
    class Unread(World):
        @property
        def snapshot(self) -> Snapshot:
            return snapshot

    return Unread(world.surfaces, world.policy, world.desired, world.objects, world.owned)


def test_a_row_of_an_object_that_is_gone_changes_nothing() -> None:
    world = World().converged(ACME, HQ).exists(DOOR)
    del world.objects[DOOR.address]
    assert world.plan().empty


def test_a_value_the_server_replaced_is_no_drift_until_one_side_moves() -> None:
    world = World().converged(ACME, HQ).exists(HQ, name="HEADQUARTERS")
    row = world.owned[HQ.address]
    world.owned[HQ.address] = replace(row, replaced={"name": Replaced("Headquarters", "HEADQUARTERS")})
    assert world.plan().empty
    world.exists(HQ, name="moved")
    world.owned[HQ.address] = replace(row, replaced={"name": Replaced("Headquarters", "HEADQUARTERS")})
    assert fields(world, "site:acme/hq") == {"name": ("moved", "Headquarters")}
    world.declare(resource("site:acme/hq", name="New")).exists(HQ, name="HEADQUARTERS")
    world.owned[HQ.address] = replace(row, replaced={"name": Replaced("Headquarters", "HEADQUARTERS")})
    assert fields(world, "site:acme/hq") == {"name": ("HEADQUARTERS", "New")}


def test_an_immutable_value_that_the_server_replaced_replaces_nothing() -> None:
    world = World().converged(ACME, HQ, DOOR).exists(DOOR, device_type="bridge")
    row = world.owned[DOOR.address]
    world.owned[DOOR.address] = replace(row, replaced={"device_type": Replaced("camera", "bridge")})
    assert world.plan().empty


def test_ignored_differences_alone_are_a_warning_and_nothing_is_pending() -> None:
    ignoring = resource("site:acme/hq", account_number="1", ignore=["account_number"])
    world = World().converged(ACME, ignoring).exists(ignoring, account_number="2")
    made = world.plan()
    assert made.empty
    assert made.warnings == (
        (
            'site:acme/hq: account_number is "2" in the account and "1" in the manifest; '
            "lifecycle.ignore leaves it"
        ),
    )


def test_ignored_differences_are_shown_beside_others_and_marked() -> None:
    ignoring = resource("site:acme/hq", account_number="1", ignore=["account_number"])
    world = World().converged(ACME, ignoring).exists(ignoring, account_number="2", name="Other")
    shown = {each.path: each.ignored for each in world.changes()["site:acme/hq"].fields}
    assert shown == {"name": False, "account_number": True}


class TestSecrets:
    HOOK = resource(
        "webhook:feed", url="https://hooks.example.com/a", events=["site.armed"], secret=SecretRef("env", "S")
    )

    def world(self, sent: str, now: str) -> World:
        world = World().converged(self.HOOK)
        world.owned[self.HOOK.address] = replace(world.owned[self.HOOK.address], secrets={"secret": sent})
        world.secrets[self.HOOK.address] = {"secret": now}
        return world

    def test_an_unchanged_digest_is_no_change(self) -> None:
        assert self.world("d1", "d1").plan().empty

    def test_a_changed_digest_is_an_update_that_shows_nothing(self) -> None:
        (change,) = self.world("d1", "d2").plan().changes
        (shown,) = change.fields
        assert (shown.path, shown.before, shown.after, shown.secret) == ("secret", "***", "***", True)

    def test_adopting_writes_the_secret_since_the_live_one_is_unknown(self) -> None:
        world = World().declare(self.HOOK).exists(self.HOOK, owned=False)
        world.secrets[self.HOOK.address] = {"secret": "d1"}
        (change,) = world.plan().changes
        assert [each.path for each in change.fields] == ["secret"]

    def test_a_created_secret_is_masked(self) -> None:
        world = World().declare(self.HOOK)
        shown = {each.path: each.after for each in world.changes()["webhook:feed"].fields}
        assert shown["secret"] == "***"


class TestReplace:
    BRIDGE = resource("device:acme/hq/door", device_type="bridge")

    def test_an_immutable_field_replaces_an_owned_object(self) -> None:
        world = World().converged(ACME, HQ, self.BRIDGE).exists(self.BRIDGE, device_type="camera")
        change = world.changes()["device:acme/hq/door"]
        assert change.action is Action.REPLACE
        assert change.reason == "device_type cannot be changed in place"
        assert {use.method for use in change.endpoints} == {"POST", "DELETE"}

    def test_what_is_not_ours_is_never_replaced(self) -> None:
        world = World().converged(ACME, HQ).declare(self.BRIDGE)
        world.exists(self.BRIDGE, owned=False, device_type="camera")
        with pytest.raises(PlanError, match="is not owned and cannot be adopted as written: device_type"):
            world.plan()

    def test_a_changed_external_id_replaces_a_site_and_its_children(self) -> None:
        moved = resource("site:acme/hq", external_id="new-id")
        world = World().converged(ACME, HQ, DOOR).declare(moved)
        assert world.actions() == {"site:acme/hq": "replace", "device:acme/hq/door": "replace"}
        assert fields(world, "site:acme/hq") == {"external_id": ("hq", "new-id")}
        assert world.changes()["device:acme/hq/door"].reason == "site:acme/hq is replaced"

    def test_an_ignored_immutable_field_replaces_nothing(self) -> None:
        ignoring = resource("device:acme/hq/door", device_type="bridge", ignore=["device_type"])
        world = World().converged(ACME, HQ, ignoring).exists(ignoring, device_type="camera")
        assert world.plan().empty

    def test_a_site_that_refers_to_a_replaced_station_is_pointed_at_the_new_one(self) -> None:
        station = "monitoring_station:acme/central"
        site = resource("site:acme/hq", monitoring_station=station, references=[station])
        world = World().converged(ACME, CENTRAL, site)
        world.declare(resource(station, external_id="new-id"))
        assert world.actions() == {station: "replace", "site:acme/hq": "update"}
        old = world.objects[CENTRAL.address].remote_id
        assert fields(world, "site:acme/hq") == {"monitoring_station": (old, station)}


class TestOrder:
    """Changes stand in the order in which they are made."""

    def test_children_are_deleted_before_their_site(self) -> None:
        world = World().converged(ACME).exists(HQ).exists(DOOR)
        assert list(world.actions()) == ["device:acme/hq/door", "site:acme/hq"]

    def test_an_undeclared_child_goes_before_its_site_is_replaced(self) -> None:
        world = World().converged(ACME, HQ).exists(DOOR).declare(resource("site:acme/hq", external_id="new"))
        assert list(world.actions()) == ["device:acme/hq/door", "site:acme/hq"]

    def test_a_delete_frees_what_a_create_beside_it_may_claim(self) -> None:
        world = World().converged(ACME, HQ).exists(DOOR).declare(resource("device:acme/hq/a-door"))
        assert list(world.actions()) == ["device:acme/hq/door", "device:acme/hq/a-door"]

    def test_a_target_comes_before_what_refers_to_it_wherever_it_stands(self) -> None:
        station = "monitoring_station:acme/central"
        site = resource("site:aaa", monitoring_station=station, references=[station])
        changes = [Change(each.address, Action.CREATE) for each in (site, CENTRAL)]
        assert [str(each.address) for each in ordered(changes, {site.address: site})] == [station, "site:aaa"]


def test_a_webhook_is_known_by_its_url_in_any_spelling() -> None:
    hook = resource("webhook:feed", url="https://hooks.example.com/A", events=["site.armed"])
    world = World().converged(hook)
    world.objects[hook.address] = replace(
        world.objects[hook.address], external_id="HTTPS://Hooks.example.com/A"
    )
    assert world.plan().empty
    world.objects[hook.address] = replace(
        world.objects[hook.address], external_id="https://hooks.example.com/B"
    )
    assert world.changes()["webhook:feed"].reason == "url cannot be changed in place"


class TestDealers:
    def test_a_dealer_that_is_not_there_needs_a_person(self) -> None:
        world = World().declare(ACME, HQ)
        with pytest.raises(PlanError, match="dealer:acme is not in the account") as caught:
            world.plan()
        assert caught.value.source == ACME.source
        assert "needs a person" in caught.value.hint

    def test_a_dealer_is_adopted_and_updated_like_anything_else(self) -> None:
        named = resource("dealer:acme", company_name="Acme")
        world = World().declare(named).exists(named, owned=False, company_name="ACME Inc")
        assert world.actions() == {"dealer:acme": "adopt"}

    def test_a_dealer_that_is_no_longer_declared_is_released_not_deleted(self) -> None:
        made = World().exists(ACME).plan()
        assert made.empty
        assert made.warnings == ("dealer:acme is no longer declared; it stays connected and is released",)


class TestPortalKinds:
    """Apps on a real host: only a person can change them."""

    APP = resource("app:acme/ai", name="Verifier")

    def world(self, attested: dict[str, object] | None) -> World:
        world = World(PARTNER).converged(ACME).declare(self.APP)
        if attested is not None:
            world.owned[self.APP.address] = Owned(self.APP.address, None, None, attested=attested)
        return world

    def test_a_portal_kind_is_a_manual_change_with_steps(self) -> None:
        change = self.world(None).changes()["app:acme/ai"]
        assert change.action is Action.MANUAL
        assert "Settings, CHeKT Apps, ai" in change.steps[0]
        assert change.steps[-1] == "Then run: reconciler attest app:acme/ai"
        assert change.endpoints == ()

    def test_what_was_attested_is_settled(self) -> None:
        assert self.world(dict(self.APP.fields)).plan().empty

    def test_a_difference_to_what_was_attested_is_shown_from_it(self) -> None:
        world = self.world({"name": "Old", "permissions": ["devices:read"]})
        assert fields(world, "app:acme/ai") == {"name": ("Old", "Verifier")}

    def test_an_attested_resource_that_is_no_longer_declared_is_removed_by_a_person(self) -> None:
        world = self.world(dict(self.APP.fields))
        del world.desired[self.APP.address]
        change = world.changes()["app:acme/ai"]
        assert change.action is Action.MANUAL
        assert change.steps[0] == "In the portal, remove the app ai of acme."


class TestDealerSurface:
    """Sites and devices can be read there, contacts written."""

    def world(self) -> World:
        return World(DEALER_SURFACE).declare(ACME)

    def test_what_does_not_exist_cannot_be_created_and_all_are_named(self) -> None:
        world = self.world().declare(HQ, resource("site:acme/branch"))
        with pytest.raises(UnsupportedError, match="2 reasons") as caught:
            world.plan()
        assert [str(each.address) for each in caught.value.problems] == ["site:acme/branch", "site:acme/hq"]

    def test_a_difference_is_left_to_a_person(self) -> None:
        world = self.world().declare(HQ).exists(HQ, name="Other")
        change = world.changes()["site:acme/hq"]
        assert change.action is Action.MANUAL
        assert "Site Settings" in change.steps[0]

    def test_fields_that_are_not_shown_are_not_compared_and_that_is_said(self) -> None:
        world = self.world().declare(HQ).exists(HQ, timezone="UTC")
        made = world.plan()
        assert made.empty
        assert made.warnings == (
            "site:acme/hq: the dealer surface does not show timezone, so it is not compared",
        )

    def test_a_site_that_is_no_longer_declared_is_released(self) -> None:
        made = self.world().exists(HQ).plan()
        assert made.empty
        assert "released" in made.warnings[0]

    def test_a_field_of_the_other_surface_is_an_error_on_a_writable_kind(self) -> None:
        john = resource("contact:acme/hq/john", title="Manager")
        world = World().converged(ACME, HQ).declare(john)
        with pytest.raises(UnsupportedError, match="title of contact:acme/hq/john exists only on the dealer"):
            world.plan()

    def test_contacts_are_created_under_a_site_that_is_read_only(self) -> None:
        world = self.world().converged(HQ).declare(resource("contact:acme/hq/john", title="Manager"))
        assert world.actions() == {"contact:acme/hq/john": "create"}


class TestGrades:
    def world(self, accept: str) -> World:
        world = World(PARTNER).converged(ACME, HQ).exists(HQ, name="Other")
        world.policy = replace(world.policy, accept=accept)  # type: ignore[arg-type]
        return world

    def test_an_endpoint_below_the_accepted_grade_is_refused_with_the_setting_named(self) -> None:
        with pytest.raises(UnsupportedError, match=r"PATCH /partner/v1/.* is inferred only") as caught:
            self.world("documented").plan()
        assert "environments.staging.accept: inferred" in caught.value.hint

    def test_an_accepted_grade_is_used(self) -> None:
        assert self.world("inferred").actions() == {"site:acme/hq": "update"}

    def test_the_sandbox_accepts_every_grade(self) -> None:
        world = self.world("observed")
        world.surfaces = World().surfaces
        assert world.actions() == {"site:acme/hq": "update"}

    def test_a_security_type_relies_on_both_endpoints_lowest_grade_first(self) -> None:
        video = resource("site:acme/hq", security_type="video")
        world = World().converged(ACME, video).exists(video, security_type="alarm_com", name="Other")
        uses = world.changes()["site:acme/hq"].endpoints
        assert [use.grade for use in uses] == ["inferred", "documented"]
        assert uses[1].path.endswith("/arming-settings")

    def test_a_security_type_alone_relies_on_its_own_endpoint_only(self) -> None:
        video = resource("site:acme/hq", security_type="video")
        world = World().converged(ACME, video).exists(video, security_type="alarm_com")
        assert [use.path.split("/")[-1] for use in world.changes()["site:acme/hq"].endpoints] == [
            "arming-settings"
        ]


class TestScope:
    def test_a_target_leaves_everything_else_alone(self) -> None:
        other = resource("site:acme/branch")
        world = World().converged(ACME).declare(HQ, DOOR, other)
        assert set(world.actions(Scope(("site:acme/hq",)))) == {"site:acme/hq", "device:acme/hq/door"}

    def test_a_target_that_matches_nothing_is_an_error_with_the_near_spelling(self) -> None:
        world = World().converged(ACME, HQ)
        with pytest.raises(PlanError, match="--target site:acme/hk matches no resource") as caught:
            world.plan(Scope(("site:acme/hk",)))
        assert "site:acme/hq" in caught.value.hint

    def test_an_exclude_that_matches_nothing_is_a_warning(self) -> None:
        made = World().converged(ACME, HQ).plan(Scope((), ("site:acme/hk",)))
        assert made.warnings == ("--exclude site:acme/hk matches no resource",)

    def test_a_child_whose_site_is_missing_and_out_of_scope_cannot_be_planned(self) -> None:
        world = World().converged(ACME).declare(HQ, DOOR)
        with pytest.raises(PlanError, match="needs site:acme/hq, which does not exist and is not in scope"):
            world.plan(Scope(("device:acme/hq/door",)))

    def test_a_reference_to_a_station_that_is_missing_and_out_of_scope_cannot_be_planned(self) -> None:
        station = "monitoring_station:acme/central"
        site = resource("site:acme/hq", monitoring_station=station, references=[station])
        world = World().converged(ACME).declare(site, CENTRAL).exists(site, monitoring_station=None)
        with pytest.raises(PlanError, match="needs monitoring_station:acme/central"):
            world.plan(Scope(("site:acme/hq",)))
        assert world.actions() == {station: "create", "site:acme/hq": "update"}

    def test_a_schedule_that_a_site_names_locally_need_not_exist_for_the_site(self) -> None:
        nights = resource("schedule:nights")
        site = resource("site:acme/hq", arming={"schedule": "nights"}, references=["schedule:nights"])
        world = World().converged(ACME).declare(site, nights)
        assert world.actions(Scope(("site:acme/hq",))) == {"site:acme/hq": "create"}


def test_a_plan_carries_where_it_came_from_and_until_when_it_holds() -> None:
    made = World().converged(ACME, HQ).plan(warnings=["b", "a", "b"])
    assert (made.environment, made.surface, made.project) == ("staging", "partner", "examples")
    assert (made.expires_at - made.created_at).total_seconds() == 3600
    assert made.warnings == ("a", "b")


def test_the_estimate_counts_bulk_writes_once_a_site() -> None:
    devices = [resource(f"device:acme/hq/d{n}", zone_number=f"{n:03}") for n in range(5)]
    made = World().converged(ACME).declare(HQ, *devices).plan()
    assert (made.requests.read, made.requests.write) == (3, 2)
    assert made.requests.seconds == 5.0


def test_a_protected_or_inhabited_site_is_refused_with_all_reasons_at_once() -> None:
    world = World().converged(ACME).exists(HQ).exists(DOOR, owned=False)
    world.owned[HQ.address] = replace(world.owned[HQ.address], protect=True)
    with pytest.raises(UnsafePlanError) as caught:
        world.plan()
    messages = " | ".join(each.message for each in caught.value.problems)
    assert "which is protected" in messages
    assert "holds what is not ours: device:acme/hq/door" in messages
    assert at("site:acme/hq") in {each.address for each in caught.value.problems}
