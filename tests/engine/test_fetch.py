"""Reading gives every live object the address that is proven, reads little, and is whole or an error."""

from __future__ import annotations

import pytest

from reconciler.engine import ReadProgress, fetch
from reconciler.engine.width import steady
from reconciler.errors import ApiError, PlanError
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Address, Collection, Owned, Resource, Snapshot
from reconciler.planning.scope import Scope
from tests.engine.account import DEALER, PARTNER, Account, Stored, dealer, device, resource, site, station

DEALER_ADDRESS = Address("dealer", ("acme",))
HQ = Address("site", ("acme", "hq"))
EVERYTHING = Scope()


@pytest.fixture
def account() -> Account:
    account = Account()
    account.connect(company_name="Acme")
    return account


def read(
    account: Account,
    desired: list[Resource],
    *owned: Owned,
    scope: Scope = EVERYTHING,
    dealer_key: bool = False,
) -> Snapshot:
    rows = {row.address: row for row in owned}
    return fetch(account, desired, rows, DEALER if dealer_key else PARTNER, scope, width=steady(3))


def addresses(snapshot: Snapshot) -> dict[str, str]:
    return {str(address): live.remote_id for address, live in snapshot.objects.items()}


def test_one_list_a_collection_parents_first_and_nothing_under_what_is_not_there(account: Account) -> None:
    account.put("site", ("12345",), "hq", name="Hq")
    snapshot = read(account, [dealer(), site(), device(), site("depot"), device(under="depot")])
    assert account.reads == [("dealer", ("12345",)), ("site", ("12345",)), ("device", ("12345", "1"))]
    assert snapshot.requests == 3
    assert snapshot.collections == {Collection("site", DEALER_ADDRESS), Collection("device", HQ)}


def test_children_are_told_apart_by_their_parents(account: Account) -> None:
    for number in range(1, 5):
        account.put("site", ("12345",), f"s{number}")
        account.put("device", ("12345", str(number)), "door", name=f"door of {number}")
    desired = [dealer(), *(device(under=f"s{n}") for n in range(1, 5)), *(site(f"s{n}") for n in range(1, 5))]
    snapshot = read(account, desired)
    for number in range(1, 5):
        live = snapshot.objects[Address("device", ("acme", f"s{number}", "door"))]
        assert live.fields["name"] == f"door of {number}"


@pytest.mark.parametrize(
    ("stored", "resources", "rows", "expected"),
    [
        ("hq", [site()], [], "site:acme/hq"),
        ("X-1", [resource("site:acme/hq", external_id="X-1")], [], "site:acme/hq"),
        ("hq", [], [], "site:acme/hq"),
        (None, [], [], "site:acme/#1"),
        ("a/b", [], [], "site:acme/#1"),
        # The ledger knows the object by another address than its external id suggests.
        ("hq", [], [Owned(Address("site", ("acme", "old")), "1", "hq")], "site:acme/old"),
        # The same remote id with another external id is another object, and is not ours.
        ("hq", [], [Owned(Address("site", ("acme", "old")), "1", "older")], "site:acme/hq"),
        # A stranger whose external id is the name of somebody else's resource.
        ("hq", [resource("site:acme/hq", external_id="X-9")], [], "site:acme/#1"),
        ("#1", [resource("site:acme/#1", external_id="X-9")], [], "site:acme/##1"),
    ],
)
def test_the_address_of_a_live_object(
    account: Account, stored: str | None, resources: list[Resource], rows: list[Owned], expected: str
) -> None:
    account.put("site", ("12345",), stored)
    anchor = [site("anchor")]
    snapshot = read(account, [dealer(), *anchor, *resources], *rows)
    found = addresses(snapshot)
    assert found == {"dealer:acme": "12345", expected: "1"}


def test_a_remote_id_in_the_manifest_wins_over_the_external_id(account: Account) -> None:
    account.put("site", ("12345",), None, name="Taken over")
    taken = resource("site:acme/hq", remote_id="1", name="Taken over", timezone="Asia/Seoul")
    assert addresses(read(account, [dealer(), taken], dealer_key=True)) == {"site:acme/hq": "1"}


