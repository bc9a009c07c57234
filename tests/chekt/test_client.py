"""Reading and writing through the client: every envelope, every id type, every outcome of a write."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx
import pytest

from reconciler.errors import ApiError, RemoteError
from reconciler.model import Address, JsonValue, LiveObject
from reconciler.writes import Write
from tests.chekt.conftest import Lab, always, in_turn

SITE = {
    "site_id": 17,
    "external_site_id": "hq",
    "name": "Headquarters",
    "timezone": "Asia/Seoul",
    "monitoring_station_id": 4,
    "account_number": "",
    "is_activated": 0,
    "created_at": "2025-01-01 00:00:00",
}


def site(number: int, **changes: JsonValue) -> dict[str, JsonValue]:
    return {**SITE, "site_id": number, "external_site_id": f"s{number}", **changes}


def write(operation: str, kind: str = "site", **changes: object) -> Write:
    values: dict[str, object] = {
        "operation": operation,
        "address": Address(kind, ("acme", "hq")),
        "parent_ids": ("5",) if kind in ("site", "monitoring_station") else ("5", "17"),
        "remote_id": None if operation == "create" else "17",
        "external_id": "hq",
        "payload": {},
        "idempotency_key": "key-1",
    }
    return Write(**{**values, **changes})  # type: ignore[arg-type]


def sent(request: httpx.Request) -> JsonValue:
    body: JsonValue = json.loads(request.content)
    return body


def test_a_live_object_has_the_manifests_names_and_normal_forms(lab: Lab) -> None:
    with lab.client(always(200, json=[SITE])) as client:
        (live,) = client.list("site", ("5",))
    assert live == LiveObject(
        "site",
        "17",
        "hq",
        {
            "name": "Headquarters",
            "timezone": "Asia/Seoul",
            "monitoring_station": "4",
            "account_number": None,
        },
    )
    assert lab.seen[0].url.path == "/partner/v1/dealers/5/sites"


@pytest.mark.parametrize(
    "body",
    [
        [site(1), site(2)],
        {"data": [site(1), site(2)]},
        {"data": {"sites": [site(1), site(2)], "total_count": 2}, "meta": {"timestamp": "now"}},
        {"sites": [site(1), site(2)]},
        {"data": [site(1), site(2)], "page": {"cursor": None, "has_more": False}},
        {"data": [site(1), site(2), site(1)]},
    ],
)
def test_a_list_is_read_in_one_request_out_of_every_envelope(lab: Lab, body: JsonValue) -> None:
    with lab.client(always(200, json=body)) as client:
        assert [live.remote_id for live in client.list("site", ("5",))] == ["1", "2"]
    assert client.requests.reads == 1


@pytest.mark.parametrize("length", [0, 1, 20, 50, 100, 500, 1000])
def test_a_bare_array_of_any_length_is_one_request(lab: Lab, length: int) -> None:
    with lab.client(always(200, json=[site(n) for n in range(1, length + 1)])) as client:
        assert len(client.list("site", ("5",))) == length
    assert client.requests.reads == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"sites": None}, "expected an array"),
        ({"items_of_some_kind": []}, "keys items_of_some_kind"),
        ({}, "(none)"),
        ("text", "JSON str"),
        ([1, 2], "expected objects"),
        ([{"name": "no id"}], "expected site_id"),
        ([site(1), site(1, name="Other")], "twice"),
    ],
)
def test_what_is_no_sound_list_is_an_error_not_an_empty_account(lab: Lab, body: JsonValue, says: str) -> None:
    with lab.client(always(200, json=body)) as client, pytest.raises(RemoteError) as caught:
        client.list("site", ("5",))
    assert says in caught.value.message
    assert "/partner/v1/dealers/" in caught.value.message


@pytest.mark.parametrize(
    ("body", "remote_id"),
    [
        (SITE, "17"),
        ({"data": SITE}, "17"),
        ({"data": {"site": SITE}}, "17"),
        ({**SITE, "site_id": "17"}, "17"),
    ],
)
def test_one_object_is_read_out_of_every_envelope(
    lab: Lab, body: Mapping[str, JsonValue], remote_id: str
) -> None:
    with lab.client(always(200, json=body)) as client:
        live = client.read("site", ("5", "17"))
    assert live is not None
    assert live.remote_id == remote_id


def test_absence_on_an_unconfirmed_path_is_confirmed_by_the_list(lab: Lab) -> None:
    not_found = httpx.Response(404, json={"message": "no"})
    with lab.client(in_turn(not_found, httpx.Response(200, json=[SITE]))) as client:
        assert client.read("site", ("5", "17")) is not None
    not_found = httpx.Response(404, json={"message": "no"})
    with lab.client(in_turn(not_found, httpx.Response(200, json=[]))) as client:
        assert client.read("site", ("5", "17")) is None


def test_an_answer_about_another_object_is_refused(lab: Lab) -> None:
    with (
        lab.client(always(200, json=site(18))) as client,
        pytest.raises(ApiError, match="expected site_id 17"),
    ):
        client.read("site", ("5", "17"))


def test_a_dealer_is_read_by_its_id(lab: Lab) -> None:
    body = {"dealer_id": 5, "external_dealer_id": "adc-1", "company_name": "Acme Inc."}
    with lab.client(always(200, json=body)) as client:
        live = client.read("dealer", ("5",))
    assert live == LiveObject("dealer", "5", "adc-1", {"company_name": "Acme Inc."})


def test_a_part_is_read_in_normal_form(lab: Lab) -> None:
    body = {"site_id": 17, "external_site_id": "hq", "name": "HQ", "security_type": 3}
    with lab.client(always(200, json=body)) as client:
        assert client.read_part("site", "arming_settings", ("5", "17")) == {"security_type": "video"}
    assert lab.seen[0].url.path == "/partner/v1/dealers/5/sites/17/arming-settings"


def test_cameras_and_bridges_of_the_dealer_surface_are_devices(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("cameras"):
            camera = {"device_id": 3, "name": "Door", "zone_numbers": [2, 5], "mac": "001a2b3c4d5e"}
            return httpx.Response(200, json=[camera])
        bridge = {"bridge_id": "bridge_abc", "mac_address": "00:1A:2B:3C:4D:5F", "model": "B1"}
        return httpx.Response(200, json={"data": {"bridges": [bridge], "total_count": 1}})

    with lab.client(serve, "dealer") as client:
        camera, bridge = client.list("device", ("5", "17"))
    assert camera.fields == {
        "device_type": "camera",
        "name": "Door",
        "zone_number": "002",
        "additional_zone_numbers": ["005"],
        "mac": "001A2B3C4D5E",
    }
    assert (bridge.remote_id, bridge.external_id) == ("bridge_abc", None)
    assert bridge.fields == {"device_type": "bridge", "mac": "001A2B3C4D5F", "model": "B1"}


def test_a_create_sends_the_external_id_and_numbers_for_references(lab: Lab) -> None:
    payload = {"name": "HQ", "timezone": "Asia/Seoul", "monitoring_station": "4", "address1": None}
    with lab.client(always(201, json=SITE)) as client:
        (result,) = client.write([write("create", payload=payload)])
    assert sent(lab.seen[0]) == {
        "external_site_id": "hq",
        "name": "HQ",
        "timezone": "Asia/Seoul",
        "monitoring_station_id": 4,
    }
    assert lab.seen[0].headers["Idempotency-Key"] == "key-1"
    assert result.error is None
    assert result.live is not None
    assert result.live.remote_id == "17"


@pytest.mark.parametrize(("clear", "blank"), [("null", None), ("empty", "")])
def test_a_field_is_cleared_the_way_the_environment_says(lab: Lab, clear: str, blank: JsonValue) -> None:
    with lab.client(always(200, json=SITE), clear=clear) as client:
        client.write([write("update", payload={"address1": None, "name": "New"})])
    assert sent(lab.seen[0]) == {"address1": blank, "name": "New"}
    assert lab.seen[0].method == "PATCH"
    assert lab.seen[0].url.path == "/partner/v1/dealers/5/sites/17"


def test_a_put_sends_every_mutable_field_and_blanks_as_empty_text(lab: Lab) -> None:
    before = {"first_name": "John", "last_name": "Doe", "title": None, "sms_alarm_enabled": True}
    change = write("update", "contact", payload={"last_name": "Roe"}, before=before, remote_id="9")
    with lab.client(always(200, json={"data": {"contact_id": 9}}), "dealer") as client:
        (result,) = client.write([change])
    assert result.error is None
    assert lab.seen[0].url.path == "/ext/v1/sites/17/contacts/9"
    assert sent(lab.seen[0]) == {
        "first_name": "John",
        "last_name": "Roe",
        "phone_number": "",
        "email_address": "",
        "title": "",
        "slot_number": "",
        "sms_alarm_enabled": 1,
    }


def test_a_part_is_written_to_its_own_endpoint(lab: Lab) -> None:
    change = write("update", part="arming_settings", payload={"security_type": "alarm_com"})
    with lab.client(always(200, json={"site_id": 17, "security_type": 4})) as client:
        (result,) = client.write([change])
    assert lab.seen[0].url.path.endswith("/sites/17/arming-settings")
    assert sent(lab.seen[0]) == {"security_type": 4}
    assert result.live is not None
    assert result.live.fields == {"security_type": "alarm_com"}


@pytest.mark.parametrize("answer", [httpx.Response(200, json={}), httpx.Response(204), httpx.Response(200)])
def test_a_delete_is_done_whatever_the_success_looks_like(lab: Lab, answer: httpx.Response) -> None:
    with lab.client(in_turn(answer)) as client:
        (result,) = client.write([write("delete")])
    assert (result.error, result.ambiguous) == (None, False)
    assert lab.seen[0].content == b""
    assert "Content-Type" not in lab.seen[0].headers


def test_a_create_that_returns_no_id_has_to_be_looked_up(lab: Lab) -> None:
    with lab.client(always(201, json={})) as client:
        (result,) = client.write([write("create", payload={"name": "HQ"})])
    assert result.ambiguous


def test_a_field_the_surface_does_not_have_is_refused_before_sending(lab: Lab) -> None:
    with lab.client(always(200, json={})) as client:
        (result,) = client.write([write("update", "contact", payload={"title": "Boss"})])
    assert result.error is not None
    assert "no field title" in result.error
    assert not lab.seen


def test_a_secret_is_never_read_back(lab: Lab) -> None:
    body = [
        {"webhook_id": "w_1", "url": "HTTPS://Hooks.example.com/a", "events": ["b", "a"], "secret": "echoed"}
    ]
    with lab.client(always(200, json=body)) as client:
        (live,) = client.list("webhook", ())
    assert live.external_id == "https://hooks.example.com/a"
    assert live.fields == {"url": "https://hooks.example.com/a", "events": ["a", "b"]}


def test_an_id_cannot_walk_out_of_its_path(lab: Lab) -> None:
    with lab.client(always(200, json=[])) as client:
        with pytest.raises(RemoteError, match="cannot stand for"):
            client.list("site", ("..",))
        client.list("site", ("5/../6",))
    assert lab.seen[0].url.raw_path == b"/partner/v1/dealers/5%2F..%2F6/sites"


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (write("create", payload={"name": "HQ"}), site(3)),
        (write("update", payload={"name": "HQ"}), site(3)),
    ],
)
def test_an_answer_about_another_object_leaves_a_write_unknown(
    lab: Lab, change: Write, answer: JsonValue
) -> None:
    with lab.client(always(200, json=answer)) as client:
        (result,) = client.write([change])
    assert result.ambiguous
    assert "another object" in (result.error or "")


def test_what_json_cannot_hold_is_refused_before_sending(lab: Lab) -> None:
    with lab.client(always(200, json={})) as client:
        (result,) = client.write([write("update", payload={"name": "\ud800"})])
    assert "cannot be written as JSON" in (result.error or "")
    assert not lab.seen


def test_a_contact_of_a_site_that_is_gone_is_gone(lab: Lab) -> None:
    with lab.client(always(404, json={"message": "no site"})) as client:
        assert client.read("contact", ("5", "17", "3")) is None


def test_two_unconfirmed_paths_prove_no_absence(lab: Lab) -> None:
    client = lab.client(always(404, json={"message": "no such route"}))
    with client, pytest.raises(ApiError, match="404"):
        client.read("device", ("5", "17", "3"))


def test_kinds_without_an_endpoint_are_not_asked_for(lab: Lab) -> None:
    with lab.client(always(200, json=[])) as client, pytest.raises(RemoteError, match="no endpoint"):
        client.list("schedule", ())
    with lab.client(always(200, json=[]), "dealer") as client:
        (result,) = client.write([write("create", payload={"name": "HQ"})])
    assert "cannot create a site" in (result.error or "")
    assert not lab.seen


def test_a_read_without_an_endpoint_of_its_own_looks_in_the_list(lab: Lab) -> None:
    body = {"webhook_id": "w_1", "url": "https://hooks.example.com/a", "events": []}
    with lab.client(always(200, json=[body])) as client:
        assert client.read("webhook", ("w_1",)) is not None
        assert client.read("webhook", ("w_2",)) is None


def test_a_corrected_endpoint_is_used_as_written(lab: Lab) -> None:
    corrections = {"site": {"update": "PUT /partner/v2/sites/{site_id}"}}
    before = {"name": "Old", "address1": "Road 1", "security_type": "video"}
    with lab.client(always(200, json=SITE), corrections=corrections) as client:
        client.write([write("update", payload={"name": "New"}, before=before)])
    assert (lab.seen[0].method, lab.seen[0].url.path) == ("PUT", "/partner/v2/sites/17")
    assert sent(lab.seen[0]) == {
        "name": "New",
        "timezone": "",
        "account_number": "",
        "address1": "Road 1",
        "address2": "",
    }


def test_a_put_leaves_out_what_cannot_change(lab: Lab) -> None:
    corrections = {"device": {"update": "PUT /partner/v1/sites/{site_id}/devices/{device_id}"}}
    before = {"device_type": "camera", "zone_number": "001", "name": "Door"}
    change = write("update", "device", payload={"name": "Gate"}, before=before, remote_id="3")
    with lab.client(always(200, json={"device_id": 3}), corrections=corrections) as client:
        client.write([change])
    body = sent(lab.seen[0])
    assert isinstance(body, dict)
    assert body.keys().isdisjoint({"device_type", "external_device_id", "device_id"})
    assert (body["name"], body["zone_number"], body["mac"]) == ("Gate", "001", "")
