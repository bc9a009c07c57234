"""Arming on the dealer surface: every shape of a state is read, and a command is sent once."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest

from reconciler.chekt.arming import ArmingState, Command, Zone, partition_states, send, site_state
from reconciler.errors import ApiError
from reconciler.model import JsonValue
from tests.chekt.conftest import Lab, always

DATE = {"Date": "Fri, 20 Nov 2026 09:00:00 GMT"}
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"arming_status": "disarmed"}, "disarmed"),
        ({"arming_status": "armed"}, "armed"),
        ({"arming_status": "armed", "arming_mode": "away"}, "armed_away"),
        ({"data": {"arming_status": "armed", "arming_mode": "Stay"}}, "armed_stay"),
        ({"arming_status": "ARMED_AWAY"}, "armed_away"),
        ({"arming_status": "Armed Night"}, "armed_night"),
        ({"arming_status": "disarmed", "arming_mode": "away"}, "disarmed"),
        ({"data": {"arming": {"arming_status": "armed_custom"}}}, "armed_custom"),
        ({"arming_status": "arming-in-progress"}, "arming_in_progress"),
        ({"arming_status": "entry_delay"}, "entry_delay"),
        ({"arming_status": "partially armed"}, "partially_armed"),
        ({"arming_status": "ARM_FAILURE"}, "arm_failure"),
        ({"arming_status": "alarm"}, "alarm"),
        ({"arming_status": "on holiday"}, "unknown"),
        ({"arming_status": "armed", "arming_mode": "party"}, "armed"),
        ({"arming_status": None}, "unknown"),
        ({"arming_status": 1}, "unknown"),
        ({"arming_status": True}, "unknown"),
    ],
)
def test_a_state_is_read_and_never_guessed(lab: Lab, body: JsonValue, status: str) -> None:
    with lab.client(always(200, json=body), "dealer") as client:
        assert site_state(client, "5", "17").status == status
    assert lab.seen[0].url.path == "/ext/v1/sites/17/arming"


def test_the_details_of_the_documented_shape_are_kept(lab: Lab) -> None:
    body = {
        "data": {
            "site_id": "site_123abc",
            "arming_status": "disarmed",
            "arming_mode": None,
            "armed_at": "2026-11-19T18:00:00Z",
            "armed_by": {"user_id": "user_456", "name": "John", "method": "keypad"},
            "zones": [
                {"zone_number": 1, "zone_name": "Front Door", "status": "open", "bypassed": False},
                {"zone_number": "002", "zone_name": "Dock", "status": "closed", "bypassed": 1},
                {"zone_number": 3, "status": "odd"},
            ],
            "last_updated": "2026-11-20 08:59:00",
        }
    }
    with lab.client(always(200, json=body, headers=DATE), "dealer") as client:
        state = site_state(client, "5", "17")
    assert state == ArmingState(
        "disarmed",
        "disarmed",
        changed_at=datetime(2026, 11, 20, 8, 59, tzinfo=UTC),
        by="John",
        zones=(
            Zone("1", "Front Door", open=True, bypassed=False),
            Zone("002", "Dock", open=False, bypassed=True),
            Zone("3", None, open=None, bypassed=False),
        ),
        server_time=NINE,
    )


PARTITIONS: list[JsonValue] = [
    {"partition_id": 1, "partition_name": "Shop", "partition_number": 1, "arming_status": "armed"},
    {"id": "2", "arming_status": "disarmed"},
]


@pytest.mark.parametrize(
    "body",
    [PARTITIONS, {"partitions": PARTITIONS}, {"data": PARTITIONS}, {"data": {"partitions": PARTITIONS}}],
)
def test_partitions_are_read_out_of_every_envelope(lab: Lab, body: JsonValue) -> None:
    with lab.client(always(200, json=body), "dealer") as client:
        shop, other = partition_states(client, "5", "17")
    assert (shop.partition_id, shop.partition_name, shop.status) == ("1", "Shop", "armed")
    assert (other.partition_id, other.partition_name, other.status) == ("2", None, "disarmed")


@pytest.mark.parametrize(
    "body", [{}, {"partitions": None}, [{"arming_status": "armed"}], [PARTITIONS[0]] * 2, ["armed"]]
)
def test_partitions_that_cannot_be_told_apart_are_an_error(lab: Lab, body: JsonValue) -> None:
    with lab.client(always(200, json=body), "dealer") as client, pytest.raises(ApiError, match="expected"):
        partition_states(client, "5", "17")


@pytest.mark.parametrize("body", [[], {}, "armed", None, {"site_id": 1}])
def test_an_answer_without_a_state_is_an_error(lab: Lab, body: JsonValue) -> None:
    with (
        lab.client(always(200, json=body), "dealer") as client,
        pytest.raises(ApiError, match="arming_status"),
    ):
        site_state(client, "5", "17")


ARM = Command("arm", "reconciler:weeknights@abc", "key-1", mode="stay")
DISARM = Command("disarm", "reconciler:weeknights@abc", "key-2", partition_ids=("1", "2"))


@pytest.mark.parametrize(
    ("command", "dialect", "path", "body"),
    [
        (ARM, "live", "arming/actions/arm", {"user": ARM.user}),
        (ARM, "page", "arming/actions/arm", {"mode": "stay", "user_code": ARM.user}),
        (DISARM, "live", "partition-arming/actions/disarm", {"partition_ids": [1, 2], "user": ARM.user}),
        (DISARM, "page", "partition-arming/actions/disarm", {"partition_ids": [1, 2], "user_code": ARM.user}),
    ],
)
def test_a_command_speaks_the_dialect(
    lab: Lab, command: Command, dialect: str, path: str, body: JsonValue
) -> None:
    with lab.client(always(200, json={"ok": 1}, headers=DATE), "dealer", dialect=dialect) as client:
        result = send(client, "5", "17", command)
    (request,) = lab.seen
    assert request.url.path == f"/ext/v1/sites/17/{path}"
    assert json.loads(request.content) == body
    assert request.headers["Idempotency-Key"] == command.idempotency_key
    assert (result.error, result.ambiguous, result.said) == (None, False, '{"ok": 1}')
    assert result.server_time == NINE


@pytest.mark.parametrize(
    ("status", "ambiguous"), [(400, False), (401, False), (409, False), (429, False), (500, True)]
)
def test_a_command_that_fails_is_not_sent_again(lab: Lab, status: int, ambiguous: bool) -> None:  # noqa: FBT001
    body = {"error": {"message": "cannot arm", "detail": {"zone_name": "Front Door"}}}
    with lab.client(always(status, json=body), "dealer") as client:
        result = send(client, "5", "17", ARM)
    assert result.ambiguous is ambiguous
    assert "Front Door" in (result.error or "")
    assert len(lab.seen) == 1
    assert lab.clock.slept == []


def test_a_site_that_does_not_answer_in_time_is_unknown(lab: Lab) -> None:
    def serve(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    with lab.client(serve, "dealer") as client:
        assert send(client, "5", "17", ARM).ambiguous
