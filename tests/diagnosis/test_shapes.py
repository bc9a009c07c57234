"""Which shape an answer is in, told from the answer alone."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.diagnosis import shapes

LIVE = {"site_id": 1784, "site_name": "HQ", "is_partition_enabled": 0}
PAGE = {"site_id": "site_123abc", "name": "HQ", "status": "active", "updated_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        ([], "a bare array"),
        ({"partitions": []}, "an object with partitions"),
        ({"data": []}, "an object with data"),
        ({"data": {"sites": [], "total_count": 0}, "meta": {}}, "an object with data.sites"),
        ({"data": {}}, ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_envelopes(body: Any, envelope: str) -> None:
    assert shapes.envelope(body) == envelope


@pytest.mark.parametrize(
    ("body", "objects", "shape"),
    [
        ([], [], "live"),
        ([LIVE], [LIVE], "live"),
        ({"data": [LIVE]}, [LIVE], "live"),
        ([PAGE], [PAGE], "page"),
        ({"data": {"sites": []}}, [], "page"),
        ({"data": {"sites": [PAGE]}}, [PAGE], "page"),
        ({"sites": []}, [], None),
    ],
)
def test_fields_decide_before_the_envelope(body: Any, objects: list[Any], shape: str | None) -> None:
    assert shapes.dealer_shape(body, objects) == shape


@pytest.mark.parametrize(
    ("values", "said"),
    [([1, 2], "numbers"), (["17"], "numbers as text"), (["site_1a"], "text such as site_..."), ([], "")],
)
def test_ids(values: list[Any], said: str) -> None:
    assert shapes.ids(values) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2025-01-01T00:00:00.000Z", "ISO 8601 with a zone"),
        ("2025-01-01 00:00:00", "date and time without a zone"),
        (1_700_000_000, "Unix seconds"),
        ("yesterday", "an unknown spelling"),
        (None, ""),
    ],
)
def test_times(value: Any, said: str) -> None:
    assert shapes.times([{"created_at": value}]) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"code": "not_found", "message": "no"}}, "error with code and message"),
        ({"error": {"message": "no", "detail": None}}, "error with message and detail"),
        (
            {"error": "NotFound", "message": "no", "details": {}},
            "error, message and details beside each other",
        ),
        ({"message": "no"}, "message alone"),
        ({"oops": 1}, "an unknown shape"),
        (None, "no JSON object"),
    ],
)
def test_errors(body: Any, said: str) -> None:
    assert shapes.error(body) == said


def test_armed_states_tell_only_where_something_is_armed() -> None:
    assert shapes.arming(["disarmed", "alarm"]) == ""
    assert shapes.arming(["disarmed", "armed"]) == "simple (armed)"
    assert shapes.arming(["armed_stay"]) == "with their mode (armed_away)"


def test_a_digest_is_of_the_fields_and_their_types_and_of_nothing_else() -> None:
    one = shapes.digest([{"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}, {"id": None, "tags": None}])
    assert one == shapes.digest([{"id": 7, "tags": ["b", "c"]}])
    assert one != shapes.digest([{"id": "7", "tags": ["b"]}])
    assert one != shapes.digest([{"id": 7}])
    assert one != shapes.digest({"data": [{"id": 7, "tags": ["b"]}]})
