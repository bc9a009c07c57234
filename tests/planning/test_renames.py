"""What an owned object is called today, and which external id it keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import PlanError, Problem
from reconciler.model import Address, Identity, LiveObject, Owned, Resource, Snapshot
from reconciler.planning.renames import (
    Moves,
    as_found,
    identified,
    keeping_external_ids,
    moved,
    readdressed,
    spoken,
    taking_over,
)
from tests.planning.world import at, remote_id, resource

REMOVE = "Remove moved_from; it is then deleted there and made here."


def named(text: str, *former: str, remote: str | None = None) -> Resource:
    """A declared resource that says what it was called before."""
    declared = resource(text)
    return replace(
        declared,
        remote_id=remote or declared.remote_id,
        identity=Identity(moved_from=tuple(map(at, former))),
    )


def rows(*addresses: str) -> dict[Address, Owned]:
    return {at(text): Owned(at(text), remote_id(at(text)), at(text).id) for text in addresses}


def moves(today: dict[str, str], renamed: dict[str, str], *warnings: str) -> Moves:
    return Moves(
        {at(before): at(now) for before, now in today.items()},
        tuple((at(before), at(now)) for before, now in renamed.items()),
        warnings,
    )


@pytest.mark.parametrize(
    ("desired", "owned", "expected"),
    [
        pytest.param(
            [named("dealer:beta", remote="dealer-acme"), named("site:beta/hq")],
            ["dealer:acme", "site:acme/hq", "device:acme/hq/door", "site:other/hq"],
            moves(
                {
                    "dealer:acme": "dealer:beta",
                    "site:acme/hq": "site:beta/hq",
                    "device:acme/hq/door": "device:beta/hq/door",
                },
                {"dealer:acme": "dealer:beta"},
            ),
            id="a dealer is its id, and what is below it follows",
        ),
        pytest.param(
            [named("dealer:acme"), named("dealer:beta", remote="dealer-gone")],
            ["dealer:acme", "site:acme/hq"],
            moves({}, {}),
            id="a dealer by its own name and one that is not owned move nothing",
        ),
        pytest.param(
            [replace(resource("dealer:beta"), remote_id=None)],
            ["webhook:feed"],
            moves({}, {}),
            id="a dealer without an id is no other dealer",
        ),
        pytest.param(
            [named("dealer:beta", remote="site-acme-hq")],
            ["site:acme/hq"],
            moves({}, {}),
            id="an id says nothing of an object of another kind",
        ),
        pytest.param(
            [named("site:acme/tower", "site:acme/hq")],
            ["dealer:acme", "site:acme/hq", "device:acme/hq/door", "site:acme/hq-2", "webhook:feed"],
            moves(
                {"site:acme/hq": "site:acme/tower", "device:acme/hq/door": "device:acme/tower/door"},
                {"site:acme/hq": "site:acme/tower"},
            ),
            id="a site takes its children along and nothing else",
        ),
        pytest.param(
            [
                named("site:acme/tower", "site:acme/hq"),
                named("device:acme/tower/gate", "device:acme/hq/door"),
            ],
            ["site:acme/hq", "device:acme/hq/door"],
            moves(
                {"site:acme/hq": "site:acme/tower", "device:acme/hq/door": "device:acme/tower/gate"},
                {"site:acme/hq": "site:acme/tower", "device:acme/tower/door": "device:acme/tower/gate"},
            ),
            id="a child by its whole former name within a renamed site",
        ),
        pytest.param(
            [
                named("device:acme/tower/gate", "device:acme/tower/door"),
                named("site:acme/tower", "site:acme/hq"),
            ],
            ["site:acme/hq", "device:acme/hq/door"],
            moves(
                {"site:acme/hq": "site:acme/tower", "device:acme/hq/door": "device:acme/tower/gate"},
                {"site:acme/hq": "site:acme/tower", "device:acme/tower/door": "device:acme/tower/gate"},
            ),
            id="a child by its bare former name, in any order of the manifests",
        ),
        pytest.param(
            [named("dealer:beta", remote="dealer-acme"), named("site:beta/tower", "site:acme/hq")],
            ["dealer:acme", "site:acme/hq"],
            moves(
                {"dealer:acme": "dealer:beta", "site:acme/hq": "site:beta/tower"},
                {"dealer:acme": "dealer:beta", "site:beta/hq": "site:beta/tower"},
            ),
            id="a site within a renamed dealer",
        ),
        pytest.param(
            [
                named("site:acme/annex", "site:acme/hq"),
                named("site:acme/depot", "site:acme/annex"),
                named("site:acme/mill", "site:acme/depot"),
            ],
            ["site:acme/hq", "site:acme/annex", "site:acme/depot"],
            moves(
                {
                    "site:acme/hq": "site:acme/annex",
                    "site:acme/annex": "site:acme/depot",
                    "site:acme/depot": "site:acme/mill",
                },
                {
                    "site:acme/hq": "site:acme/annex",
                    "site:acme/annex": "site:acme/depot",
                    "site:acme/depot": "site:acme/mill",
                },
            ),
            id="names move along a chain in one step",
        ),
        pytest.param(
            [named("site:acme/tower", "site:hq")],
            ["site:hq", "device:hq/door"],
            moves(
                {"site:hq": "site:acme/tower", "device:hq/door": "device:acme/tower/door"},
                {"site:hq": "site:acme/tower"},
            ),
            id="a site that named no dealer may name the only one",
        ),
        pytest.param(
            [named("site:acme/tower", "site:acme/older", "site:acme/hq", "site:acme/other")],
            ["site:acme/hq", "site:acme/other"],
            moves({"site:acme/hq": "site:acme/tower"}, {"site:acme/hq": "site:acme/tower"}),
            id="of several former names the first that is owned counts",
        ),
        pytest.param(
            [named("site:acme/tower", "site:acme/hq"), named("site:acme/mill", "site:acme/barn")],
            ["site:acme/tower", "site:acme/barn"],
            moves({"site:acme/barn": "site:acme/mill"}, {"site:acme/barn": "site:acme/mill"}),
            id="a rename that was done already says nothing and stops no other",
        ),
        pytest.param(
            [
                named("site:acme/tower", "site:acme/hq", "site:acme/annex"),
                named("site:acme/mill", "site:acme/barn"),
            ],
            ["site:acme/barn"],
            moves(
                {"site:acme/barn": "site:acme/mill"},
                {"site:acme/barn": "site:acme/mill"},
                "site:acme/tower: moved_from names site:acme/hq or site:acme/annex, which is not owned here; "
                "what was renamed again before an apply lists every earlier name",
            ),
            id="a rename of what was never owned is a warning and stops no other",
        ),
        pytest.param(
            [named("site:acme/tower", "site:acme/hq"), named("site:acme/hq")],
            ["site:acme/hq", "site:acme/tower"],
            moves({}, {}),
            id="two owned objects that are both declared keep their names",
        ),
    ],
)
def test_what_the_manifests_call_owned_objects_today(
    desired: list[Resource], owned: list[str], expected: Moves
) -> None:
    assert moved(iter(desired), rows(*owned)) == expected


def test_two_owned_objects_never_get_one_name_and_none_moves_to_another_parent() -> None:
    tower, door = (
        named("site:acme/tower", "site:acme/hq"),
        named("device:acme/pub/door", "device:acme/hq/door"),
    )
    camera = named("device:acme/hq/camera", "device:acme/hq/pc")
    with pytest.raises(PlanError) as caught:
        moved(
            [camera, door, tower],
            rows(
                *("site:acme/hq", "site:acme/tower", "site:acme/pub"),
                *("device:acme/hq/door", "device:acme/hq/pc", "device:acme/hq/camera"),
            ),
        )
    assert caught.value.problems == (
        Problem(
            "site:acme/tower was to be renamed from site:acme/hq, but both are owned: two objects",
            tower.source,
            "Remove moved_from, and declare site:acme/hq again unless it is to be deleted.",
            tower.address,
        ),
        Problem(
            "device:acme/hq/camera was to be renamed from device:acme/hq/pc, but both are owned: two objects",
            camera.source,
            "Remove moved_from, and declare device:acme/hq/pc again unless it is to be deleted.",
            camera.address,
        ),
        Problem(
            "device:acme/pub/door cannot be moved from device:acme/hq/door: an object stays under its parent",
            door.source,
            REMOVE,
            door.address,
        ),
    )


def test_a_name_is_not_free_while_the_object_that_has_it_cannot_leave_it() -> None:
    chain = [named("site:acme/b", "site:acme/a"), named("site:acme/c", "site:acme/b")]
    with pytest.raises(PlanError) as caught:
        moved(chain, rows("site:acme/a", "site:acme/b", "site:acme/c"))
    assert [problem.address for problem in caught.value.problems] == [at("site:acme/b")]


class TestRows:
    """The ledger's rows under the names of today."""

    def test_without_a_rename_they_are_as_they_were(self) -> None:
        owned = rows("site:acme/hq")
        assert readdressed(owned, {}) is owned

    def test_renamed_rows_keep_all_but_their_address_and_stand_in_order(self) -> None:
        owned = rows("site:acme/zoo", "site:acme/hq", "device:acme/hq/door")
        found = readdressed(
            owned,
            {
                at("site:acme/hq"): at("site:acme/tower"),
                at("device:acme/hq/door"): at("device:acme/tower/door"),
            },
        )
        assert list(found.items()) == [
            (
                at("device:acme/tower/door"),
                Owned(at("device:acme/tower/door"), "device-acme-hq-door", "door"),
            ),
            (at("site:acme/tower"), Owned(at("site:acme/tower"), "site-acme-hq", "hq")),
            (at("site:acme/zoo"), Owned(at("site:acme/zoo"), "site-acme-zoo", "zoo")),
        ]

    def test_a_row_that_has_its_name_of_today_already_wins(self) -> None:
        owned = rows("site:acme/hq", "site:acme/tower")
        found = readdressed(owned, {at("site:acme/hq"): at("site:acme/tower")})
        assert found == rows("site:acme/tower")


