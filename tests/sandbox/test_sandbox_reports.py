"""The arming state that a partner's platform reports: what is taken, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import BaseClock

Switch = Callable[..., None]
Report = Callable[..., httpx.Response]
SIM = "https://api.example.com/sim/v0/sites/1"


@pytest.fixture
def report(partner: httpx.Client, site: dict[str, Any], switch: Switch, base_clock: BaseClock) -> Report:
    """Reports a state of the site, as of now unless another time is given. The model is the partner's."""
    switch(arming_model="partner_triggered", arming_states="modes")

    def send(state: object, **fields: object) -> httpx.Response:
        body = {"state": state, "partition": "all", "timestamp": base_clock().isoformat(), **fields}
        return partner.post("https://api.example.com/v1/sites/1/arming-state", json=body)

    return send


def state_of(dealer: httpx.Client) -> str:
    return str(dealer.get("/sites/1/arming").json()["arming_status"])


def history(dealer: httpx.Client) -> list[dict[str, Any]]:
    return list(dealer.get(f"{SIM}/arming/history").json())


def test_a_report_holds_at_once_from_the_time_it_names(report: Report, dealer: httpx.Client) -> None:
    at = "2026-03-02T08:59:57.250Z"
    assert report("ARMED_AWAY", timestamp=at, user_id="u-7", source="keypad").status_code == 200
    state = dealer.get("/sites/1/arming").json()
    assert (state["arming_status"], state["arming_updated_at"]) == ("armed_away", at)
    [row] = history(dealer)
    assert (row["at"], row["trigger"], row["method"]) == (at, "u-7", "keypad")


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "asleep"},
        {"state": "alarm"},
        {"state": "unknown"},
        {"state": 3},
        {"state": None},
        {"timestamp": None},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-03-02T09:00:00"},
        {"timestamp": "2026-03-02T18:00:00+09:00"},
        {"timestamp": "2026-03-02T09:01:01Z"},
        {"partition": "7"},
        {"partition": None},
        {"user_id": 7},
        {"source": ["keypad"]},
        {"colour": "red"},
    ],
)
def test_a_wrong_report_is_refused(report: Report, dealer: httpx.Client, wrong: dict[str, Any]) -> None:
    assert report(**{"state": "armed_away", **wrong}).status_code == 400
    assert (state_of(dealer), history(dealer)) == ("disarmed", [])


def test_a_report_needs_a_state_and_a_time(report: Report, partner: httpx.Client) -> None:
    path = "https://api.example.com/v1/sites/1/arming-state"
    for body in ({"state": "disarmed"}, {"timestamp": "2026-03-02T09:00:00Z"}):
        assert partner.post(path, json=body).status_code == 400


def test_other_offsets_can_be_taken(report: Report, dealer: httpx.Client, switch: Switch) -> None:
    switch(report_offsets="any")
    assert report("armed_away", timestamp="2026-03-02T18:00:00+09:00").status_code == 200
    assert dealer.get("/sites/1/arming").json()["arming_updated_at"] == "2026-03-02T09:00:00.000Z"


def test_only_the_partner_reports_and_only_of_connected_dealers(
    report: Report, dealer: httpx.Client, partner: httpx.Client
) -> None:
    path = "https://api.example.com/v1/sites/1/arming-state"
    assert dealer.post(path, json={}).status_code == 401
    assert partner.post(path.replace("/1/", "/9/"), json={}).status_code == 404
    partner.delete("https://api.example.com/partner/v1/dealers/12345")
    assert report("armed_away").status_code == 404


def test_where_chekt_arms_no_report_is_taken(report: Report, dealer: httpx.Client, switch: Switch) -> None:
    switch(arming_model="chekt_triggered")
    refused = report("armed_away")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "arming_model")
    assert state_of(dealer) == "disarmed"


VALID = [
    ("disarmed", "armed_away"),
    ("disarmed", "armed_stay"),
    ("disarmed", "armed_night"),
    ("disarmed", "arming_in_progress"),
    ("arming_in_progress", "armed_away"),
    ("arming_in_progress", "disarmed"),
    ("armed_away", "armed_stay"),
    ("armed_stay", "armed_night"),
    ("armed_night", "arming_in_progress"),
    ("armed_away", "entry_delay"),
    ("armed_night", "disarmed"),
    ("entry_delay", "disarmed"),
    ("alarm", "disarmed"),
    ("unknown", "armed_stay"),
]
INVALID = [
    ("disarmed", "entry_delay"),
    ("arming_in_progress", "entry_delay"),
    ("entry_delay", "armed_away"),
    ("entry_delay", "arming_in_progress"),
    ("armed_away", "arm_failure"),
    ("entry_delay", "arm_failure"),
    ("alarm", "armed_night"),
    ("alarm", "entry_delay"),
]


