"""Nothing is deleted that is not proven to be ours and meant; and what goes, goes children first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import DEALER, Cli, Served


def sites(*names: str, lifecycle: str = "") -> str:
    return "".join(
        f"---\nkind: site\nid: {name}\nname: {name}\ntimezone: UTC\n{lifecycle}"
        f"devices:\n  - {{id: door, device_type: camera, zone_number: '001'}}\n"
        f"  - {{id: yard, device_type: camera, zone_number: '002'}}\n"
        f"contacts:\n  - {{id: first, first_name: A, last_name: B}}\n"
        for name in names
    )


def test_a_removed_site_goes_with_its_children_first(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("hq", "shop"))
    assert cli("apply", directory, "--yes").code == 0
    (directory / "sites.yaml").write_text(sites("hq"), encoding="utf-8")
    planned = cli("plan", directory, "--format", "json", "--allow-deletes", 4)
    assert planned.changes() == {
        "device:acme/shop/door": "delete",
        "device:acme/shop/yard": "delete",
        "contact:acme/shop/first": "delete",
        "site:acme/shop": "delete",
    }
    shop = served.site_id("shop")
    served.forget()
    assert cli("apply", directory, "--yes", "--allow-deletes", 4).code == 0
    deletes = [call for call in served.calls() if call.startswith("DELETE")]
    assert deletes[-1] == f"DELETE /partner/v1/dealers/12345/sites/{shop}"
    assert len(deletes) == 3  # both devices in one call
    assert cli("drift", directory).code == 0


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"account_yaml": ""},
        {"account_yaml": DEALER, "sites_yaml": ""},
        {"account_yaml": DEALER, "sites_yaml": "# all sites are gone\n"},
        {"account_yaml": DEALER, "sites_yaml": "---\n"},
        {"account_yaml": DEALER, "sites_yaml": sites("hq", "shop")[: len(sites("hq")) + 40]},
        {"account_yaml": DEALER, "sites_yaml": sites("hq").replace("  - {id: yard", " - {id: yard")},
        {"account_yaml": DEALER, "sites_yaml.j2": "{% for s in [] %}{{ s }}{% endfor %}"},
        {"account_yaml": DEALER, "sites_yaml": sites("hq") + "\x00"},
        {"account_yaml": "kind: site\n"},
    ],
    ids=[
        "no file",
        "empty file",
        "one empty file",
        "only a comment",
        "only a separator",
        "truncated",
        "misindented",
        "template of nothing",
        "undecodable",
        "half a document",
    ],
)
def test_broken_manifests_never_mean_delete(
    files: dict[str, str], cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("hq", "shop"))
    assert cli("apply", directory, "--yes").code == 0
    for file in directory.glob("*.yaml"):
        file.unlink()
    project(**files)
    served.forget()
    for command in (
        ("apply", directory, "--yes", "--allow-deletes", 8),
        ("apply", directory, "--yes"),
        ("destroy", directory, "--yes"),
    ):
        result = cli(*command)
        assert result.code == 1
        assert "Error:" in result.err
        assert "Traceback" not in result.err
    assert served.calls() == []


def test_a_lost_ledger_deletes_nothing_and_adopts(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("hq", "shop"))
    assert cli("apply", directory, "--yes").code == 0
    (directory / ".reconciler/ledger.db").unlink()
    (directory / "sites.yaml").write_text(sites("hq"), encoding="utf-8")
    planned = cli("plan", directory, "--format", "json")
    assert set(planned.changes().values()) == {"adopt"}
    assert planned.json["unmanaged"] == ["site:acme/shop"]
    assert cli("apply", directory, "--yes").code == 0
    assert served.sandbox.state()["counts"]["site"] == 2  # type: ignore[index,call-overload]


def test_a_site_that_holds_what_is_not_ours_is_not_deleted(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("hq", "shop"))
    assert cli("apply", directory, "--yes").code == 0
    scope = f"12345/{served.site_id('shop')}"
    body = {"scope": scope, "external_id": "theirs", "body": {"first_name": "A", "last_name": "B"}}
    assert httpx.post(f"{served.server.url}/sim/v0/objects/contact", json=body).is_success
    (directory / "sites.yaml").write_text(sites("hq"), encoding="utf-8")
    refused = cli("apply", directory, "--yes", "--allow-deletes", 4, "--format", "json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "unsafe_plan"
    assert "contact:acme/shop/theirs" in refused.out
    assert served.sandbox.state()["counts"]["site"] == 2  # type: ignore[index,call-overload]


def test_caps_refuse_more_than_a_person_has_counted(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("a", "b", "c", "d", "e", "f"))
    assert cli("apply", directory, "--yes").code == 0
    (directory / "sites.yaml").write_text(sites("a", "b", "c", "d"), encoding="utf-8")
    refused = cli("apply", directory, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "unsafe_plan"
    assert "--allow-deletes 8" in refused.out
    wrong = cli("apply", directory, "--yes", "--allow-deletes", 7, "--format", "json")
    assert wrong.json["error"]["code"] == "unsafe_plan"
    assert cli("apply", directory, "--yes", "--allow-deletes", 8).code == 0


def test_a_refused_plan_is_shown_above_its_refusal(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("a", "b", "c", "d", "e", "f"))
    assert cli("apply", directory, "--yes").code == 0
    (directory / "sites.yaml").write_text(sites("a", "b", "c", "d"), encoding="utf-8")
    refused = cli("plan", directory)
    assert refused.code == 1
    assert refused.out == ""
    assert refused.err.index("- delete site:acme/f") < refused.err.index("safety.max_delete_percent")


def test_a_dealer_that_went_missing_does_not_take_its_few_sites_along(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    other = "kind: dealer\nid: other\ndealer_id: 777\n"
    served.sandbox.seed_dealer(777)
    site = "---\nkind: site\nid: hq\ndealer: other\nname: HQ\ntimezone: UTC\n"
    directory = project(account_yaml=DEALER, other_yaml=other + site)
    assert cli("apply", directory, "--yes").code == 0
    (directory / "other.yaml").unlink()
    refused = cli("apply", directory, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "unsafe_plan"
    assert "dealer:other is not declared any more" in refused.out
    assert cli("apply", directory, "--yes", "--allow-deletes", 1).code == 0


def test_protection_outlives_the_manifest_that_asked_for_it(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    protected = sites("hq", lifecycle="lifecycle: {protect: true}\n")
    directory = project(account_yaml=DEALER, sites_yaml=protected + sites("shop"))
    assert cli("apply", directory, "--yes").code == 0
    (directory / "sites.yaml").write_text(sites("shop"), encoding="utf-8")
    refused = cli("apply", directory, "--yes", "--allow-deletes", 4)
    assert refused.code == 1
    assert "protected" in refused.err
    (directory / "sites.yaml").write_text(sites("hq", "shop"), encoding="utf-8")
    assert cli("apply", directory, "--yes").code == 0
    (directory / "sites.yaml").write_text(sites("shop"), encoding="utf-8")
    assert cli("apply", directory, "--yes", "--allow-deletes", 4).code == 0


def test_destroy_removes_what_is_owned_and_nothing_else(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER, sites_yaml=sites("hq"))
    assert cli("apply", directory, "--yes").code == 0
    assert cli("destroy", directory, "--yes", "--allow-deletes", 4).code == 0
    counts = served.sandbox.state()["counts"]
    assert isinstance(counts, dict)
    assert counts.get("site", 0) == counts.get("device", 0) == counts.get("contact", 0) == 0
    assert counts["dealer"] == 1


def test_destroy_takes_down_a_whole_account_in_one_run(
    cli: Cli, served: Served, example: Callable[[str], Path]
) -> None:
    directory = example("quickstart")
    sites = directory / "sites.yaml"
    sites.write_text(sites.read_text(encoding="utf-8").replace("protect: true", "protect: false"), "utf-8")
    assert cli("apply", directory, "--yes").code == 0
    destroyed = cli("destroy", directory, "--yes", "--allow-deletes", 14)
    assert destroyed.code == 0, destroyed.err
    counts = served.sandbox.state()["counts"]
    assert isinstance(counts, dict)
    assert {kind for kind, count in counts.items() if count} == {"dealer"}