def test_objects_without_external_id_match_by_their_fields_only_if_one_does(account: Account) -> None:
    account.put("site", ("12345",), "hq")
    for zone, name in (("001", "Door"), ("002", "Gate"), ("002", "Gate"), ("003", "Yard")):
        account.put("device", ("12345", "1"), None, zone_number=zone, name=name)
    desired = [
        dealer(),
        site(),
        device("door", zone="001"),
        device("gate", zone="002"),
        device("yard", zone="003"),
        device("yard2", zone="003", name="Yard"),
    ]
    found = addresses(read(account, desired, dealer_key=True))
    assert found == {
        "site:acme/hq": "1",
        "device:acme/hq/door": "1",
        "device:acme/hq/#2": "2",
        "device:acme/hq/#3": "3",
        "device:acme/hq/#4": "4",
    }


def test_two_objects_with_one_external_id_are_an_error_that_names_both(account: Account) -> None:
    account.put("site", ("12345",), "hq")
    account.put("site", ("12345",), "hq")
    with pytest.raises(PlanError, match=r"site:acme/hq exists 2 times .* 1 and 2") as caught:
        read(account, [dealer(), site()])
    assert caught.value.address == HQ


@pytest.mark.parametrize("ours", ["1", "2"])
def test_of_two_objects_with_one_external_id_the_ledger_says_which_is_ours(
    account: Account, ours: str
) -> None:
    other = "2" if ours == "1" else "1"
    account.put("site", ("12345",), "hq")
    account.put("site", ("12345",), "hq")
    found = addresses(read(account, [dealer(), site()], Owned(HQ, ours, "hq")))
    assert found == {"dealer:acme": "12345", "site:acme/hq": ours, f"site:acme/#{other}": other}


def test_the_object_of_the_ledger_and_one_with_a_newly_written_external_id_are_an_error(
    account: Account,
) -> None:
    """To replace ours would delete it, and then find its new external id taken."""
    account.put("site", ("12345",), "hq")
    account.put("site", ("12345",), "hq-2")
    with pytest.raises(PlanError, match=r"site:acme/hq exists 2 times .* 1 and 2"):
        read(account, [dealer(), resource("site:acme/hq", external_id="hq-2")], Owned(HQ, "1", "hq"))


def test_two_strangers_with_one_external_id_are_both_listed(account: Account) -> None:
    account.put("site", ("12345",), "twin")
    account.put("site", ("12345",), "twin")
    found = addresses(read(account, [dealer(), site()]))
    assert found == {"dealer:acme": "12345", "site:acme/#1": "1", "site:acme/#2": "2"}


def test_references_come_as_addresses_where_the_target_is_known(account: Account) -> None:
    account.put("monitoring_station", ("12345",), "central")
    account.put("site", ("12345",), "hq", monitoring_station="1")
    account.put("site", ("12345",), "depot", monitoring_station="77")
    snapshot = read(account, [dealer(), station(), site(at="central"), site("depot")])
    assert snapshot.objects[HQ].fields["monitoring_station"] == "monitoring_station:acme/central"
    assert snapshot.objects[Address("site", ("acme", "depot"))].fields["monitoring_station"] == "77"


def test_a_reference_does_not_reach_into_another_dealer(account: Account) -> None:
    """Remote ids need not be unique beyond their dealer."""
    account.connect("777")
    account.objects.append(Stored("monitoring_station", "1", ("777",), "theirs", {}))
    account.objects.append(Stored("monitoring_station", "1", ("12345",), "central", {}))
    account.put("site", ("12345",), "hq", monitoring_station="1")
    other = resource("dealer:other", remote_id="777")
    theirs = resource("monitoring_station:other/theirs", name="Theirs")
    snapshot = read(account, [dealer(), other, theirs, station(), site(at="central")])
    assert snapshot.objects[HQ].fields["monitoring_station"] == "monitoring_station:acme/central"


