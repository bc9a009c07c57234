"""What the three webhook systems say about arming reads the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.listening import ArmingEvent, System, arming_event

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DEALER_DATA = {"site_id": 1784, "site_name": "HQ", "account_number": "9", "arming_action": "arm"}


def dealer(event_type: str, **data: Any) -> dict[str, Any]:
    """System C, as CHeKT's package describes it."""
    return {
        "event_id": 77,
        "event_type": event_type,
        "status": "armed",
        "endpoint_url": "https://hooks.example.com/chekt",
        "api_version": "v1",
        "payload": {"data": {**DEALER_DATA, **data}, "triggered_by": {"email": "kim@example.com"}},
    }


STATE_CHANGED = {
    "event_type": "arming.state_changed",
    "site_id": "1784",
    "new_state": "ARMED_AWAY",
    "previous_state": "disarmed",
    "timestamp": "2026-11-20T09:00:00Z",
    "triggered_by": "kim",
    "source": "keypad",
}

TOLD: list[tuple[System, dict[str, Any], dict[str, Any]]] = [
    (
        "partner",
        STATE_CHANGED,
        {
            "site_id": "1784",
            "state": "armed_away",
            "previous": "disarmed",
            "at": NINE,
            "triggered_by": "kim",
            "source": "keypad",
        },
    ),
    ("partner", {"event_type": "site.armed", "site_id": 5}, {"site_id": "5", "state": "armed"}),
    ("partner", {"event_type": "site.disarmed", "site_id": 5}, {"site_id": "5", "state": "disarmed"}),
    (
        "partner",
        {"id": "e1", "type": "site.armed", "data": {"site_id": 5, "dealer_id": 12345, "partition": 2}},
        {"event_id": "e1", "dealer_id": "12345", "partition": "2", "state": "armed"},
    ),
    (
        "dealer",
        dealer("arming_status", arming_status="armed"),
        {"event_id": "77", "site_id": "1784", "state": "armed", "triggered_by": "kim@example.com"},
    ),
    ("dealer", dealer("arming_status"), {"state": "armed", "partition": None}),
    (
        "dealer",
        dealer("partition_arming_status", partitions=[{"partition_id": 3, "arming_status": "disarmed"}]),
        {"partition": "3"},
    ),
    ("dealer", dealer("partition_arming_status", partitions=[3]), {"partition": "3"}),
    (
        "dealer",
        dealer("partition_arming_status", partitions=[{"partition_id": 3}, {"partition_id": 4}]),
        {"partition": None},
    ),
    (
        "app",
        {
            "id": "evt_1",
            "type": "partition.armed",
            "created_at": "2026-11-20T09:00:00Z",
            "data": {"site_id": 1784, "partition_id": 2},
        },
        {"event_id": "evt_1", "site_id": "1784", "partition": "2", "state": "armed", "at": NINE},
    ),
]


@pytest.mark.parametrize(("system", "content", "expected"), TOLD)
def test_an_arming_event_says_who_where_and_what(
    system: System, content: dict[str, Any], expected: dict[str, Any]
) -> None:
    event = arming_event(system, json.dumps(content).encode())
    assert event is not None
    assert event.system == system
    assert {name: getattr(event, name) for name in expected} == expected


NOT_TOLD: list[tuple[System, bytes]] = [
    ("app", b'{"id": "evt_1", "type": "alarm.created", "data": {"site_id": 1}}'),
    ("app", b'{"id": "evt_1", "type": "site.armed", "data": {"site_id": 1}}'),
    ("partner", b'{"event_type": "site.armed"}'),
    ("partner", b'{"event_type": "site.armed", "site_id": true}'),
    ("dealer", b'{"event_id": 1, "event_type": "camera_network", "payload": {"data": {"site_id": 1}}}'),
    ("partner", b"[]"),
    ("partner", b"{"),
    ("partner", b""),
]


@pytest.mark.parametrize(("system", "body"), NOT_TOLD)
def test_what_tells_of_no_site_s_arming_is_none(system: System, body: bytes) -> None:
    assert arming_event(system, body) is None


WORDS = st.sampled_from(["event_type", "type", "site_id", "payload", "data", "partitions", "triggered_by"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["site.armed", "arming_status"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)


@given(st.sampled_from(get_args(System)), JSON)
def test_whatever_json_comes_is_an_event_or_none(system: System, content: object) -> None:
    found = arming_event(system, json.dumps(content).encode())
    assert found is None or (isinstance(found, ArmingEvent) and found.site_id)
