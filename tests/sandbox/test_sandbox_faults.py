"""Rate limits, idempotency keys, and faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from reconciler.sandbox import Fault, Sandbox
from tests.sandbox.conftest import BaseClock

Switch = Callable[..., None]
SITE = {"external_site_id": "branch", "name": "Branch", "timezone": "America/New_York"}
LIMITED = {"rate_limits": True, "partner_per_minute": 60, "partner_burst": 3}


def test_a_bucket_empties_at_once_and_refills_at_the_sustained_rate(
    partner: httpx.Client, switch: Switch, base_clock: BaseClock
) -> None:
    switch(**LIMITED)
    answers = [partner.get("/sites") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["x-ratelimit-limit"] == "60"
    assert answers[3].headers["retry-after"] == "1"
    assert int(answers[3].headers["x-ratelimit-reset"]) == int(base_clock().timestamp()) + 3
    base_clock.advance(1)
    assert [partner.get("/sites").status_code for _ in range(2)] == [200, 429]


def test_no_second_takes_more_than_the_burst_figure(
    partner: httpx.Client, switch: Switch, base_clock: BaseClock
) -> None:
    switch(rate_limits=True, partner_per_minute=600, partner_burst=6)
    statuses = []
    for _ in range(2):
        statuses += [partner.get("/sites").status_code for _ in range(4)]
        base_clock.advance(0.5)
    assert statuses == [200] * 6 + [429] * 2
    base_clock.advance(0.6)
    assert partner.get("/sites").status_code == 200


def test_each_credential_has_its_own_bucket(
    partner: httpx.Client, dealer: httpx.Client, switch: Switch
) -> None:
    switch(**LIMITED)
    for _ in range(4):
        partner.get("/sites")
    answer = dealer.get("/sites")
    assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "1000")


def test_refusals_carry_the_rate_headers_too(partner: httpx.Client, switch: Switch) -> None:
    switch(rate_limits=True)
    for answer in (partner.get("/sites/9"), partner.post("/sites", json={})):
        assert answer.headers["x-ratelimit-limit"] == "5000"
        assert "retry-after" not in answer.headers


def test_rate_headers_can_be_kept_back_until_the_limit(partner: httpx.Client, switch: Switch) -> None:
    switch(**LIMITED, rate_headers=False)
    answers = [partner.get("/sites") for _ in range(4)]
    assert ["x-ratelimit-limit" in each.headers for each in answers] == [False, False, False, True]


def test_a_moved_clock_does_not_fill_buckets(sandbox: Sandbox, partner: httpx.Client, switch: Switch) -> None:
    switch(**LIMITED)
    for _ in range(3):
        partner.get("/sites")
    sandbox.clock.advance(60)
    assert partner.get("/sites").status_code == 429


def keyed(client: httpx.Client, body: Any, key: str = "k1", path: str = "/sites") -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def test_the_same_key_and_payload_replays_the_stored_answer(partner: httpx.Client) -> None:
    first, second = keyed(partner, SITE), keyed(partner, SITE)
    assert first.content == second.content
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotency-replayed"] == "true"
    assert len(partner.get("/sites").json()) == 1


def test_the_same_key_with_another_payload_conflicts(partner: httpx.Client) -> None:
    keyed(partner, SITE)
    answer = keyed(partner, {**SITE, "name": "Other"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert keyed(partner, {**SITE, "external_site_id": "c"}, "k2").status_code == 201


def test_a_key_counts_for_one_endpoint_and_one_day(
    dealer: httpx.Client, site: dict[str, Any], base_clock: BaseClock
) -> None:
    contact = {"external_contact_id": "jane", "first_name": "Jane", "last_name": "Roe"}
    first = keyed(dealer, contact, path="/sites/1/contacts")
    assert keyed(dealer, {"user": "ops"}, path="/sites/1/arming/actions/arm").status_code == 200
    base_clock.advance(24 * 3600 - 1)
    assert keyed(dealer, contact, path="/sites/1/contacts").json() == first.json()
    base_clock.advance(2)
    assert keyed(dealer, contact, path="/sites/1/contacts").status_code == 409


@pytest.mark.parametrize(("stores", "second"), [("client_errors", 400), ("success", 201), ("all", 400)])
def test_which_answers_are_stored_is_a_switch(
    partner: httpx.Client, switch: Switch, stores: str, second: int
) -> None:
    switch(idempotency_stores=stores)
    body = {**SITE, "monitoring_station_id": 1}
    assert keyed(partner, body).status_code == 400
    partner.post("/monitoring-stations", json={"external_monitoring_station_id": "c", "name": "C"})
    assert keyed(partner, body).status_code == second


def test_a_key_is_honoured_under_concurrency(partner: httpx.Client) -> None:
    barrier = threading.Barrier(8)

    def send(_: int) -> bytes:
        barrier.wait()
        return keyed(partner, SITE).content

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(8)))
    assert len(answers) == 1
    assert len(partner.get("/sites").json()) == 1


@pytest.mark.parametrize("status", [401, 429, 500, 503])
@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_a_failure_strikes_before_or_after_the_effect(
    sandbox: Sandbox, partner: httpx.Client, status: int, when: Any, written: int
) -> None:
    sandbox.add_fault(Fault("status", "POST", ".*/sites", status=status, when=when, seconds=2))
    answer = partner.post("/sites", json=SITE)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("2" if status in (429, 503) else None)
    assert len(partner.get("/sites").json()) == written


@pytest.mark.parametrize(("action", "error"), [("drop", httpx.ReadError), ("timeout", httpx.ReadTimeout)])
@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_a_connection_ends_before_or_after_the_effect(
    sandbox: Sandbox, partner: httpx.Client, action: Any, error: type[Exception], when: Any, written: int
) -> None:
    sandbox.add_fault(Fault(action, "POST", ".*/sites", when=when, seconds=60))
    with pytest.raises(error):
        partner.post("/sites", json=SITE)
    assert len(partner.get("/sites").json()) == written
    assert [each.fault for each in sandbox.requests() if each.status == 0] == [action]


@pytest.mark.parametrize(("memory", "status"), [("kept", 201), ("forgotten", 409)])
def test_a_lost_answer_is_replayed_unless_the_server_forgot_it(
    sandbox: Sandbox, partner: httpx.Client, memory: str, status: int
) -> None:
    sandbox.add_fault(Fault("drop", "POST", when="after", forget=memory == "forgotten"))
    with pytest.raises(httpx.ReadError):
        keyed(partner, SITE)
    assert keyed(partner, SITE).status_code == status


def test_a_fault_waits_for_its_turn_and_ends(sandbox: Sandbox, partner: httpx.Client) -> None:
    sandbox.add_fault(Fault("status", "GET", ".*/sites", nth=2, count=2))
    assert [partner.get("/sites").status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert sandbox.faults.waiting() == ()


def test_an_answer_slower_than_the_client_waits_is_a_time_out(
    sandbox: Sandbox, partner: httpx.Client
) -> None:
    sandbox.add_fault(Fault("slow", "POST", seconds=60))
    with pytest.raises(httpx.ReadTimeout):
        partner.post("/sites", json=SITE, timeout=5)
    assert len(partner.get("/sites").json()) == 1


def test_a_truncated_answer_is_a_protocol_error(sandbox: Sandbox, partner: httpx.Client) -> None:
    sandbox.add_fault(Fault("truncate"))
    with pytest.raises(httpx.RemoteProtocolError):
        partner.get("/sites")


def test_a_cut_answer_looks_whole_and_is_no_json(sandbox: Sandbox, partner: httpx.Client) -> None:
    sandbox.add_fault(Fault("cut", "POST"))
    answer = partner.post("/sites", json=SITE)
    assert answer.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert len(partner.get("/sites").json()) == 1


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_something_in_between_answers_with_a_page(
    sandbox: Sandbox, partner: httpx.Client, status: int, when: Any, written: int
) -> None:
    sandbox.add_fault(Fault("page", "POST", status=status, when=when))
    answer = partner.post("/sites", json=SITE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "retry-after" not in answer.headers
    assert len(partner.get("/sites").json()) == written


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_can_be_left_out(sandbox: Sandbox, partner: httpx.Client, status: int) -> None:
    sandbox.add_fault(Fault("status", status=status, seconds=0))
    answer = partner.get("/sites")
    assert (answer.status_code, "retry-after" in answer.headers) == (status, False)


@pytest.mark.parametrize(("keys", "statuses"), [("honoured", (201, 200)), ("ignored", (409, 404))])
def test_a_proxy_may_send_a_request_twice(
    sandbox: Sandbox, partner: httpx.Client, switch: Switch, keys: str, statuses: tuple[int, int]
) -> None:
    switch(idempotency=keys == "honoured")
    sandbox.add_fault(Fault("twice", "POST|DELETE", count=2))
    created = keyed(partner, SITE)
    deleted = partner.delete("/sites/1", headers={"Idempotency-Key": "k2"})
    assert (created.status_code, deleted.status_code) == statuses
    assert partner.get("/sites").json() == []


def test_a_revoked_token_is_refused_and_a_new_one_is_not(
    sandbox: Sandbox, partner: httpx.Client, dealer: httpx.Client
) -> None:
    sandbox.add_fault(Fault("revoke", "POST"))
    assert partner.post("/sites", json=SITE).status_code == 401
    refused = partner.get("/sites")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_revoked")
    assert dealer.get("/sites").json() == []


def test_an_entry_of_a_bulk_call_fails_and_results_come_in_another_order(
    sandbox: Sandbox, partner: httpx.Client, site: dict[str, Any]
) -> None:
    entries = [
        {"external_device_id": name, "device_type": "bridge", "zone_number": "010"}
        for name in ("a", "b", "c")
    ]
    sandbox.add_fault(Fault("bulk_item", "POST", index=1, status=500))
    sandbox.add_fault(Fault("shuffle", "POST"))
    results = partner.post("/sites/1/devices", json=entries).json()["results"]
    assert [each["is_successful"] for each in results] == [True, False, True]
    again = partner.post(
        "/sites/1/devices",
        json=[{**each, "external_device_id": each["external_device_id"] * 2} for each in entries],
    )
    assert [each["external_device_id"] for each in again.json()["results"]] == ["cc", "bb", "aa"]


def test_a_list_may_be_stale_once(sandbox: Sandbox, partner: httpx.Client, site: dict[str, Any]) -> None:
    sandbox.add_fault(Fault("stale", "GET", ".*/sites", seconds=10))
    assert partner.get("/sites").json() == []
    assert len(partner.get("/sites").json()) == 1


def test_a_key_collision_answers_with_another_write(sandbox: Sandbox, partner: httpx.Client) -> None:
    keyed(partner, SITE)
    sandbox.add_fault(Fault("replay", "POST"))
    answer = keyed(partner, {**SITE, "external_site_id": "other"}, "k2")
    assert answer.json()["external_site_id"] == "branch"
    assert len(partner.get("/sites").json()) == 1


def test_faults_strike_the_token_endpoint_too(sandbox: Sandbox, anonymous: httpx.Client) -> None:
    sandbox.add_fault(Fault("status", path="/oauth/token", status=503))
    assert anonymous.post("/oauth/token", data={}).status_code == 503


def test_every_request_is_logged_without_secrets(sandbox: Sandbox, partner: httpx.Client) -> None:
    trace = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    partner.post("/sites", json=SITE, headers={"Idempotency-Key": "k1", "x-partner-trace-id": trace})
    record = sandbox.requests()[-1]
    assert (record.method, record.path, record.status) == ("POST", "/partner/v1/dealers/12345/sites", 201)
    assert (record.trace_id, record.idempotency_key) == (trace, "k1")
    assert record.credential == "partner sandbox-client@clients"
    assert not any("sandbox-secret" in str(each) for each in sandbox.requests())
