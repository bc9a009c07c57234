"""What happens at a site: delays, doors, codes at the keypad, and what its flaws make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.sandbox import Sandbox
from tests.sandbox.conftest import BaseClock

Switch = Callable[..., None]
SIM = "https://api.example.com/sim/v0/sites/1"
JANE = {"key": "away", "user_code": "1234"}


@pytest.fixture(autouse=True)
def installed(dealer: httpx.Client, site: dict[str, Any], switch: Switch) -> None:
    """A site with an exit delay of 30 s and an entry delay of 20 s, an entry door and a user."""
    switch(exit_delay=30.0, entry_delay=20.0, arming_states="modes")
    dealer.put(f"{SIM}/zones/001", json={"entry": True})
    dealer.put(f"{SIM}/user-codes", json={"1234": "Jane Roe"})


@pytest.fixture
def state(dealer: httpx.Client) -> Callable[[], str]:
    return lambda: dealer.get("/sites/1/arming").json()["arming_status"]


def door(dealer: httpx.Client, status: str) -> None:
    assert dealer.put(f"{SIM}/zones/001", json={"status": status}).is_success


def keys(dealer: httpx.Client, **pressed: str) -> int:
    return dealer.post(f"{SIM}/keypad", json=pressed).status_code


def history(dealer: httpx.Client) -> list[str]:
    return [each["to"] for each in dealer.get(f"{SIM}/arming/history").json()]


def test_arming_takes_the_exit_delay(
    dealer: httpx.Client, state: Callable[[], str], base_clock: BaseClock
) -> None:
    dealer.post("/sites/1/arming/actions/arm", json={"user": "ops"})
    base_clock.advance(0.8)
    assert state() == "arming_in_progress"
    assert dealer.post("/sites/1/arming/actions/arm", json={"user": "ops"}).status_code == 409
    base_clock.advance(29.9)
    assert state() == "arming_in_progress"
    base_clock.advance(0.1)
    assert state() == "armed_away"
    assert history(dealer) == ["arming_in_progress", "armed_away"]


def test_a_disarm_in_the_exit_delay_calls_it_off(
    dealer: httpx.Client, state: Callable[[], str], base_clock: BaseClock
) -> None:
    keys(dealer, **JANE)
    base_clock.advance(10)
    dealer.post("/sites/1/arming/actions/disarm", json={"user": "ops"})
    base_clock.advance(60)
    assert state() == "disarmed"
    assert history(dealer) == ["arming_in_progress", "disarmed"]


@pytest.mark.parametrize(("closed", "ending"), [(True, "armed_away"), (False, "disarmed")])
def test_the_door_must_be_closed_when_the_exit_delay_ends(
    dealer: httpx.Client, state: Callable[[], str], base_clock: BaseClock, ending: str, *, closed: bool
) -> None:
    keys(dealer, **JANE)
    base_clock.advance(5)
    door(dealer, "open")
    base_clock.advance(5)
    if closed:
        door(dealer, "closed")
    base_clock.advance(25)
    assert state() == ending
    assert history(dealer)[-1] == ("armed_away" if closed else "arm_failure")


def test_the_entry_door_gives_time_to_disarm(
    dealer: httpx.Client, state: Callable[[], str], base_clock: BaseClock
) -> None:
    dealer.put(f"{SIM}/arming", json={"state": "armed_away"})
    door(dealer, "open")
    assert state() == "entry_delay"
    base_clock.advance(19)
    assert keys(dealer, key="disarm", user_code="1234") == 200
    base_clock.advance(60)
    assert state() == "disarmed"
    assert history(dealer) == ["armed_away", "entry_delay", "disarmed"]


def test_nobody_disarms_and_there_is_an_alarm(
    dealer: httpx.Client, state: Callable[[], str], base_clock: BaseClock
) -> None:
    dealer.put(f"{SIM}/arming", json={"state": "armed_night"})
    door(dealer, "open")
    assert dealer.post("/sites/1/arming/actions/arm", json={"user": "ops"}).status_code == 409
    base_clock.advance(20)
    assert state() == "alarm"


def test_other_doors_and_bypassed_ones_give_no_entry_delay(
    dealer: httpx.Client, state: Callable[[], str]
) -> None:
    dealer.put(f"{SIM}/arming", json={"state": "armed_away"})
    dealer.put(f"{SIM}/zones/002", json={"status": "open"})
    assert state() == "armed_away"
    dealer.put(f"{SIM}/zones/001", json={"status": "open", "bypassed": True})
    assert state() == "armed_away"


def test_the_keypad_knows_its_users(dealer: httpx.Client, state: Callable[[], str]) -> None:
    assert keys(dealer, key="stay", user_code="9999") == 403
    assert keys(dealer, key="stay") == 403
    assert keys(dealer, key="holiday", user_code="1234") == 400
    assert (state(), history(dealer)) == ("disarmed", [])
    assert keys(dealer, key="stay", user_code="1234") == 200
    [row] = dealer.get(f"{SIM}/arming/history").json()
    assert (row["trigger"], row["method"]) == ("Jane Roe", "keypad")


def test_the_api_may_want_a_code_of_the_site_too(dealer: httpx.Client, switch: Switch) -> None:
    switch(user_codes="known")
    path = "/sites/1/arming/actions/disarm"
    assert dealer.post(path, json={"user_code": "9999"}).status_code == 403
    assert dealer.post(path, json={"user_code": "1234"}).status_code == 200
    assert dealer.post(path, json={"user": "ops"}).status_code == 200


def test_partitions_have_delays_of_their_own(dealer: httpx.Client, base_clock: BaseClock) -> None:
    dealer.put(f"{SIM}/partitions", json={"count": 2})
    assert dealer.post(f"{SIM}/keypad", json={**JANE, "partition_id": 2}).is_success
    states = [each["arming_status"] for each in dealer.get("/sites/1/partition-arming").json()]
    assert states == ["disarmed", "arming_in_progress"]


@pytest.mark.parametrize(
    ("flaw", "pressed", "opened", "ending"),
    [
        ("no_exit_delay", {"key": "away"}, None, "armed_away"),
        ("one_mode", {"key": "stay"}, 31, "armed_away"),
        ("arms_open", {"key": "away"}, 5, "armed_away"),
        ("any_code", {"key": "night", "user_code": "9999"}, 31, "armed_night"),
        ("no_entry_delay", {"key": "away"}, 31, "alarm"),
    ],
)
def test_an_account_can_break_its_own_rules(
    dealer: httpx.Client,
    state: Callable[[], str],
    switch: Switch,
    base_clock: BaseClock,
    flaw: str,
    pressed: dict[str, str],
    opened: int | None,
    ending: str,
) -> None:
    switch(flaws=[flaw])
    assert keys(dealer, **{"user_code": "1234", **pressed}) == 200
    if opened is not None:
        base_clock.advance(opened)
        if flaw in ("arms_open", "no_entry_delay"):
            door(dealer, "open")
        base_clock.advance(35)
    assert state() == ending


def test_a_flaw_of_local_times_and_of_lost_names(dealer: httpx.Client, switch: Switch) -> None:
    switch(flaws=["local_times", "no_user"], exit_delay=0.0)
    keys(dealer, **JANE)
    assert dealer.get("/sites/1/arming").json()["arming_updated_at"] == "2026-03-02T18:00:00.000Z"
    assert dealer.get(f"{SIM}/arming/history").json()[0]["trigger"] == ""


def test_a_file_of_an_older_sandbox_is_read_without_what_was_pending(
    sandbox: Sandbox, state: Callable[[], str]
) -> None:
    old = {"status": "armed_stay", "since": 1.0, "by": "ops", "method": "api", "bypassed": ["002"]}
    pending = {
        "due_at": 2.0,
        "next_status": "disarmed",
        "next_by": "",
        "next_method": "",
        "next_bypassed": [],
    }
    sandbox.store.run("INSERT INTO arming VALUES (1, 0, ?)", (json.dumps({**old, **pending}),))
    assert state() == "armed_stay"