class TestTakingOver:
    """An object named by CHeKT's id is taken over once; after that the ledger says which it is."""

    HQ = replace(resource("site:acme/hq"), identity=Identity(adopt="4711"))

    @pytest.mark.parametrize(
        ("row", "expected"),
        [(None, "4711"), (Owned(HQ.address, None, "hq"), "4711"), (Owned(HQ.address, "12", "hq"), None)],
    )
    def test_it_is_the_id_of_the_manifest_until_the_ledger_has_one(
        self, row: Owned | None, expected: str | None
    ) -> None:
        owned = {} if row is None else {self.HQ.address: row}
        assert taking_over([self.HQ], owned) == (replace(self.HQ, remote_id=expected),)

    def test_a_resource_that_adopts_nothing_stays_as_it_is(self) -> None:
        dealer = resource("dealer:acme")
        assert taking_over([dealer, self.HQ], {}) == (dealer, replace(self.HQ, remote_id="4711"))


class TestExternalIds:
    """An external id that no manifest writes is the one the object has."""

    HQ = replace(resource("site:acme/hq"), identity=Identity(named=False))
    SHOP = replace(resource("site:acme/shop"), identity=Identity(named=False))

    def test_it_is_kept_where_it_is_known_and_not_written(self) -> None:
        written = resource("site:acme/mill")
        known = {self.HQ.address: "old", self.SHOP.address: None, written.address: "other"}
        assert keeping_external_ids([self.HQ, self.SHOP, written], known) == (
            replace(self.HQ, external_id="old"),
            self.SHOP,
            written,
        )
        assert keeping_external_ids([self.HQ], {self.HQ.address: "hq"}) == (self.HQ,)
        assert keeping_external_ids([self.HQ], {}) == (self.HQ,)

    def test_two_resources_of_a_collection_never_get_one(self) -> None:
        old = resource("site:acme/old")
        twins = [resource("site:beta/one", external_id="x"), resource("site:beta/two", external_id="x")]
        far = resource("site:beta/old")
        late = replace(resource("site:acme/late", external_id="shop-1"))
        desired = [*twins, old, far, late, self.HQ, self.SHOP]
        with pytest.raises(PlanError) as caught:
            keeping_external_ids(desired, {self.HQ.address: "old", self.SHOP.address: "shop-1"})
        assert caught.value.problems == (
            Problem(
                'site:acme/hq still has the external id "old" in the account, and site:acme/old would get '
                "the same",
                old.source,
                "Write external_id in site:acme/old.",
                old.address,
            ),
            Problem(
                'site:acme/shop still has the external id "shop-1" in the account, and site:acme/late would '
                "get the same",
                late.source,
                "Write external_id in site:acme/late.",
                late.address,
            ),
        )
        assert len(keeping_external_ids([*twins, far, self.HQ], {self.HQ.address: "old"})) == 4

    def test_the_ledger_says_it_and_whether_an_object_is_still_to_be_taken_over(self) -> None:
        adopting = replace(self.SHOP, identity=Identity(named=False, adopt="4711"))
        owned = {self.HQ.address: Owned(self.HQ.address, "12", "old")}
        assert identified([self.HQ, adopting], owned) == (
            replace(self.HQ, external_id="old"),
            replace(adopting, remote_id="4711"),
        )

    def test_it_is_the_one_found_where_an_object_is_taken_over_by_its_id_and_only_there(self) -> None:
        taken = replace(self.SHOP, identity=Identity(named=False, adopt="4711"), remote_id="4711")
        settled = replace(self.HQ, identity=Identity(named=False, adopt="4711"))
        unseen = replace(taken, address=at("site:acme/mill"), external_id="mill")
        live = {each.address: LiveObject("site", "4711", "found", {}) for each in (settled, taken, self.HQ)}
        seen = Snapshot(live, frozenset())
        assert as_found([settled, taken, unseen], seen) == (
            settled,
            replace(taken, external_id="found"),
            unseen,
        )
        assert as_found([self.HQ], seen) == (self.HQ,)


def test_a_plan_tells_of_new_names_of_external_ids_that_stay_and_of_renames_that_do_nothing() -> None:
    kept = replace(resource("site:acme/hq", external_id="old"), identity=Identity(named=False))
    same = replace(resource("site:acme/shop"), identity=Identity(named=False))
    written = resource("site:acme/mill", external_id="m-1")
    renamed = {f"site:acme/was-{each}": f"site:acme/{each}" for each in ("hq", "shop", "mill")}
    assert spoken(moves(renamed, renamed, "nothing is owned there"), [kept, same, written]) == (
        (
            "site:acme/was-hq is called site:acme/hq now; what is owned below it follows; "
            "its external id stays old"
        ),
        "site:acme/was-shop is called site:acme/shop now; what is owned below it follows",
        "site:acme/was-mill is called site:acme/mill now; what is owned below it follows",
        "nothing is owned there",
    )
