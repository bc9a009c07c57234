"""The dealer surface: the live shape its public clients rely on, and the shape of the pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import BaseClock

Switch = Callable[..., None]
CONTACT = {
    "first_name": "Jane",
    "last_name": "Roe",
    "title": "",
    "slot_number": "",
    "email_address": "jane@example.com",
    "phone_number": "+15555550199",
    "sms_alarm_enabled": 1,
    "email_alarm_enabled": 0,
}


def test_the_sites_are_those_of_the_partner_surface(dealer: httpx.Client, site: dict[str, Any]) -> None:
    assert dealer.get("/sites", params={"limit": 500}).json() == [
        {
            "site_id": 1,
            "site_name": "Headquarters",
            "address": "1 Example Street",
            "account_number": None,
            "account_reference_id": "hq",
            "dealer_name": "CHeKT Security Solutions Inc.",
            "is_partition_enabled": 0,
            "is_activated": 0,
            "partitions": [],
        }
    ]


def test_sites_are_searched_by_name_and_address(partner: httpx.Client, dealer: httpx.Client) -> None:
    for name, address in (("Alpha", "1 North Road"), ("Beta", "2 South Road"), ("Gamma", "3 North Road")):
        body = {"external_site_id": name, "name": name, "timezone": "UTC", "address1": address}
        partner.post("/sites", json=body)

    def found(**query: object) -> list[str]:
        return [each["site_name"] for each in dealer.get("/sites", params=query).json()]  # type: ignore[arg-type]

    assert found(search="north") == ["Alpha", "Gamma"]
    assert found(search="BETA") == ["Beta"]
    assert found(limit=2) == ["Alpha", "Beta"]
    assert dealer.get("/sites", params={"limit": 0}).status_code == 400


def test_a_dealer_sees_its_own_sites_only(
    sandbox: Any, anonymous: httpx.Client, site: dict[str, Any]
) -> None:
    sandbox.seed_dealer(777)
    headers = {"Authorization": "Bearer chekt-sandbox-dealer-777"}
    assert anonymous.get("/ext/v1/sites", headers=headers).json() == []
    assert anonymous.get("/ext/v1/sites/1/arming", headers=headers).status_code == 404
    assert anonymous.get("/ext/v1/sites/1/contacts", headers=headers).status_code == 404


def test_a_contact_lives_through_what_the_dashboard_does(
    dealer: httpx.Client, partner: httpx.Client, site: dict[str, Any]
) -> None:
    created = dealer.post("/sites/1/contacts", json={**CONTACT, "external_contact_id": "jane"})
    assert created.status_code == 201
    contact = created.json()
    assert (contact["contact_id"], contact["name"], contact["sms_alarm_enabled"]) == (2, "Jane Roe", 1)
    assert "title" not in contact
    assert partner.get("/sites/1/contacts/2").json()["email"] == "jane@example.com"
    updated = dealer.put("/sites/1/contacts/2", json={**CONTACT, "title": "Owner"}).json()
    assert (updated["title"], updated["external_contact_id"]) == ("Owner", "jane")
    assert dealer.post("/sites/1/contacts/2/validation").is_success
    assert dealer.get("/sites/1/contacts").json()[1]["sms_validation"]["status"] == 0
    moved = dealer.put("/sites/1/contacts/2", json={**CONTACT, "phone_number": "+15555550100"}).json()
    assert moved["sms_validation"] is None
    assert dealer.delete("/sites/1/contacts/2").json() == {}
    assert [each["contact_id"] for each in dealer.get("/sites/1/contacts").json()] == [1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"external_contact_id": None}, "external_contact_id"),
        ({"external_contact_id": "x" * 65}, "external_contact_id"),
        ({"external_contact_id": "john"}, "external_contact_id"),
        ({"first_name": ""}, "first_name"),
        ({"last_name": "x" * 46}, "last_name"),
        ({"phone_number": 5}, "phone_number"),
        ({"sms_alarm_enabled": True}, "sms_alarm_enabled"),
        ({"sms_alarm_enabled": 2}, "sms_alarm_enabled"),
        ({"contact_id": 5}, "contact_id"),
        ({"sms_validation": {"status": 1}}, "sms_validation"),
        ({"email": "a@example.com"}, "email"),
    ],
)
def test_a_wrong_contact_is_refused_by_field(
    dealer: httpx.Client, site: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    body = {**CONTACT, "external_contact_id": "jane", **change}
    answer = dealer.post("/sites/1/contacts", json=body)
    assert answer.status_code in (400, 409)
    assert answer.json()["error"]["detail"] == field
    assert len(dealer.get("/sites/1/contacts").json()) == 1


def test_put_replaces_and_patch_merges(dealer: httpx.Client, site: dict[str, Any]) -> None:
    names = {"first_name": "Johnny", "last_name": "Doe"}
    assert "phone_number" in dealer.patch("/sites/1/contacts/1", json={"first_name": "Johnny"}).json()
    assert "phone_number" not in dealer.put("/sites/1/contacts/1", json=names).json()
    assert dealer.put("/sites/1/contacts/1", json={"first_name": "J"}).status_code == 400


def test_lists_may_lag_here_too(
    dealer: httpx.Client, site: dict[str, Any], switch: Switch, base_clock: BaseClock
) -> None:
    switch(list_delay=5)
    assert dealer.get("/sites").json() == dealer.get("/sites/1/contacts").json() == []
    base_clock.advance(6)
    assert len(dealer.get("/sites").json()) == len(dealer.get("/sites/1/contacts").json()) == 1


def test_equipment_is_listed_by_what_it_is(
    dealer: httpx.Client, partner: httpx.Client, site: dict[str, Any]
) -> None:
    bridge = {
        "external_device_id": "b",
        "device_type": "bridge",
        "zone_number": "009",
        "mac": "00:1A:2B:3C:4D:5F",
    }
    partner.post("/sites/1/devices", json=[bridge])
    camera = dealer.get("/sites/1/cameras").json()[0]
    assert (camera["device_id"], camera["status"], camera["zone_numbers"]) == (1, "online", ["001", "002"])
    bridges = dealer.get("/sites/1/bridges").json()["data"]
    assert (bridges["total_count"], bridges["bridges"][0]["mac_address"]) == (1, "00:1A:2B:3C:4D:5F")
    zones = dealer.get("/sites/1/zones").json()
    assert [each["zone_numbers"] for each in zones] == [["001"], ["002"], ["009"]]
    assert dealer.get("/sites/1/audio-devices").json() == []


def test_a_snapshot_is_found_from_the_mjpeg_link(
    dealer: httpx.Client, anonymous: httpx.Client, site: dict[str, Any], base_clock: BaseClock
) -> None:
    """The way a viewer goes: token from the link, MAC and channel from the camera or the token."""
    camera = dealer.get("/sites/1/cameras").json()[0]
    token = httpx.URL(camera["mjpeg_url"]).params["access_token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["sub"], claims["channel"]) == (camera["mac"], camera["channel"])
    path = f"/api/v1/snapshots/{camera['mac']}/{camera['channel']}"
    answer = anonymous.get(path, params={"access_token": token})
    assert base64.b64decode(answer.json()["data"]).startswith(b"\xff\xd8")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert anonymous.get(camera["mjpeg_url"]).headers["content-type"].startswith("multipart/x-mixed-replace")
    other = f"/api/v1/snapshots/{camera['mac']}/7"
    assert anonymous.get(other, params={"access_token": token}).status_code == 403
    assert anonymous.get(path, params={"access_token": token + "x"}).status_code == 401
    assert anonymous.get(path).status_code == 401
    base_clock.advance(901)
    assert anonymous.get(path, params={"access_token": token}).status_code == 401


def test_the_activity_log_is_searched_page_by_page(
    dealer: httpx.Client, anonymous: httpx.Client, site: dict[str, Any], base_clock: BaseClock
) -> None:
    for _ in range(5):
        anonymous.post("/sim/v0/sites/1/alarms", json={"zone_number": "001"})
        base_clock.advance(1)
    span = {"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-03T00:00:00Z", "site_id": 1}
    first = dealer.post("/activity-logs/search", json={**span, "limit": 3}).json()
    rest = dealer.post(
        "/activity-logs/search", json={**span, "limit": 3, "cursor": first["page"]["cursor"]}
    ).json()
    assert [each["event_id"] for each in first["data"] + rest["data"]] == [5, 4, 3, 2, 1]
    assert (first["page"]["has_more"], rest["page"]["has_more"]) == (True, False)
    assert dealer.post("/activity-logs/search", json={"site_id": 1}).status_code == 400
    categories = {each["id"]: each["name"] for each in dealer.get("/activity-logs/categories").json()}
    assert first["data"][0]["category_id"] in categories
    media = dealer.post("/events-video-urls", json={"event_ids": [1, 999]}).json()
    assert [each["event_id"] for each in media["events"]] == [1]
    assert dealer.post("/events-video-urls", json={"event_ids": ["1"]}).status_code == 400


def test_the_shape_of_the_pages_is_one_switch_away(
    dealer: httpx.Client, site: dict[str, Any], switch: Switch
) -> None:
    switch(shape="page")
    sites = dealer.get("/sites", params={"per_page": 1, "status": "inactive"}).json()
    assert sites["data"]["total_count"] == 1
    found = sites["data"]["sites"][0]
    assert (found["site_id"], found["name"], found["account_reference_id"]) == (
        "site_1",
        "Headquarters",
        "hq",
    )
    assert dealer.get("/sites", params={"per_page": 101}).status_code == 400
    assert dealer.get("/sites", params={"page": 2}).json()["data"]["sites"] == []
    contact = dealer.get("/sites/site_1/contacts/contact_1").json()["data"]
    assert (contact["contact_id"], contact["phone"]) == ("contact_1", "+15555550123")
    body = {"first_name": "Jane", "last_name": "Roe", "notification_preferences": {"sms": True}}
    created = dealer.post("/sites/site_1/contacts", json=body)
    assert (created.status_code, created.json()["data"]["contact_id"]) == (201, "contact_2")
    wrong = {**body, "notification_preferences": {"fax": True}}
    assert (
        dealer.post("/sites/site_1/contacts", json=wrong).json()["error"]["field"]
        == "notification_preferences"
    )
    assert dealer.get("/sites/1/arming").json()["data"]["arming_status"] == "disarmed"
