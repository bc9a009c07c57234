"""A new name in the manifests is no reason to delete anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import DEALER, Cli, Served

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


def site(name: str, extra: str = "") -> str:
    return HQ.format("acme").replace("id: hq", f"id: {name}") + extra


@pytest.fixture
def one(cli: Cli, served: Served, project: Callable[..., Path]) -> Path:
    directory = project(account_yaml=DEALER + site("hq"))
    assert cli("apply", directory, "--yes").code == 0
    return directory


@pytest.mark.parametrize("source", ["hq", "site:acme/hq", "[older, hq]"])
def test_a_renamed_site_is_the_same_site(
    cli: Cli, served: Served, one: Path, project: Callable[..., Path], source: str
) -> None:
    project(account_yaml=DEALER + site("tower", f"moved_from: {source}\n"))
    planned = cli("plan", one, "--format", "json")
    assert planned.changes() == {}
    assert "site:acme/hq is called site:acme/tower now" in " ".join(planned.json["warnings"])
    assert "its external id stays hq" in " ".join(planned.json["warnings"])
    served.forget()
    assert cli("apply", one, "--yes").code == 0
    assert not [call for call in served.calls() if not call.startswith("GET")]
    rows = [row["address"] for row in cli("ledger", "show", one, "--format", "json").json["owned"]]
    assert rows == ["contact:acme/tower/first", "dealer:acme", "device:acme/tower/door", "site:acme/tower"]
    for text in (site("tower", "moved_from: hq\n"), site("tower")):  # inert, and then removed
        project(account_yaml=DEALER + text)
        again = cli("plan", one, "--format", "json")
        assert (again.changes(), again.json["warnings"]) == ({}, [])


def test_a_child_is_renamed_within_a_renamed_site(cli: Cli, one: Path, project: Callable[..., Path]) -> None:
    text = site("tower", "moved_from: hq\n").replace("id: door,", "id: gate, moved_from: door,")
    project(account_yaml=DEALER + text)
    assert cli("plan", one, "--format", "json").changes() == {}
    assert cli("apply", one, "--yes").code == 0
    project(account_yaml=DEALER + site("tower").replace("id: door,", "id: gate,"))
    assert cli("plan", one, "--format", "json").changes() == {}


def test_names_move_along_a_chain_in_one_step(cli: Cli, one: Path, project: Callable[..., Path]) -> None:
    project(account_yaml=DEALER + site("hq") + site("annex"))
    assert cli("apply", one, "--yes").code == 0
    chain = (
        site("annex", "moved_from: hq\nexternal_id: hq\n").replace(
            "id: door,", "id: gate, moved_from: door,"
        ),
        site("depot", "moved_from: annex\nexternal_id: annex\n"),
    )
    for _ in range(2):
        project(account_yaml=DEALER + "".join(chain))
        assert cli("plan", one, "--format", "json").changes() == {}
        assert cli("apply", one, "--yes").code == 0


def test_an_external_id_that_a_renamed_site_keeps_is_not_given_twice(
    cli: Cli, one: Path, project: Callable[..., Path]
) -> None:
    project(account_yaml=DEALER + site("tower", "moved_from: hq\n"))
    assert cli("apply", one, "--yes").code == 0
    project(account_yaml=DEALER + site("tower") + site("hq"))
    refused = cli("plan", one, "--format", "json").json["error"]
    assert 'still has the external id "hq"' in refused["message"]


def test_a_rename_that_cannot_be_is_an_error(cli: Cli, one: Path, project: Callable[..., Path]) -> None:
    for text, said in (
        (site("hq") + site("tower", "moved_from: hq\n"), "site:acme/hq is still declared"),
        (site("tower", "moved_from: tower\n"), "is its own name"),
        (site("a", "moved_from: hq\n") + site("b", "moved_from: hq\n"), "has become site:acme/a already"),
        (site("a", "moved_from: b\n") + site("b", "moved_from: a\n"), "go round in a circle"),
        (site("a", "moved_from: device:acme/hq/door\n"), "is no site"),
    ):
        project(account_yaml=DEALER + text)
        refused = cli("validate", one)
        assert refused.code == 1
        assert said in refused.err


def test_two_owned_objects_do_not_become_one(cli: Cli, one: Path, project: Callable[..., Path]) -> None:
    project(account_yaml=DEALER + site("hq") + site("tower"))
    assert cli("apply", one, "--yes").code == 0
    project(account_yaml=DEALER + site("tower", "moved_from: hq\n"))
    assert "both are owned" in cli("plan", one, "--format", "json").json["error"]["message"]


def test_a_name_that_was_never_owned_renames_nothing(
    cli: Cli, one: Path, project: Callable[..., Path]
) -> None:
    project(account_yaml=DEALER + site("hq") + site("new", "moved_from: never\n"))
    planned = cli("plan", one, "--format", "json")
    assert planned.changes()["site:acme/new"] == "create"
    assert "site:acme/never, which is not owned here; what was renamed again" in " ".join(
        planned.json["warnings"]
    )


def test_an_override_goes_along_with_its_site(cli: Cli, one: Path, project: Callable[..., Path]) -> None:
    schedule = "---\nkind: schedule\nid: s\nwindows: []\n"
    arming = "arming: {schedule: s}\n"
    project(account_yaml=DEALER + site("hq", arming) + schedule)
    until = ("--until", "2100-01-01T00:00:00Z", "--reason", "works")
    said = cli("override", "set", "site:acme/hq", one, "--state", "armed_away", *until)
    assert said.code == 0, said.err
    project(account_yaml=DEALER + site("tower", arming + "moved_from: hq\n") + schedule)
    assert cli("apply", one, "--yes").code == 0
    assert "site:acme/tower" in cli("override", "list", one).out
