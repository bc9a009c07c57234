"""Devices in bulk, and the security type that must suit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

Switch = Callable[..., None]


def test_bulk_results_come_one_an_entry_and_fail_apart(partner: httpx.Client, site: dict[str, Any]) -> None:
    entries = [
        {"external_device_id": "a", "device_type": "bridge", "zone_number": "010"},
        {"external_device_id": "b", "device_type": "toaster", "zone_number": "011"},
        {"external_device_id": "front-door", "device_type": "camera", "zone_number": "012"},
        "text",
    ]
    answer = partner.post("/sites/1/devices", json=entries)
    body = answer.json()
    assert (answer.status_code, body["success_count"], body["failure_count"]) == (201, 1, 3)
    assert [each["is_successful"] for each in body["results"]] == [True, False, False, False]
    assert body["results"][1]["error"]["field"] == "device_type"
    assert body["results"][2]["error"]["code"] == "duplicate"
    assert len(partner.get("/sites/1/devices").json()) == 2


def test_devices_are_updated_and_deleted_by_either_id(partner: httpx.Client, site: dict[str, Any]) -> None:
    update = [{"external_device_id": "front-door", "name": "Door"}, {"device_id": 1, "device_type": "bridge"}]
    results = partner.patch("/sites/1/devices", json=update).json()["results"]
    assert results[0]["name"] == "Door"
    assert results[1]["error"]["field"] == "device_type"
    gone = [{"external_device_id": "front-door"}, {"device_id": 1}, {}]
    body = partner.request("DELETE", "/sites/1/devices", json=gone).json()
    assert [each["is_successful"] for each in body["results"]] == [True, False, False]
    assert partner.get("/sites/1/devices/1").status_code == 404


def test_the_form_of_bulk_results_is_a_switch(
    partner: httpx.Client, site: dict[str, Any], switch: Switch
) -> None:
    switch(bulk_item="nested", bulk_flag="number", bulk_limit=2, bulk_partial_status=207)
    good = {"external_device_id": "a", "device_type": "bridge", "zone_number": "010"}
    answer = partner.post("/sites/1/devices", json=[good, {}])
    assert answer.status_code == 207
    first, second = answer.json()["results"]
    assert (first["is_successful"], first["device"]["device_id"]) == (1, 2)
    assert (second["is_successful"], second["device"]) == (0, {})
    assert partner.post("/sites/1/devices", json=[good] * 3).status_code == 400


def test_one_device_is_written_alone_only_where_switched_on(
    partner: httpx.Client, site: dict[str, Any], switch: Switch
) -> None:
    assert partner.patch("/sites/1/devices/1", json={"name": "x"}).status_code == 405
    switch(single_device_writes=True)
    assert partner.patch("/sites/1/devices/1", json={"name": "x"}).json()["name"] == "x"
    assert partner.delete("/sites/1/devices/1").status_code == 200


def test_zones_may_have_to_be_unique(partner: httpx.Client, site: dict[str, Any], switch: Switch) -> None:
    switch(zone_unique=True)
    taken = {"external_device_id": "a", "device_type": "bridge", "zone_number": "001"}
    body = partner.post("/sites/1/devices", json=[taken]).json()
    assert body["results"][0]["error"]["field"] == "zone_number"
    assert (
        partner.patch("/sites/1/devices", json=[{"device_id": 1, "name": "x"}]).json()["success_count"] == 1
    )


def test_arming_settings_hold_the_security_type(partner: httpx.Client, site: dict[str, Any]) -> None:
    settings = partner.get("/sites/1/arming-settings").json()
    expected = {"site_id": 1, "external_site_id": "hq", "name": "Headquarters", "security_type": 3}
    assert settings == expected
    assert partner.patch("/sites/1/arming-settings", json={"security_type": 1}).json()["security_type"] == 1
    for wrong in (
        {"security_type": 5},
        {"security_type": "video"},
        {"security_type": True},
        {},
        {"name": "x"},
    ):
        assert partner.patch("/sites/1/arming-settings", json=wrong).status_code == 400


def test_a_strict_account_refuses_a_security_type_that_suits_no_device(
    partner: httpx.Client, site: dict[str, Any], switch: Switch
) -> None:
    switch(security_type_strict=True, validation_status=422)
    assert partner.patch("/sites/1/arming-settings", json={"security_type": 1}).status_code == 422
    assert partner.patch("/sites/1/arming-settings", json={"security_type": 3}).status_code == 200
