"""A new name in the manifests is no reason to delete anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Cli, Served

DEALERS = "kind: dealer\nid: {}\ndealer_id: 12345\n---\nkind: dealer\nid: {}\ndealer_id: 777\n"
HQ = (
    "---\nkind: site\nid: hq\ndealer: {}\nname: HQ\ntimezone: UTC\n"
    "devices:\n  - {{id: door, device_type: camera, zone_number: '001'}}\n"
    "contacts:\n  - {{id: first, first_name: A, last_name: B}}\n"
)
SHOP = "---\nkind: site\nid: shop\ndealer: {}\nname: Shop\ntimezone: UTC\nlifecycle: {{protect: true}}\n"


def manifests(first: str, second: str, *sites: str) -> str:
    return DEALERS.format(first, second) + "".join(site.format(first) for site in sites)


@pytest.fixture
def applied(cli: Cli, served: Served, project: Callable[..., Path]) -> Path:
    served.sandbox.seed_dealer(777)
    directory = project(account_yaml=manifests("acme", "beta", HQ, SHOP))
    assert cli("apply", directory, "--yes").code == 0
    return directory


@pytest.mark.parametrize("names", [("apex", "beta"), ("beta", "acme")], ids=["renamed", "swapped"])
def test_a_dealer_by_another_name_is_the_same_dealer(
    cli: Cli, served: Served, applied: Path, names: tuple[str, str]
) -> None:
    (applied / "account.yaml").write_text(manifests(*names, HQ, SHOP), encoding="utf-8")
    planned = cli("plan", applied, "--format", "json")
    assert planned.changes() == {}
    assert f"dealer:acme is called dealer:{names[0]} now" in " ".join(planned.json["warnings"])
    served.forget()
    assert cli("apply", applied, "--yes").code == 0
    assert not [call for call in served.calls() if not call.startswith("GET")]
    rows = [row["address"] for row in cli("ledger", "show", applied, "--format", "json").json["owned"]]
    assert f"device:{names[0]}/hq/door" in rows
    assert "device:acme/hq/door" not in rows
    assert cli("plan", applied, "--format", "json").json["warnings"] == []


def test_what_is_removed_beside_the_renaming_is_still_owned_and_protected(cli: Cli, applied: Path) -> None:
    (applied / "account.yaml").write_text(manifests("apex", "beta", SHOP), encoding="utf-8")
    planned = cli("plan", applied, "--format", "json")
    assert set(planned.changes()) == {"device:apex/hq/door", "contact:apex/hq/first", "site:apex/hq"}
    (applied / "account.yaml").write_text(manifests("apex", "beta", HQ), encoding="utf-8")
    refused = cli("plan", applied, "--format", "json").json["error"]
    assert (refused["code"], refused["address"]) == ("unsafe_plan", "site:apex/shop")


def test_a_dealer_with_another_number_takes_nothing_along(cli: Cli, served: Served, applied: Path) -> None:
    text = manifests("acme", "beta", HQ, SHOP).replace("777", "778").replace("12345", "777")
    served.sandbox.seed_dealer(778)
    (applied / "account.yaml").write_text(text, encoding="utf-8")
    assert "delete" not in cli("plan", applied, "--format", "json").changes().values()
