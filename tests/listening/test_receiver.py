"""A delivery is answered once it is in the ledger; what is none is refused, and its reason counted."""

from __future__ import annotations

import json
import time
from ipaddress import ip_network
from pathlib import Path

import pytest

from reconciler.errors import LedgerError
from reconciler.ledger import Ledger
from reconciler.listening import Endpoint, receiver
from reconciler.listening.signatures import signature
from tests.listening.rig import APP, DEALER, PARTNER, SECRET, app_event, app_headers, listening, wait_for


def test_a_good_delivery_is_in_the_ledger_when_it_is_answered(tmp_path: Path) -> None:
    body = app_event("evt_1", site_id=1784)
    with listening(tmp_path / "ledger.db") as rig:
        assert rig.send(APP.path, body, app_headers(body)) == (200, {"received": True})
        (delivery,) = rig.ledger.deliveries()
        (heard,) = rig.heard
    assert (delivery.endpoint, delivery.event_id, delivery.body) == ("app-events", "evt_1", body)
    assert (heard.number, heard.event_id, heard.body) == (delivery.id, "evt_1", body)


def test_an_event_is_kept_once_however_often_and_whenever_it_comes(tmp_path: Path) -> None:
    for _ in range(2):
        with listening(tmp_path / "ledger.db") as rig:
            assert [rig.app("evt_1"), rig.app("evt_2"), rig.app("evt_1")] == [200, 200, 200]
            events = {each.event_id: each.repeats for each in rig.ledger.deliveries()}
            unsettled = rig.ledger.delivery_figures().unsettled
            again = rig.outcome("app-events", "repeated")
            new = rig.outcome("app-events", "received")
    assert events == {"evt_1": 3, "evt_2": 1}
    assert (new, again) == (2, 4)
    assert unsettled == {("app-events", "first", "waiting"): 2}
    assert rig.heard == [], "the second start heard nothing new"


def test_dealer_events_are_told_apart_by_id_and_type_and_partner_events_by_their_body() -> None:
    with listening() as rig:
        for event_id, event_type in ((1, "arming_status"), (1, "camera_network"), (1, "arming_status")):
            body = json.dumps({"event_id": event_id, "event_type": event_type}).encode()
            assert rig.send(DEALER.path, body)[0] == 200
        for stamp in ("09:00", "09:01", "09:00"):
            body = json.dumps({"event_type": "site.armed", "site_id": 1, "timestamp": stamp}).encode()
            signed = {"x-webhook-signature": signature(SECRET, body, "sha256_hex").decode()}
            assert rig.send(PARTNER.path, body, signed)[0] == 200
        assert [rig.outcome("dealer", each) for each in ("received", "repeated")] == [2, 1]
        assert [rig.outcome("arming", each) for each in ("received", "repeated")] == [2, 1]


GOOD = app_event("evt_1")
NOT_JSON = b"<xml/>"


def refused() -> list[tuple[str, str, bytes, dict[str, str], int, str, str]]:
    """What is sent, and how it is refused. Signed when it is asked for: a signature is good for minutes."""
    return [
        ("POST", "/", GOOD, app_headers(GOOD), 404, "unknown_path", ""),
        ("POST", APP.path + "/", GOOD, app_headers(GOOD), 404, "unknown_path", ""),
        ("POST", "/chekt/dealer/3f9c0b", GOOD, {}, 404, "unknown_path", ""),
        ("GET", APP.path, b"", {}, 405, "wrong_method", "app-events"),
        ("PUT", APP.path, GOOD, app_headers(GOOD), 405, "wrong_method", "app-events"),
        ("POST", APP.path, GOOD, {}, 401, "missing_signature", "app-events"),
        ("POST", APP.path, GOOD, app_headers(GOOD, secret=b"another"), 401, "bad_signature", "app-events"),
        ("POST", APP.path, GOOD + b" ", app_headers(GOOD), 401, "bad_signature", "app-events"),
        (
            "POST",
            APP.path,
            GOOD,
            app_headers(GOOD, at=time.time() - 3600),
            401,
            "stale_timestamp",
            "app-events",
        ),
        ("POST", APP.path, NOT_JSON, app_headers(NOT_JSON), 400, "not_json", "app-events"),
        ("POST", DEALER.path, b"[]", {}, 400, "not_json", "dealer"),
        ("POST", DEALER.path, b'{"a":' * 5000, {}, 400, "not_json", "dealer"),
        ("POST", DEALER.path, b'{"event_id": NaN}', {}, 400, "not_json", "dealer"),
    ]