def test_a_recycled_remote_id_names_what_has_it_now(account: Account) -> None:
    account.put("monitoring_station", ("12345",), "central")
    account.put("site", ("12345",), "hq", monitoring_station="1")
    gone = Owned(Address("monitoring_station", ("acme", "former")), "1", "former")
    snapshot = read(account, [dealer(), station(), site(at="central")], gone)
    assert snapshot.objects[HQ].fields["monitoring_station"] == "monitoring_station:acme/central"


def test_an_object_with_an_external_id_is_never_matched_by_its_fields(account: Account) -> None:
    account.put("site", ("12345",), "hq")
    account.put("contact", ("12345", "1"), "somebody-elses", first_name="Kim", last_name="Lee")
    kim = resource("contact:acme/hq/kim", first_name="Kim", last_name="Lee")
    found = addresses(read(account, [dealer(), site(), kim], dealer_key=True))
    assert found == {"site:acme/hq": "1", "contact:acme/hq/somebody-elses": "1"}


def test_parts_are_read_for_written_fields_only_and_merged(account: Account) -> None:
    account.put("site", ("12345",), "hq", name="Hq", security_type="video")
    account.put("site", ("12345",), "depot", name="Depot", security_type="video")
    snapshot = read(account, [dealer(), site(security_type="video"), site("depot")])
    assert snapshot.objects[HQ].fields == {"name": "Hq", "security_type": "video"}
    assert [read for read in account.reads if "." in read[0]] == [("site.arming_settings", ("12345", "1"))]


@pytest.mark.parametrize("broken", [("site", ("12345",)), ("device", ("12345", "2"))])
def test_one_failed_read_fails_the_whole(account: Account, broken: tuple[str, tuple[str, ...]]) -> None:
    for name in ("hq", "depot", "yard"):
        account.put("site", ("12345",), name)
    account.unreadable.add(broken)
    desired = [
        dealer(),
        *(each for name in ("hq", "depot", "yard") for each in (site(name), device(under=name))),
    ]
    with pytest.raises(ApiError, match="503"):
        read(account, desired)


def test_only_what_is_in_scope_is_read(account: Account) -> None:
    account.put("site", ("12345",), "hq")
    account.put("site", ("12345",), "depot")
    desired = [dealer(), site(), device(), site("depot"), device(under="depot")]
    read(account, desired, scope=Scope(targets=("device:acme/depot/*",)))
    assert ("device", ("12345", "2")) in account.reads
    assert ("device", ("12345", "1")) not in account.reads


def test_on_the_dealer_surface_sites_are_read_under_a_dealer_nobody_can_read(account: Account) -> None:
    account.put("site", ("12345",), "hq")
    snapshot = read(
        account, [dealer(), site(), resource("contact:acme/hq/kim", first_name="Kim")], dealer_key=True
    )
    assert addresses(snapshot) == {"site:acme/hq": "1"}
    assert account.reads == [("site", ("12345",)), ("contact", ("12345", "1"))]


def test_a_dealer_that_is_not_there_has_nothing_below_it() -> None:
    account = Account()
    snapshot = read(account, [dealer(), site(), device()])
    assert snapshot.objects == {}
    assert snapshot.collections == frozenset()


def test_progress_counts_up_to_what_is_planned(account: Account) -> None:
    account.put("site", ("12345",), "hq")
    told: list[ReadProgress] = []

    def tell(event: object) -> None:
        assert isinstance(event, ReadProgress)
        told.append(event)

    fetch(account, [dealer(), site(), device()], {}, PARTNER, Scope(), on_event=tell)
    assert [event.done for event in told] == [1, 2, 3]
    assert told[-1] == ReadProgress(3, 3)


def test_kinds_that_only_the_portal_keeps_are_not_read(account: Account) -> None:
    app = resource("app:acme/viewer", permissions=["devices:read"])
    real = surfaces("partner", sandbox=False)
    fetch(account, [dealer(), app], {}, real, Scope())
    assert account.reads == [("dealer", ("12345",))]
