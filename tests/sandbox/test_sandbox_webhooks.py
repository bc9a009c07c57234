"""Webhook deliveries: how they are signed and named, tried again, and what can go wrong on the way."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from reconciler.sandbox import Delivery, Fault, Sandbox, Switches, transport
from tests.sandbox.conftest import BaseClock

SIM = "/sim/v0"
URL = {name: f"http://127.0.0.1:9/{name}" for name in "abc"}


class Endpoint:
    """Takes deliveries: answers with the statuses given, the last one for good."""

    def __init__(self) -> None:
        self.answers = [200]
        self.taken: list[Delivery] = []

    def __call__(self, delivery: Delivery) -> int:
        self.taken.append(delivery)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def events(self, system: str = "C") -> list[str]:
        """What arrived of one system, by the status it tells of."""
        return [json.loads(each.body)["status"] for each in self.taken if each.system == system]


class World:
    """A sandbox with one site, whose events go to an endpoint of each system."""

    def __init__(self, clock: BaseClock, **switches: Any) -> None:
        self.endpoint = Endpoint()
        self.clock = clock
        chosen = Switches(rate_limits=False).changed({"arming_delay": 0.0, **switches})
        self.sandbox = Sandbox(clock=clock, sender=self.endpoint, switches=chosen)
        self.client = httpx.Client(transport=transport(self.sandbox), base_url="https://api.example.com")
        site = {"scope": "12345", "external_id": "a", "body": {"name": "A"}}
        webhook = {"url": URL["b"], "events": ["alarm.triggered"], "secret": "shhh-secret"}
        hook = {"url": URL["a"], "events": ["alarm.created"]}
        app = {"permissions": ["events:read"], "webhook": hook}
        self.client.post(f"{SIM}/objects/site", json=site)
        self.client.post(f"{SIM}/objects/webhook", json={"external_id": URL["b"], "body": webhook})
        self.client.post(f"{SIM}/objects/app", json={"scope": "12345", "external_id": "ai", "body": app})
        self.client.patch(f"{SIM}/objects/dealer/12345", json={"webhook_url": URL["c"]})

    def alarm(self) -> None:
        self.client.post(f"{SIM}/sites/1/alarms", json={})
        self.wait(0)

    def set(self, state: str) -> None:
        self.client.put(f"{SIM}/sites/1/arming", json={"state": state})
        self.wait(0)

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.client.post(f"{SIM}/deliveries")

    def statuses(self) -> list[str]:
        return [each["status"] for each in self.client.get(f"{SIM}/deliveries").json()]

    def close(self) -> None:
        self.client.close()
        self.sandbox.close()


@pytest.fixture
def world(base_clock: BaseClock) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**switches: Any) -> World:
        made.append(World(base_clock, **switches))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_refused_delivery_comes_again_after_twice_the_time(world: Callable[..., World]) -> None:
    at = world(retry_first=3.0)
    at.endpoint.answers = [500, 0, 503, 200]
    at.client.patch(f"{SIM}/objects/webhook/1", json={"events": []})
    at.client.patch(f"{SIM}/objects/app/1", json={"permissions": []})
    at.alarm()
    tries = []
    for second in range(1, 30):
        at.wait(1)
        tries.append((second, len(at.endpoint.taken)))
    assert [second for second, count in tries if count > dict(tries).get(second - 1, 1)] == [3, 9, 21]
    assert at.statuses() == ["delivered"]


@pytest.mark.parametrize(("system", "answer"), [("A", 204), ("B", 202), ("C", 201)])
def test_what_counts_as_taken(world: Callable[..., World], system: str, answer: int) -> None:
    at = world()
    at.endpoint.answers = [answer]
    at.alarm()
    status = {each["system"]: each["status"] for each in at.client.get(f"{SIM}/deliveries").json()}
    assert status[system] == ("delivered" if system == "A" else "queued")


@pytest.mark.parametrize(("signed", "stamps"), [("attempt", [0, 1]), ("event", [0, 0])])
def test_an_app_is_told_by_headers_what_it_is_and_a_retry_is_the_same_event(
    world: Callable[..., World], base_clock: BaseClock, signed: str, stamps: list[int]
) -> None:
    at = world(signature_time=signed, delivery_id_header="X-Delivery", trace_id_header="")
    at.endpoint.answers = [500]
    start = int(base_clock().timestamp())
    at.alarm()
    at.wait(1)
    first, second = [each for each in at.endpoint.taken if each.system == "A"]
    told = ("X-CHeKT-Event-Id", "X-Delivery")
    assert [first.headers[name] for name in told] == [second.headers[name] for name in told]
    assert first.headers["X-CHeKT-Event-Id"] == json.loads(first.body)["id"]
    assert set(first.headers) == {*told, "X-CHeKT-Signature", "X-CHeKT-Timestamp"}
    secret = at.client.get(f"{SIM}/keys").json()["apps"][0]["webhook_secret"]
    for delivery, passed in zip((first, second), stamps, strict=True):
        stamp = delivery.headers["X-CHeKT-Timestamp"]
        text = f"{stamp}.{delivery.body}"
        expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert (int(stamp) - start, delivery.headers["X-CHeKT-Signature"]) == (passed, expected)


def test_a_delivery_may_come_twice_late_or_out_of_order(world: Callable[..., World]) -> None:
    at = world()
    at.sandbox.add_fault(Fault("duplicate", method="C"))
    at.set("armed_away")
    assert at.endpoint.events() == ["armed", "armed"]
    assert len({each.body for each in at.endpoint.taken}) == 1

    at.endpoint.taken.clear()
    at.sandbox.add_fault(Fault("late", method="C", path="arming_status", seconds=9))
    at.set("disarmed")
    assert at.endpoint.events() == []
    at.set("entry_delay")
    at.wait(9)
    assert at.endpoint.events() == ["entry_delay", "disarmed"]

    at.endpoint.taken.clear()
    at.sandbox.add_fault(Fault("reorder", seconds=60))
    at.set("alarm")
    at.set("disarmed")
    at.wait(0)
    assert at.endpoint.events() == ["disarmed", "alarm"]
    assert set(at.statuses()) == {"delivered"}


def test_what_is_held_back_behind_nothing_comes_in_the_end(world: Callable[..., World]) -> None:
    at = world()
    at.sandbox.add_fault(Fault("reorder", seconds=60))
    at.set("alarm")
    at.wait(59)
    assert at.endpoint.events() == []
    at.wait(1)
    assert at.endpoint.events() == ["alarm"]


def test_a_forged_delivery_carries_a_wrong_signature_once(world: Callable[..., World]) -> None:
    at = world()
    for system in "AB":
        at.sandbox.add_fault(Fault("forge", method=system))
    at.endpoint.answers = [401]
    at.alarm()
    at.endpoint.answers = [200]
    at.wait(1)
    for system, header in (("A", "X-CHeKT-Signature"), ("B", "x-webhook-signature")):
        forged, right = [each.headers[header] for each in at.endpoint.taken if each.system == system]
        assert forged != right


def test_delivery_faults_leave_requests_alone_and_the_other_way_round(world: Callable[..., World]) -> None:
    at = world()
    at.sandbox.add_fault(Fault("late", seconds=60))
    headers = {"Authorization": "Bearer chekt-sandbox-dealer-12345"}
    at.sandbox.add_fault(Fault("status", status=503))
    assert at.client.get("/ext/v1/sites", headers=headers).status_code == 503
    at.set("alarm")
    assert at.endpoint.events() == []


def test_a_retry_survives_the_next_change_and_a_change_called_off_is_not_told(
    world: Callable[..., World],
) -> None:
    at = world(exit_delay=30.0)
    at.endpoint.answers = [500]
    at.client.put(f"{SIM}/sites/1/user-codes", json={"1234": "Jane Roe"})
    at.client.post(f"{SIM}/sites/1/keypad", json={"key": "away", "user_code": "1234"})
    at.wait(0)
    at.client.post(f"{SIM}/sites/1/keypad", json={"key": "disarm", "user_code": "1234"})
    at.endpoint.taken.clear()
    at.endpoint.answers = [200]
    at.wait(60)
    assert sorted(at.endpoint.events()) == ["arming_in_progress", "disarmed"]


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("no_retry", []),
        ("silent_field", []),
        ("tells_overtaken", ["arming_in_progress", "disarmed", "armed"]),
    ],
)
def test_an_account_can_break_its_rules_about_telling(
    world: Callable[..., World], flaw: str, told: list[str]
) -> None:
    at = world(flaws=[flaw], exit_delay=30.0)
    at.endpoint.answers = [500, 200] if flaw == "no_retry" else [200]
    at.client.put(f"{SIM}/sites/1/user-codes", json={"1234": "Jane Roe"})
    at.client.post(f"{SIM}/sites/1/keypad", json={"key": "away", "user_code": "1234"})
    at.wait(0)
    if flaw == "no_retry":
        at.endpoint.taken.clear()
        at.wait(29)
    else:
        at.client.post(f"{SIM}/sites/1/keypad", json={"key": "disarm", "user_code": "1234"})
        at.wait(60)
    assert at.endpoint.events() == told
