"""Which object a resource is, where ledger, manifest and account disagree."""

from __future__ import annotations

from reconciler.engine import fetch
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Owned, Resource
from reconciler.planning.scope import Scope
from tests.engine.account import DEALER, PARTNER, Account, dealer, resource, site

HQ = Owned(Address("site", ("acme", "hq")), "1", "hq")
SHOP = Owned(Address("site", ("acme", "shop")), "2", "shop")
JOHN = Owned(Address("contact", ("acme", "hq", "john")), "1", None)


def two_sites() -> Account:
    account = Account()
    account.connect()
    account.put("site", ("12345",), "hq")
    account.put("site", ("12345",), "shop")
    return account


def found(
    account: Account, desired: list[Resource], *owned: Owned, surfaces: Surfaces = PARTNER
) -> dict[str, str]:
    snapshot = fetch(account, desired, {row.address: row for row in owned}, surfaces, Scope())
    return {
        str(address): live.remote_id for address, live in snapshot.objects.items() if address.kind != "dealer"
    }


def test_a_remote_id_in_the_manifest_wins_over_the_ledger() -> None:
    swapped = [
        resource("site:acme/hq", remote_id="2", name="Hq"),
        resource("site:acme/shop", remote_id="1", name="Shop"),
    ]
    for surfaces in (PARTNER, DEALER):
        assert found(two_sites(), [dealer(), *swapped], HQ, SHOP, surfaces=surfaces) == {
            "site:acme/hq": "2",
            "site:acme/shop": "1",
        }


def test_an_external_id_in_the_manifest_wins_over_the_ledger_where_sites_are_only_shown() -> None:
    moved = resource("site:acme/hq", external_id="shop", name="Hq")
    live = found(two_sites(), [dealer(), moved], HQ, SHOP, surfaces=DEALER)
    assert live["site:acme/hq"] == "2"


def test_where_sites_can_be_made_the_ledger_keeps_the_object_so_that_it_is_replaced() -> None:
    renamed = resource("site:acme/hq", external_id="headquarters", name="Hq")
    assert found(two_sites(), [dealer(), renamed], HQ)["site:acme/hq"] == "1"


def test_rows_say_nothing_of_the_children_of_a_site_that_was_made_again() -> None:
    account = two_sites()
    account.put("contact", ("12345", "1"), None, first_name="Stranger", last_name="X")
    before = Owned(HQ.address, "9", "hq")
    assert "contact:acme/hq/john" in found(account, [dealer(), site()], HQ, JOHN, surfaces=DEALER)
    assert "contact:acme/hq/john" not in found(account, [dealer(), site()], before, JOHN, surfaces=DEALER)


def test_rows_say_nothing_of_what_lies_under_another_dealer() -> None:
    account = Account()
    account.connect("777")
    account.put("site", ("777",), None)
    acme = Owned(Address("dealer", ("acme",)), "12345", None)
    assert "site:acme/hq" not in found(account, [dealer("777")], acme, HQ)
