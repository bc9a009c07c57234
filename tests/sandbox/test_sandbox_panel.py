"""Arming: commands that take effect later, partitions, open zones, people at the keypad."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.sandbox import Sandbox, Switches, transport
from tests.sandbox.conftest import BaseClock

Switch = Callable[..., None]
SIM = "https://api.example.com/sim/v0"


@pytest.fixture
def status(dealer: httpx.Client, site: dict[str, Any]) -> Callable[[], str]:
    return lambda: dealer.get("/sites/1/arming").json()["arming_status"]


def arm(dealer: httpx.Client, user: str = "ops") -> httpx.Response:
    return dealer.post("/sites/1/arming/actions/arm", json={"user": user})


def disarm(dealer: httpx.Client) -> httpx.Response:
    return dealer.post("/sites/1/arming/actions/disarm", json={"user": "ops"})


def test_a_command_takes_effect_after_the_delay(
    dealer: httpx.Client, status: Callable[[], str], base_clock: BaseClock
) -> None:
    assert status() == "disarmed"
    assert arm(dealer).status_code == 200
    base_clock.advance(0.7)
    assert status() == "disarmed"
    base_clock.advance(0.1)
    assert status() == "armed"
    assert dealer.get("/sites/1/arming").json()["arming_updated_at"] == "2026-03-02T09:00:00.800Z"
    disarm(dealer)
    base_clock.advance(1)
    assert status() == "disarmed"


def test_a_later_command_replaces_a_pending_one(
    dealer: httpx.Client, status: Callable[[], str], base_clock: BaseClock
) -> None:
    arm(dealer)
    base_clock.advance(0.5)
    disarm(dealer)
    base_clock.advance(5)
    assert status() == "disarmed"
    assert dealer.get(f"{SIM}/sites/1/arming/history").json() == []


def test_the_state_in_between_can_be_shown(
    dealer: httpx.Client, status: Callable[[], str], switch: Switch, base_clock: BaseClock
) -> None:
    switch(arming_in_progress=True, arming_states="modes")
    dealer.post("/sites/1/arming/actions/arm", json={"user": "ops", "mode": "night"})
    assert status() == "arming_in_progress"
    base_clock.advance(1)
    assert status() == "armed_night"


def test_the_history_says_who_and_when(
    dealer: httpx.Client, status: Callable[[], str], base_clock: BaseClock
) -> None:
    arm(dealer, "reconciler:weeknights@1")
    base_clock.advance(1)
    arm(dealer, "someone else")
    base_clock.advance(1)
    dealer.put(f"{SIM}/sites/1/arming", json={"state": "disarmed", "by": "John Doe", "method": "keypad"})
    history = dealer.get(f"{SIM}/sites/1/arming/history").json()
    assert [(each["trigger"], each["from"], each["to"], each["method"]) for each in history] == [
        ("reconciler:weeknights@1", "disarmed", "armed_away", "api"),
        ("John Doe", "armed_away", "disarmed", "keypad"),
    ]
    span = {"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-03T00:00:00Z"}
    rows = dealer.post("/activity-logs/search", json={**span, "sort_order": "asc"}).json()["data"]
    assert [each["status"] for each in rows] == ["armed", "disarmed"]


def test_an_open_zone_refuses_the_command_and_is_named(
    dealer: httpx.Client, status: Callable[[], str], base_clock: BaseClock
) -> None:
    dealer.put(f"{SIM}/sites/1/zones/002", json={"status": "open", "name": "Back Door"})
    refused = arm(dealer)
    assert refused.status_code == 409
    assert "002 (Back Door)" in refused.json()["error"]["message"]
    base_clock.advance(5)
    assert status() == "disarmed"
    forced = {"user": "ops", "bypass_zones": [2]}
    assert dealer.post("/sites/1/arming/actions/arm", json=forced).status_code == 200
    assert arm(dealer).status_code == 409
    dealer.put(f"{SIM}/sites/1/zones/002", json={"bypassed": True})
    assert arm(dealer).status_code == 200
    dealer.put(f"{SIM}/sites/1/zones/002", json={"bypassed": False, "status": "closed"})
    assert arm(dealer).status_code == 200


def test_an_open_zone_may_make_an_accepted_command_fail(
    dealer: httpx.Client, status: Callable[[], str], switch: Switch, base_clock: BaseClock
) -> None:
    switch(open_zone="failure")
    dealer.put(f"{SIM}/sites/1/zones/002", json={"status": "open", "name": "Back Door"})
    assert arm(dealer).status_code == 200
    base_clock.advance(5)
    assert status() == "disarmed"
    failure = dealer.get(f"{SIM}/sites/1/arming/history").json()[0]
    assert (failure["to"], failure["zone_name"]) == ("arm_failure", "Back Door")


@pytest.mark.parametrize("state", ["alarm", "entry_delay", "arming_in_progress"])
def test_a_busy_site_is_disarmed_but_never_armed(
    dealer: httpx.Client, status: Callable[[], str], base_clock: BaseClock, state: str
) -> None:
    dealer.put(f"{SIM}/sites/1/arming", json={"state": state})
    assert status() == state
    assert arm(dealer).status_code == 409
    assert disarm(dealer).status_code == 200
    base_clock.advance(1)
    assert status() == "disarmed"


@pytest.mark.parametrize(
    "body",
    [{"user": 5}, {"mode": "holiday"}, {"force_arm": "yes"}, {"bypass_zones": ["1"]}, {"colour": "red"}],
)
def test_a_wrong_command_is_refused(dealer: httpx.Client, status: Callable[[], str], body: Any) -> None:
    assert dealer.post("/sites/1/arming/actions/arm", json=body).status_code == 400


def test_a_partitioned_site_is_armed_by_partition(
    dealer: httpx.Client, site: dict[str, Any], base_clock: BaseClock
) -> None:
    partitions = dealer.put(f"{SIM}/sites/1/partitions", json={"names": ["Office", "Warehouse"]}).json()
    assert [each["partition_id"] for each in partitions] == [1, 2]
    listed = dealer.get("/sites").json()[0]
    assert (listed["is_partition_enabled"], len(listed["partitions"])) == (1, 2)
    assert arm(dealer).status_code == 409
    assert dealer.get("/sites/1/arming").status_code == 409
    path = "/sites/1/partition-arming"
    assert dealer.post(f"{path}/actions/arm", json={"partition_ids": [2], "user": "ops"}).is_success
    base_clock.advance(1)
    states = {each["partition_name"]: each["arming_status"] for each in dealer.get(path).json()}
    assert states == {"Office": "disarmed", "Warehouse": "armed"}
    for wrong in ([], [9], ["1"], None):
        assert dealer.post(f"{path}/actions/arm", json={"partition_ids": wrong}).status_code == 400
    assert dealer.post(f"{path}/actions/disarm", json={"partition_ids": [2], "user": "ops"}).is_success


def test_one_open_zone_keeps_all_named_partitions_from_arming(
    dealer: httpx.Client, site: dict[str, Any], base_clock: BaseClock
) -> None:
    dealer.put(f"{SIM}/sites/1/partitions", json={"count": 2})
    dealer.put(f"{SIM}/sites/1/zones/2", json={"status": "open", "partition_id": 2})
    path = "/sites/1/partition-arming"
    assert dealer.post(f"{path}/actions/arm", json={"partition_ids": [1, 2]}).status_code == 409
    base_clock.advance(1)
    assert {each["arming_status"] for each in dealer.get(path).json()} == {"disarmed"}
    assert dealer.post(f"{path}/actions/arm", json={"partition_ids": [1]}).status_code == 200


@pytest.mark.parametrize("envelope", ["array", "partitions", "data"])
def test_partitions_come_in_any_of_three_envelopes(
    dealer: httpx.Client, partner: httpx.Client, switch: Switch, envelope: str
) -> None:
    switch(partition_envelope=envelope, new_site_partitions=2)
    partner.post("/sites", json={"external_site_id": "p", "name": "P", "timezone": "UTC"})
    body = dealer.get("/sites/1/partition-arming").json()
    states = body if envelope == "array" else body[envelope]
    assert [each["partition_number"] for each in states] == [1, 2]


def test_the_pages_want_a_mode_and_a_code(
    dealer: httpx.Client, site: dict[str, Any], switch: Switch, base_clock: BaseClock
) -> None:
    switch(shape="page")
    assert arm(dealer).json()["error"]["field"] == "mode"
    body = {"mode": "stay", "user_code": "1234", "force_arm": True}
    assert dealer.post("/sites/site_1/arming/actions/arm", json=body).status_code == 200
    base_clock.advance(1)
    state = dealer.get("/sites/site_1/arming").json()["data"]
    assert (state["arming_status"], state["arming_mode"]) == ("armed_stay", "stay")
    assert state["armed_by"]["method"] == "api"
    assert [each["zone_number"] for each in state["zones"]] == [1, 2]


def test_a_change_of_state_is_told_to_all_three_systems_when_it_happens(
    sandbox: Any, partner: httpx.Client, dealer: httpx.Client, site: dict[str, Any], base_clock: BaseClock
) -> None:
    webhook = {"url": "https://hooks.example.com/b", "events": ["site.armed"], "secret": "shhh-secret"}
    partner.post("https://api.example.com/partner/v1/webhooks", json=webhook)
    subscription = {"url": "https://hooks.example.com/a", "events": ["partition.armed", "alarm.created"]}
    app = {"external_app_id": "ai", "permissions": ["sites:read"], "webhook": subscription}
    assert partner.post(f"{SIM}/dealers/12345/apps", json=app).status_code == 201
    dealer.patch(f"{SIM}/objects/dealer/12345", json={"webhook_url": "https://hooks.example.com/c"})
    dealer.put(f"{SIM}/sites/1/partitions", json={"count": 1})
    dealer.post("/sites/1/partition-arming/actions/arm", json={"partition_ids": [1], "user": "ops"})
    dealer.post(f"{SIM}/sites/1/alarms", json={})
    queued = {each["system"] + each["event"]: each for each in dealer.get(f"{SIM}/deliveries").json()}
    assert set(queued) == {"Bsite.armed", "Apartition.armed", "Cpartition_arming_status", "Calarm_event"}
    assert queued["Bsite.armed"]["due_at"] == "2026-03-02T09:00:00.800Z"

    signed = queued["Bsite.armed"]
    expected = hmac.new(b"shhh-secret", signed["body"].encode(), hashlib.sha256).hexdigest()
    assert signed["headers"] == {"x-webhook-signature": f"sha256={expected}"}

    signed = queued["Apartition.armed"]
    secret = dealer.get(f"{SIM}/keys").json()["apps"][0]["webhook_secret"]
    text = f"{signed['headers']['X-CHeKT-Timestamp']}.{signed['body']}"
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert signed["headers"]["X-CHeKT-Signature"] == expected

    payload = json.loads(queued["Cpartition_arming_status"]["body"])["payload"]["data"]
    assert (payload["site_id"], payload["arming_status"]) == (1, "armed")


def test_a_delivery_is_retried_until_it_is_taken(base_clock: BaseClock) -> None:
    answers = [503, 0, 200]
    seen: list[str] = []

    def sender(delivery: Any) -> int:
        seen.append(delivery.url)
        return answers[len(seen) - 1]

    sandbox = Sandbox(clock=base_clock, sender=sender, switches=Switches(rate_limits=False))
    client = httpx.Client(transport=transport(sandbox), base_url="https://api.example.com", trust_env=False)
    client.post("/sim/v0/objects/site", json={"scope": "12345", "external_id": "a", "body": {"name": "A"}})
    client.patch("/sim/v0/objects/dealer/12345", json={"webhook_url": "https://hooks.example.com/c"})
    client.post("/sim/v0/sites/1/alarms", json={})
    for wait in (0, 0, 1, 2, 60):
        base_clock.advance(wait)
        client.post("/sim/v0/deliveries")
    assert len(seen) == 3
    assert [each["status"] for each in client.get("/sim/v0/deliveries").json()] == ["delivered"]
    client.close()
    sandbox.close()