def test_what_is_no_delivery_is_refused_and_counted_by_reason() -> None:
    table = refused()
    with listening() as rig:
        for method, path, body, headers, status, reason, endpoint in table:
            before = rig.outcome(endpoint, reason)
            answer, content = rig.send(path, body, headers, method)
            assert (answer, content.get("error")) == (status, reason), (method, path)
            assert rig.outcome(endpoint, reason) == before + 1, "counted when it is answered"
        assert [(each.reason, each.endpoint) for each in rig.refused] == [each[5:] for each in table]
        assert rig.ledger.deliveries() == []


def test_an_event_type_that_is_left_out_is_answered_and_not_kept() -> None:
    endpoint = Endpoint("dealer", "/hook", "dealer", events=frozenset({"arming_status"}))
    with listening(endpoints=[endpoint]) as rig:
        for event_type in ("arming_status", "camera_network"):
            body = json.dumps({"event_id": 1, "event_type": event_type}).encode()
            assert rig.send("/hook", body)[0] == 200
        assert rig.send("/hook", b'{"event_id": 2}')[0] == 200
        assert [each.event_type for each in rig.ledger.deliveries()] == ["arming_status", ""]
        assert rig.outcome("dealer", "unwanted") == 1


PROXY = ip_network("127.0.0.1")
FROM = [
    ("127.0.0.0/8", (), None, 200),
    ("203.0.113.0/24", (), None, 403),
    ("203.0.113.0/24", (), "203.0.113.9", 403),  # anybody can write this header
    ("127.0.0.0/8", (), "203.0.113.9", 403),  # a proxy that nobody named: whose request is it?
    ("203.0.113.0/24", (PROXY,), "203.0.113.9", 200),
    ("203.0.113.0/24", (PROXY,), "203.0.113.9, 198.51.100.7", 403),
    ("203.0.113.0/24", (PROXY,), "198.51.100.7, 203.0.113.9", 200),
    ("203.0.113.0/24", (PROXY,), "203.0.113.9, 127.0.0.1", 200),
    ("203.0.113.0/24", (PROXY,), "unknown", 403),
    ("203.0.113.0/24", (PROXY,), "127.0.0.1", 403),
    ("2001:db8::/32", (PROXY,), "2001:db8::5", 200),
    ("2001:db8::/32", (PROXY,), "2001:db9::5", 403),
    ("203.0.113.0/24", (PROXY,), "::ffff:203.0.113.9", 200),
]


@pytest.mark.parametrize(("allowed", "proxies", "forwarded", "status"), FROM)
def test_an_unsigned_delivery_comes_from_the_networks_that_are_named(
    allowed: str, proxies: tuple[type(PROXY), ...], forwarded: str | None, status: int
) -> None:
    endpoint = Endpoint("dealer", "/hook", "dealer", networks=(ip_network(allowed),))
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with listening(endpoints=[endpoint], proxies=proxies) as rig:
        assert rig.send("/hook", b'{"event_id": 1}', headers)[0] == status


def test_a_ledger_that_is_held_too_long_is_answered_503_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "ANSWER_WITHIN", 0.3)
    with listening(tmp_path / "ledger.db") as rig:
        with Ledger.open(tmp_path / "ledger.db", "dev") as another, another.transaction():
            began = time.monotonic()
            assert rig.app("evt_1") == 503
            assert time.monotonic() - began < 5
        wait_for(lambda: rig.outcome("app-events", "received") == 1)
        assert rig.app("evt_1") == 200, "as CHeKT tries again"
        assert rig.outcome("app-events", "repeated") == 1
        assert len(rig.heard) == 1


def test_a_ledger_that_cannot_be_written_is_answered_503_and_the_next_try_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(tmp_path / "ledger.db") as rig:
        full = LedgerError("the ledger could not be written to disk")
        with monkeypatch.context() as disk:

            def receive(*_: object) -> None:
                raise full

            disk.setattr(rig.ledger, "receive", receive)
            assert rig.app("evt_1") == 503
        assert [each.cause for each in rig.refused] == [full.message]
        assert rig.app("evt_1") == 200
        assert rig.outcome("app-events", "ledger_unavailable") == 1
        assert len(rig.heard) == 1
