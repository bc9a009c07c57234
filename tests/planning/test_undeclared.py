"""What becomes of objects that no manifest declares: deleted when ours, else left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.kinds.surfaces import surfaces
from reconciler.model import Action, Change, EndpointUse, Owned
from reconciler.planning.digest import precondition
from reconciler.planning.scope import Scope
from tests.planning.world import ANYTHING, DEALER_SURFACE, PARTNER, World, at, live_of, resource

ACME = resource("dealer:acme")
HQ = resource("site:acme/hq")
DOOR = resource("device:acme/hq/door")
HALL = resource("device:acme/hq/hall")


def test_the_delete_says_why_how_and_of_which_object() -> None:
    assert World().converged(ACME, HQ).exists(DOOR).plan().changes == (
        Change(
            DOOR.address,
            Action.DELETE,
            precondition=precondition(live_of(DOOR)),
            endpoints=(
                EndpointUse("DELETE", "/partner/v1/dealers/{dealer_id}/sites/{site_id}/devices", "inferred"),
            ),
            reason="no manifest declares it any more",
        ),
    )


def test_what_lies_outside_the_target_is_neither_deleted_nor_listed() -> None:
    world = World().converged(ACME, HQ).exists(DOOR).exists(HALL)
    world.exists(resource("device:acme/hq/foreign"), owned=False)
    made = world.plan(Scope(("device:acme/hq/door",)))
    assert [str(change.address) for change in made.changes] == ["device:acme/hq/door"]
    assert made.unmanaged == ()


def test_a_dealer_outside_the_target_is_not_spoken_of() -> None:
    world = World().converged(ACME, HQ).exists(resource("dealer:other"))
    assert world.plan(Scope(("site:acme/hq",))).warnings == ()
    assert world.plan(Scope(("dealer:other",))).warnings == (
        "dealer:other is no longer declared; it stays connected and is released",
    )


def test_a_released_dealer_is_told_with_what_is_owned_below_it() -> None:
    world = World().exists(ACME).converged(resource("dealer:other"))
    world.converged(resource("site:other/yard"), resource("site:other/mill"))
    world.owned[HQ.address] = Owned(HQ.address, "17", "hq")
    world.owned[DOOR.address] = Owned(DOOR.address, "18", "door")
    assert world.plan().warnings == (
        "dealer:acme is no longer declared; it stays connected, 2 owned resources are below it",
    )


def test_a_twin_of_what_is_ours_is_never_deleted_whatever_its_prefix() -> None:
    """Nobody can tell from its external id whether it was made by mistake, or who uses it."""
    twin = resource("site:acme/#5", external_id="hq")
    for world in (World().converged(ACME, HQ), World().converged(ACME).exists(HQ)):
        made = world.exists(twin, owned=False).plan(policy=replace(ANYTHING, owned_prefix="h"))
        assert twin.address not in {change.address for change in made.changes}
        assert twin.address in made.unmanaged
        [warning] = [text for text in made.warnings if "site:acme/#5" in text]
        assert warning.startswith("site:acme/#5 has the external id of site:acme/hq and is another object")


class TestASurfaceThatOffersNoDelete:
    """On the dealer surface sites are read-only, unless reconciler.yaml names an endpoint."""

    def test_a_read_only_site_is_released(self) -> None:
        made = World(DEALER_SURFACE).declare(ACME).exists(HQ).plan()
        assert made.changes == ()
        (warning,) = made.warnings
        assert warning == (
            "site:acme/hq is no longer declared; the dealer surface cannot delete it, "
            "so it is released and stays as it is"
        )

    @pytest.mark.parametrize("operation", ["create", "delete"])
    def test_a_site_that_can_be_written_otherwise_is_deleted_by_whoever_can(self, operation: str) -> None:
        method = {"create": "POST /ext/v1/sites", "delete": "DELETE /ext/v1/sites/{site_id}"}[operation]
        corrected = surfaces("dealer", sandbox=False, corrections={"site": {operation: method}})
        (change,) = World(corrected).declare(ACME).exists(HQ).plan().changes
        if operation == "delete":
            assert change.action is Action.DELETE
            return
        assert change == Change(
            HQ.address,
            Action.MANUAL,
            reason="the API offers no way to delete it",
            steps=(
                "In the portal, remove the site hq of acme.",
                "Then run: reconciler attest site:acme/hq",
            ),
        )


class TestWhatOnlyThePortalKeeps:
    """An attested resource that nothing declares is a person's to remove, and once only."""

    def world(self, address: str, *, attested: bool) -> World:
        world = World(PARTNER).converged(ACME)
        fields = {"name": "Verifier"} if attested else None
        world.owned[at(address)] = Owned(at(address), None, None, attested=fields)
        return world

    def test_it_is_a_manual_change_with_steps(self) -> None:
        assert self.world("app:acme/ai", attested=True).plan().changes == (
            Change(
                at("app:acme/ai"),
                Action.MANUAL,
                reason="no manifest declares it any more",
                steps=(
                    "In the portal, remove the app ai of acme.",
                    "Then run: reconciler attest app:acme/ai",
                ),
            ),
        )

    def test_one_that_stands_under_nothing_is_named_alone(self) -> None:
        (change,) = self.world("calendar:holidays", attested=True).plan().changes
        assert change.steps[0] == "In the portal, remove the calendar holidays."

    def test_what_nobody_attested_is_not_there_to_be_removed(self) -> None:
        assert self.world("app:acme/ai", attested=False).plan().empty

    def test_what_the_api_serves_is_never_a_persons_to_remove(self) -> None:
        """A row with attested fields from before the surface served the kind: the object decides."""
        world = World().converged(ACME)
        app = at("app:acme/ai")
        world.owned[app] = Owned(app, None, None, attested={"name": "Verifier"})
        assert world.plan().empty