@pytest.mark.parametrize(("before", "after"), VALID)
def test_a_panels_transitions_are_taken(
    report: Report, dealer: httpx.Client, before: str, after: str
) -> None:
    dealer.put(f"{SIM}/arming", json={"state": before})
    assert report(after.upper()).status_code == 200
    assert state_of(dealer) == after


@pytest.mark.parametrize("status", [409, 422])
@pytest.mark.parametrize(("before", "after"), INVALID)
def test_other_transitions_are_refused(
    report: Report, dealer: httpx.Client, switch: Switch, before: str, after: str, status: int
) -> None:
    dealer.put(f"{SIM}/arming", json={"state": before})
    switch(invalid_transition=str(status))
    refused = report(after)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, "invalid_transition")
    assert state_of(dealer) == before
    switch(invalid_transition="ignore")
    assert (report(after).status_code, state_of(dealer)) == (200, before)
    switch(invalid_transition="accept")
    assert (report(after).status_code, state_of(dealer)) == (200, "disarmed" if "fail" in after else after)


def test_the_same_state_again_is_no_news(report: Report, dealer: httpx.Client, base_clock: BaseClock) -> None:
    report("armed_away")
    base_clock.advance(60)
    assert report("armed_away").status_code == 200
    assert len(history(dealer)) == 1


@pytest.mark.parametrize(
    ("answer", "status", "after"),
    [
        ("409", 409, "disarmed"),
        ("422", 422, "disarmed"),
        ("ignore", 200, "disarmed"),
        ("accept", 200, "armed_away"),
    ],
)
def test_a_report_that_was_overtaken(
    report: Report, dealer: httpx.Client, switch: Switch, answer: str, status: int, after: str
) -> None:
    switch(stale_report=answer)
    report("armed_away", timestamp="2026-03-02T08:59:00Z")
    report("disarmed", timestamp="2026-03-02T08:59:30Z")
    assert report("armed_away", timestamp="2026-03-02T08:59:15Z").status_code == status
    assert state_of(dealer) == after


def test_a_failure_to_arm_leaves_it_disarmed_and_names_the_open_zone(
    report: Report, dealer: httpx.Client
) -> None:
    dealer.put(f"{SIM}/zones/002", json={"status": "open", "name": "Back Door"})
    report("ARMING_IN_PROGRESS")
    assert report("ARM_FAILURE", user_id="u-7").status_code == 200
    assert state_of(dealer) == "disarmed"
    failure = history(dealer)[-1]
    told = {name: failure[name] for name in ("from", "to", "zone_name", "trigger")}
    assert told == {
        "from": "arming_in_progress",
        "to": "arm_failure",
        "zone_name": "Back Door",
        "trigger": "u-7",
    }


def test_a_partition_is_reported_by_its_id_and_all_of_them_or_none(
    report: Report, dealer: httpx.Client
) -> None:
    dealer.put(f"{SIM}/partitions", json={"count": 2})
    assert report("armed_stay", partition="2").status_code == 200
    dealer.put(f"{SIM}/arming", json={"state": "alarm", "partition_id": 2})
    assert report("armed_away").status_code == 409
    states = [each["arming_status"] for each in dealer.get("/sites/1/partition-arming").json()]
    assert states == ["disarmed", "alarm"]


def test_a_partner_that_arms_by_itself_is_not_told_of_it(
    report: Report, dealer: httpx.Client, partner: httpx.Client
) -> None:
    webhook = {"url": "https://hooks.example.com/b", "secret": "shhh-secret"}
    webhook["events"] = ["site.armed", "arming.state_changed"]  # type: ignore[assignment]
    partner.post("https://api.example.com/partner/v1/webhooks", json=webhook)
    report("armed_away")
    queued = dealer.get("https://api.example.com/sim/v0/deliveries").json()
    assert [each["event"] for each in queued] == ["site.armed"]
