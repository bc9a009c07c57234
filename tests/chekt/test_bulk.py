"""Bulk writes: every entry is read, in any order, and what cannot be matched is not guessed."""

from __future__ import annotations

import json

import httpx
import pytest

from reconciler.model import Address, JsonValue
from reconciler.writes import Write
from tests.chekt.conftest import Lab, always


def device(name: str, operation: str = "create", remote_id: str | None = None) -> Write:
    return Write(
        operation,  # type: ignore[arg-type]
        Address("device", ("acme", "hq", name)),
        ("5", "17"),
        remote_id,
        name,
        {} if operation == "delete" else {"device_type": "camera", "zone_number": "001"},
        f"key-{name}",
    )


def run(lab: Lab, body: JsonValue, writes: list[Write], status: int = 201) -> list[str]:
    with lab.client(always(status, json=body)) as client:
        results = client.write(writes)
    assert [result.write for result in results] == writes
    assert client.requests.writes == 1
    return ["unknown" if r.ambiguous else "failed" if r.error else "done" for r in results]


def ok(name: str, number: int, **more: JsonValue) -> JsonValue:
    return {"is_successful": True, "external_device_id": name, "device_id": number, **more}


A, B = device("a"), device("b")


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ([ok("a", 1), ok("b", 2)], ["done", "done"]),
        ([{"is_successful": 0, "external_device_id": "b"}, ok("a", 1)], ["done", "failed"]),
        (
            [{"is_successful": "true", "device": {"external_device_id": "b", "device_id": 2}}],
            ["unknown", "done"],
        ),
        ([ok("a", 1)], ["done", "unknown"]),
        ([ok("a", 1), ok("a", 2)], ["unknown", "unknown"]),
        ([{"is_successful": True, "device_id": 1, "zone_number": "001"}] * 2, ["unknown", "unknown"]),
        ([{"is_successful": False, "error": "no"}, {"is_successful": False}], ["failed", "failed"]),
        ([{"is_successful": False}], ["unknown", "unknown"]),
        ([{"external_device_id": "a"}, ok("b", 2)], ["unknown", "done"]),
        ([], ["unknown", "unknown"]),
    ],
)
def test_each_entry_is_matched_and_read(lab: Lab, results: JsonValue, outcome: list[str]) -> None:
    assert run(lab, {"success_count": 0, "failure_count": 0, "results": results}, [A, B]) == outcome


@pytest.mark.parametrize("body", [None, {}, {"ok": True}, "text"])
def test_an_answer_that_is_no_bulk_result_leaves_everything_unknown(lab: Lab, body: JsonValue) -> None:
    assert run(lab, body, [A, B]) == ["unknown", "unknown"]


def test_an_entry_by_position_must_not_contradict_what_was_sent(lab: Lab) -> None:
    swapped = [{"is_successful": True, "zone_number": "002"}, {"is_successful": True, "zone_number": "001"}]
    assert run(lab, {"results": swapped}, [A, B]) == ["unknown", "unknown"]


def test_updates_and_deletes_name_both_ids(lab: Lab) -> None:
    writes = [device("a", "update", "1"), device("b", "update", "2")]
    body = {"results": [{"is_successful": 1, "device_id": "2"}, {"is_successful": 0, "device_id": 1}]}
    assert run(lab, body, writes, 200) == ["failed", "done"]
    first = json.loads(lab.seen[0].content)[0]
    assert first == {
        "device_id": 1,
        "external_device_id": "a",
        "device_type": "camera",
        "zone_number": "001",
    }
    run(lab, body, [device("a", "delete", "1"), device("b", "delete", "2")], 200)
    assert json.loads(lab.seen[1].content) == [
        {"device_id": 1, "external_device_id": "a"},
        {"device_id": 2, "external_device_id": "b"},
    ]


def test_a_batch_has_a_key_of_its_own_made_from_its_writes(lab: Lab) -> None:
    body = {"results": [ok("a", 1), ok("b", 2)]}
    for writes in ([A, B], [A, B], [B, A], [A]):
        run(lab, body, writes)
    first, again, swapped, single = (request.headers["Idempotency-Key"] for request in lab.seen)
    assert first == again
    assert len({first, swapped, single}) == 3
    assert single == "key-a"


def test_a_partly_failed_batch_may_come_with_an_error_status(lab: Lab) -> None:
    body = {"results": [ok("a", 1), {"is_successful": False, "external_device_id": "b"}]}
    assert run(lab, body, [A, B], 422) == ["done", "failed"]


def test_a_batch_that_is_too_long_is_halved_until_it_fits(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        entries = json.loads(request.content)
        if len(entries) > 2:
            return httpx.Response(400, json={"error": {"code": "too_many", "message": "at most 2"}})
        results = [ok(entry["external_device_id"], n) for n, entry in enumerate(entries, 1)]
        return httpx.Response(201, json={"results": results})

    writes = [device(name) for name in "abcde"]
    with lab.client(serve) as client:
        assert [result.error for result in client.write(writes)] == [None] * 5
    assert len({request.headers["Idempotency-Key"] for request in lab.seen}) == len(lab.seen)


def test_the_entry_that_spoils_a_batch_is_found(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        names = [entry["external_device_id"] for entry in json.loads(request.content)]
        if "c" in names:
            return httpx.Response(422, json={"message": "wrong zone"})
        return httpx.Response(201, json={"results": [ok(name, n) for n, name in enumerate(names, 1)]})

    with lab.client(serve) as client:
        results = client.write([device(name) for name in "abcd"])
    assert [bool(result.error) for result in results] == [False, False, True, False]


def test_a_batch_without_permission_is_not_cut_up(lab: Lab) -> None:
    assert run(lab, {"message": "no"}, [A, B], 403) == ["failed", "failed"]
