"""What people change by hand is found with its exact field, and repaired; the rest is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from tests.integration.conftest import Cli, Served

ACCOUNT = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: Asia/Seoul
security_type: video
devices:
  - {id: door, device_type: camera, zone_number: "001", name: Door}
contacts:
  - {id: first, first_name: Duty, last_name: Manager}
"""


def by_hand(served: Served, method: str, path: str, body: object) -> None:
    answer = httpx.request(method, f"{served.server.url}/sim/v0{path}", json=body)
    assert answer.is_success, answer.text


def test_a_field_changed_by_hand_is_found_and_repaired(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=ACCOUNT)
    assert cli("apply", directory, "--yes").code == 0
    by_hand(served, "PATCH", "/objects/site/1", {"name": "Nobody's House"})
    by_hand(served, "PATCH", "/objects/site/1", {"security_type": "alarm_com"})
    by_hand(served, "PATCH", "/objects/device/1", {"name": "Window"})

    found = cli("drift", directory)
    assert found.code == 2
    fields = {
        (change["address"], field["path"]): (field["before"], field["after"])
        for change in found.json["changes"]
        for field in change["fields"]
    }
    assert fields == {
        ("site:acme/hq", "name"): ("Nobody's House", "Headquarters"),
        ("site:acme/hq", "security_type"): ("alarm_com", "video"),
        ("device:acme/hq/door", "name"): ("Window", "Door"),
    }
    assert found.json["changes"][0]["source"]["file"] == "account.yaml"

    assert cli("apply", directory, "--yes").code == 0
    assert cli("drift", directory).code == 0


def test_an_object_deleted_by_hand_is_made_again(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=ACCOUNT)
    assert cli("apply", directory, "--yes").code == 0
    by_hand(served, "DELETE", "/objects/device/1", None)
    found = cli("drift", directory)
    assert found.changes() == {"device:acme/hq/door": "create"}
    assert "outside" in found.json["changes"][0]["reason"]
    assert cli("apply", directory, "--yes").code == 0
    assert cli("drift", directory).code == 0


def test_unmanaged_objects_and_unwritten_fields_are_left_alone(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=ACCOUNT)
    assert cli("apply", directory, "--yes").code == 0
    by_hand(served, "PATCH", "/objects/site/1", {"address1": "1 Example Street"})
    by_hand(
        served,
        "POST",
        "/objects/site",
        {"scope": "12345", "external_id": "theirs", "body": {"name": "Theirs", "timezone": "UTC"}},
    )
    found = cli("drift", directory)
    assert found.code == 0
    assert found.json["unmanaged"] == ["site:acme/theirs"]
    served.forget()
    assert cli("apply", directory, "--yes").code == 0
    assert [r for r in served.calls() if not r.startswith("GET")] == []
    assert served.sandbox.state()["counts"]["site"] == 2  # type: ignore[index,call-overload]


def test_a_value_that_the_server_replaces_is_not_drift(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(
        account_yaml=ACCOUNT.replace("dealer_id: 12345", "dealer_id: 12345\ncompany_name: Acme")
    )
    assert cli("apply", directory, "--yes").code == 0
    assert cli("drift", directory).code == 0
    by_hand(served, "PATCH", "/objects/dealer/12345", {"company_name": "Renamed by CHeKT"})
    moved = cli("drift", directory)
    assert moved.code == 2
    assert moved.json["changes"][0]["fields"][0]["before"] == "Renamed by CHeKT"
