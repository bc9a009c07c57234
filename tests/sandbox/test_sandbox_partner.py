"""The partner surface: what it answers, what it refuses, and what the switches change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Switch = Callable[..., None]
SURROGATE = b'{"external_site_id": "\\ud800", "name": "A", "timezone": "UTC"}'
DEALER = "https://api.example.com/partner/v1/dealers/12345"
SITE = {"external_site_id": "branch", "name": "Branch", "timezone": "America/New_York"}


def test_a_fresh_sandbox_holds_one_connected_dealer(partner: httpx.Client) -> None:
    answer = partner.get(DEALER)
    assert answer.json()["external_dealer_id"] == "adc-67890"
    assert answer.json()["company_name"] == "CHeKT Security Solutions Inc."
    assert partner.get("https://api.example.com/partner/v1/dealers/777").status_code == 404


def test_a_create_answers_iso_time_and_a_list_a_spaced_one(
    partner: httpx.Client, site: dict[str, Any]
) -> None:
    assert site["created_at"] == "2026-03-02T09:00:00.000Z"
    assert partner.get("/sites").json()[0]["created_at"] == "2026-03-02 09:00:00"


def test_a_new_site_is_not_activated_and_names_its_station(site: dict[str, Any]) -> None:
    assert site["site_id"] == 1
    assert site["is_activated"] == 0
    assert site["external_monitoring_station_id"] == "central"
    assert "security_type" not in site


def test_ids_count_up_and_are_never_used_again(partner: httpx.Client) -> None:
    first = partner.post("/sites", json=SITE).json()["site_id"]
    partner.delete(f"/sites/{first}")
    assert (first, partner.post("/sites", json=SITE).json()["site_id"]) == (1, 2)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"external_site_id": "x", "name": "X"}, "timezone"),
        ({"name": "X", "timezone": "UTC"}, "external_site_id"),
        ({**SITE, "name": ""}, "name"),
        ({**SITE, "name": None}, "name"),
        ({**SITE, "name": 7}, "name"),
        ({**SITE, "name": "x" * 256}, "name"),
        ({**SITE, "timezone": "Asia/Atlantis"}, "timezone"),
        ({**SITE, "site_id": 9}, "site_id"),
        ({**SITE, "is_activated": 1}, "is_activated"),
        ({**SITE, "external_monitoring_station_id": "x"}, "external_monitoring_station_id"),
        ({**SITE, "monitoring_station_id": "1"}, "monitoring_station_id"),
        ({**SITE, "monitoring_station_id": True}, "monitoring_station_id"),
        ({**SITE, "security_type": 3}, "security_type"),
        ({**SITE, "nickname": "x"}, "nickname"),
    ],
)
def test_a_wrong_site_is_refused_by_field(partner: httpx.Client, body: Any, field: str) -> None:
    answer = partner.post("/sites", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
    assert partner.get("/sites").json() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b'{"name": NaN}', b"\xff", SURROGATE])
def test_a_body_that_is_no_json_object_is_refused(partner: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert partner.post("/sites", content=body, headers=headers).status_code == 400


def test_a_read_only_field_is_told_from_an_unknown_one(partner: httpx.Client) -> None:
    codes = [
        partner.post("/sites", json={**SITE, name: 1}).json()["error"]["code"]
        for name in ("site_id", "nickname")
    ]
    assert codes == ["read_only", "unknown_field"]


@pytest.mark.parametrize("wrong", ["x", "-1", "1.0", "0x1", "٣", "9" * 30, "%00"])
def test_ids_in_paths_are_digits_only(partner: httpx.Client, site: dict[str, Any], wrong: str) -> None:
    assert partner.get(f"/sites/{wrong}").status_code == 404


def test_the_documented_samples_are_accepted(partner: httpx.Client, site: dict[str, Any]) -> None:
    device = {
        "external_device_id": "adc-67890",
        "device_type": "camera",
        "zone_number": "004",
        "additional_zone_numbers": "005,006",
        "mac": "1234567890",
        "manufacturer": "CHeKT",
        "model": "ADC2345",
        "serial_number": "SN1234567890",
    }
    assert partner.post("/sites/1/devices", json=[device]).json()["success_count"] == 1
    contact = {"external_contact_id": "1234", "first_name": "John", "last_name": "Doe"}
    contact |= {"phone_number": "1234567890", "email": "john.doe@example.com"}
    assert partner.post("/sites/1/contacts", json=contact).status_code == 201


def test_patch_merges_and_put_replaces(partner: httpx.Client, site: dict[str, Any]) -> None:
    patched = partner.patch("/sites/1", json={"name": "New"}).json()
    assert (patched["name"], patched["address1"]) == ("New", "1 Example Street")
    put = partner.put("/sites/1", json={"name": "Newer", "timezone": "UTC"}).json()
    assert "address1" not in put
    assert put["external_site_id"] == "hq"
    assert partner.put("/sites/1", json={"name": "Newer"}).json()["error"]["field"] == "timezone"


@pytest.mark.parametrize(("semantics", "address"), [("merge", "kept"), ("replace", "cleared")])
def test_update_semantics_can_be_the_same_for_both_methods(
    partner: httpx.Client, site: dict[str, Any], switch: Switch, semantics: str, address: str
) -> None:
    switch(update_semantics=semantics)
    for method in ("PATCH", "PUT"):
        partner.request(method, "/sites/1", json={"name": "New", "timezone": "UTC"})
        assert ("address1" in partner.get("/sites/1").json()) is (address == "kept")


@pytest.mark.parametrize(
    ("clear_by", "value", "status"),
    [
        ("either", None, 200),
        ("either", "", 200),
        ("null", None, 200),
        ("null", "", 400),
        ("empty", "", 200),
        ("empty", None, 400),
    ],
)
def test_what_clears_a_field_is_a_switch(
    partner: httpx.Client, site: dict[str, Any], switch: Switch, clear_by: str, value: str | None, status: int
) -> None:
    switch(clear_by=clear_by)
    assert partner.patch("/sites/1", json={"address1": value}).status_code == status
    assert ("address1" in partner.get("/sites/1").json()) is (status != 200)


@pytest.mark.parametrize(("cleared", "shown"), [("absent", "-"), ("null", None), ("empty", "")])
def test_an_unset_field_is_answered_as_the_switch_says(
    partner: httpx.Client, site: dict[str, Any], switch: Switch, cleared: str, shown: str | None
) -> None:
    switch(cleared=cleared)
    assert partner.get("/sites/1").json().get("account_number", "-") == shown


@pytest.mark.parametrize(("duplicate", "status"), [("409", 409), ("400", 400), ("422", 422), ("accept", 201)])
def test_a_duplicate_external_id_is_answered_as_the_switch_says(
    partner: httpx.Client, switch: Switch, duplicate: str, status: int
) -> None:
    switch(duplicate=duplicate)
    partner.post("/sites", json=SITE)
    assert partner.post("/sites", json=SITE).status_code == status


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_station_is_answered_as_the_switch_says(
    partner: httpx.Client, switch: Switch, status: int
) -> None:
    switch(unknown_station=status)
    answer = partner.post("/sites", json={**SITE, "monitoring_station_id": 9})
    assert answer.status_code == status
    assert answer.json()["error"]["field"] == "monitoring_station_id"


def test_an_external_id_is_unique_within_its_parent_only(partner: httpx.Client, site: dict[str, Any]) -> None:
    partner.post("/sites", json=SITE)
    contact = {"external_contact_id": "john", "first_name": "John", "last_name": "Doe"}
    assert partner.post("/sites/2/contacts", json=contact).status_code == 201


def test_an_external_id_cannot_be_changed_unless_switched_on(
    partner: httpx.Client, site: dict[str, Any], switch: Switch
) -> None:
    assert partner.patch("/sites/1", json={"external_site_id": "hq"}).status_code == 200
    assert partner.patch("/sites/1", json={"external_site_id": "other"}).status_code == 400
    switch(external_id_change="accept")
    assert partner.patch("/sites/1", json={"external_site_id": "other"}).json()["external_site_id"] == "other"


def test_objects_of_another_site_are_out_of_reach(partner: httpx.Client, site: dict[str, Any]) -> None:
    partner.post("/sites", json=SITE)
    for path in ("/sites/2/contacts/1", "/sites/2/devices/1"):
        assert partner.get(path).status_code == 404
    refused = partner.request("DELETE", "/sites/2/devices", json=[{"device_id": 1}]).json()
    assert refused["failure_count"] == 1


def test_a_site_with_children_is_not_deleted_unless_it_cascades(
    partner: httpx.Client, site: dict[str, Any], switch: Switch
) -> None:
    assert partner.delete("/sites/1").status_code == 409
    assert partner.delete("/monitoring-stations/1").status_code == 409
    switch(dependents="cascade")
    assert partner.delete("/monitoring-stations/1").json() == {}
    assert "monitoring_station_id" not in partner.get("/sites/1").json()
    assert partner.delete("/sites/1").json() == {}
    assert partner.get("/sites").json() == []


def test_a_soft_delete_keeps_the_object_listed_with_a_flag(partner: httpx.Client, switch: Switch) -> None:
    switch(delete_soft=True, delete_answer="no_content")
    partner.post("/sites", json=SITE)
    deleted = partner.delete("/sites/1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert partner.get("/sites").json()[0]["is_deleted"] == 1
    assert partner.patch("/sites/1", json={"name": "x"}).status_code == 404
    assert partner.post("/sites", json=SITE).status_code == 201


def test_lists_may_lag_behind_writes(partner: httpx.Client, switch: Switch, base_clock: Any) -> None:
    switch(list_delay=5)
    partner.post("/sites", json=SITE)
    assert partner.get("/sites").json() == []
    assert partner.get("/sites/1").status_code == 200
    base_clock.advance(6)
    partner.patch("/sites/1", json={"name": "New"})
    assert [each["name"] for each in partner.get("/sites").json()] == ["Branch"]
    partner.delete("/sites/1")
    assert len(partner.get("/sites").json()) == 1
    base_clock.advance(6)
    assert partner.get("/sites").json() == []


def test_a_page_limit_cuts_a_list_that_is_not_paged(partner: httpx.Client, switch: Switch) -> None:
    for number in range(5):
        partner.post("/sites", json={**SITE, "external_site_id": str(number)})
    switch(list_page_limit=2)

    def ids(**query: int) -> list[int]:
        return [each["site_id"] for each in partner.get("/sites", params=query).json()]

    assert ids() == [1, 2]
    assert ids(page=2) == ids(offset=2) == ids(page=2, per_page=2) == [3, 4]
    assert ids(page=3) == [5]
    assert ids(page=1, per_page=50) == [1, 2]


def test_columns_can_be_chosen_and_an_unknown_filter_is_refused(
    partner: httpx.Client, site: dict[str, Any]
) -> None:
    assert partner.get("/sites", params={"fields": "site.name,site_id"}).json() == [
        {"name": "Headquarters", "site_id": 1}
    ]
    assert partner.get("/sites", params={"fields": "site.colour"}).status_code == 400
    assert partner.get("/sites", params={"filter": "name = x"}).status_code == 400


def test_ids_can_be_strings(partner: httpx.Client, site: dict[str, Any], switch: Switch) -> None:
    switch(id_form="string")
    read = partner.get("/sites/1").json()
    assert (read["site_id"], read["monitoring_station_id"]) == ("1", "1")
    assert partner.patch("/sites/1", json={"monitoring_station_id": "1"}).status_code == 200


def test_the_registered_company_name_wins(partner: httpx.Client, switch: Switch) -> None:
    sent = {"company_name": "Other", "company_email": "a@example.com"}
    answer = partner.patch(DEALER, json=sent).json()
    assert answer["company_name"] == "CHeKT Security Solutions Inc."
    assert answer["company_email"] == "a@example.com"
    switch(company_name="sent")
    assert partner.patch(DEALER, json=sent).json()["company_name"] == "Other"


def test_a_disconnected_dealer_is_gone(partner: httpx.Client) -> None:
    assert partner.delete(DEALER).status_code == 200
    assert partner.get(DEALER).status_code == 404
    assert partner.get("/sites").status_code == 404


def test_webhooks_are_known_by_their_url_and_keep_their_secret(partner: httpx.Client) -> None:
    path = "https://api.example.com/partner/v1/webhooks"
    body = {"url": "https://hooks.example.com/a", "events": ["site.armed"], "secret": "shhh-secret"}
    created = partner.post(path, json=body)
    assert created.status_code == 201
    webhook_id = created.json()["webhook_id"]
    assert re.fullmatch(r"webhook_\d+", webhook_id)
    assert "shhh" not in created.text + partner.get(path).text
    assert partner.post(path, json=body).status_code == 409
    changed = partner.patch(f"{path}/{webhook_id}", json={"events": ["site.disarmed"]})
    assert changed.json()["events"] == ["site.disarmed"]
    assert partner.delete(f"{path}/1").status_code == 404
    assert partner.delete(f"{path}/{webhook_id}").status_code == 200
    assert partner.get(path).json() == []


def test_a_verification_takes_one_strict_answer(partner: httpx.Client, site: dict[str, Any]) -> None:
    asked = partner.post("https://api.example.com/sim/v0/sites/1/verifications", json={}).json()
    path = f"/sites/1/alarm-verifications/{asked['id']}"
    answer = {
        "verification_id": asked["verification_id"],
        "contact_id": 1,
        "action": "disregard",
        "responded_at": "2026-03-02T09:00:30Z",
    }
    assert partner.patch(path, json=answer).json() == {"id": asked["id"], **answer}
    for name, wrong in (
        ("verification_id", "x"),
        ("contact_id", 9),
        ("action", "call"),
        ("responded_at", "now"),
    ):
        refused = partner.patch(path, json={**answer, name: wrong})
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, name)
    assert partner.patch("/sites/1/alarm-verifications/9", json=answer).status_code == 404
    partner.post("/sites", json=SITE)
    elsewhere = {"external_contact_id": "jane", "first_name": "Jane", "last_name": "Roe"}
    contact_id = partner.post("/sites/2/contacts", json=elsewhere).json()["contact_id"]
    assert partner.patch(path, json={**answer, "contact_id": contact_id}).status_code == 400


def test_a_trace_id_is_a_uuid(partner: httpx.Client) -> None:
    assert partner.get(DEALER, headers={"x-partner-trace-id": "abc"}).status_code == 400


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("structured", {"error": {"code": "unknown_field", "message": "there is no field x", "field": "x"}}),
        (
            "concepts",
            {
                "error": "ValidationError",
                "message": "there is no field x",
                "details": {"field": "x", "required": False},
            },
        ),
        ("live", {"error": {"message": "there is no field x", "detail": "x"}}),
        ("bare", {"message": "there is no field x"}),
    ],
)
def test_errors_come_in_any_of_the_four_shapes(
    partner: httpx.Client, switch: Switch, shape: str, body: Any
) -> None:
    switch(error_shape=shape)
    answer = partner.post("/sites", json={**SITE, "x": 1}).json()
    if isinstance(answer.get("error"), dict):
        answer["error"].pop("request_id", None)
    assert answer == body


def test_an_unknown_path_and_an_unknown_method_are_told_apart(partner: httpx.Client) -> None:
    assert partner.get("/nothing").status_code == 404
    refused = partner.post(DEALER)
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, PATCH, PUT")
