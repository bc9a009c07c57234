"""Which state may be reported after which, and that the sandbox's panel says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.arming.reported import ALL, FOLLOWS, SETTLED, Reported, Standing, judge, standings
from reconciler.sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox, Switches, transport

AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STATES = st.sampled_from(list(Reported))
PARTITIONS = st.sampled_from([ALL, "1", "2", "3"])


def said(known: dict[str, Standing], partition: str, state: Reported, at: datetime) -> str:
    try:
        return judge(known, partition, state, at)
    except ValueError:
        return "refused"


def test_every_state_has_successors_and_none_is_its_own_but_a_failure() -> None:
    assert set(FOLLOWS) == set(Reported)
    assert [state for state, after in FOLLOWS.items() if state in after] == [Reported.ARM_FAILURE]
    assert all(Reported.DISARMED in after for state, after in FOLLOWS.items() if state != "disarmed")


@given(STATES, PARTITIONS)
def test_where_nothing_is_known_any_state_may_come(state: Reported, partition: str) -> None:
    assert judge({}, partition, state, AT) == "report"
    lost = {partition: Standing(None, AT, 1)}
    assert judge(lost, partition, state, AT) == "report", "nobody knows whether the last one arrived"


@given(st.lists(st.tuples(PARTITIONS, STATES), max_size=12))
def test_a_settled_state_is_always_reached_by_way_of_disarmed(history: list[tuple[str, Reported]]) -> None:
    known: dict[str, Standing] = {}
    for order, (partition, state) in enumerate(history):
        if said(known, partition, state, AT + order * SECOND) == "report":
            known[partition] = Standing(state, AT + order * SECOND, order)
    later = AT + timedelta(hours=1)
    assert said(known, ALL, Reported.DISARMED, later) != "refused"
    known[ALL] = Standing(Reported.DISARMED, later, 99)
    for state in SETTLED:
        for partition in (ALL, "1", "9"):
            assert said(known, partition, state, later + SECOND) in ("report", "unchanged")


@given(STATES, STATES, PARTITIONS)
def test_nothing_is_older_than_what_was_reported(before: Reported, after: Reported, partition: str) -> None:
    assert said({ALL: Standing(before, AT, 1)}, partition, after, AT - SECOND) == "refused"


@given(STATES)
def test_a_state_that_lasts_is_reported_once_and_a_failure_every_time(state: Reported) -> None:
    known = {ALL: Standing(state, AT, 1)}
    expected = "report" if state is Reported.ARM_FAILURE else "unchanged"
    assert judge(known, ALL, state, AT + SECOND) == expected


def test_a_report_of_all_follows_on_every_partition() -> None:
    known = {
        ALL: Standing(Reported.ARMED_AWAY, AT, 1),
        "1": Standing(Reported.DISARMED, AT, 2),
        "2": Standing(Reported.ARMED_STAY, AT, 0),
    }
    assert [each.state for each in standings(known, ALL)] == ["disarmed", "armed_away", "armed_away"]
    assert said(known, ALL, Reported.ENTRY_DELAY, AT) == "refused", "nobody enters the disarmed partition 1"
    assert said(known, "2", Reported.ENTRY_DELAY, AT) == "report"
    assert said(known, ALL, Reported.ARMED_AWAY, AT) == "report", "partition 1 is not armed yet"


@pytest.fixture(scope="module")
def panel() -> httpx.Client:
    sandbox = Sandbox(
        switches=Switches(rate_limits=False, idempotency=False, arming_model="partner_triggered"),
        clock=lambda: AT + timedelta(days=300),
    )
    client = httpx.Client(transport=transport(sandbox), base_url="https://api.example.com", trust_env=False)
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    token = client.post("/oauth/token", data=form).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


@given(history=st.lists(STATES, min_size=1, max_size=8))
def test_the_sandbox_refuses_what_is_refused_here(panel: httpx.Client, history: list[Reported]) -> None:
    made = {"scope": "12345", "external_id": None, "body": {"name": "Panel"}}
    site = panel.post("/sim/v0/objects/site", json=made).raise_for_status().json()["id"]
    known = {ALL: Standing(Reported.DISARMED, AT, 0)}
    for order, state in enumerate(history, 1):
        at = AT + order * SECOND
        body = {"state": state, "timestamp": at.isoformat().replace("+00:00", "Z")}
        taken = panel.post(f"/v1/sites/{site}/arming-state", json=body).status_code == 200
        verdict = said(known, ALL, state, at)
        assert taken == (verdict != "refused"), (known[ALL].state, state)
        if verdict == "report":
            known[ALL] = Standing(state, at, order)
