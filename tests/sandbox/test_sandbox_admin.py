"""The simulator's own operations, and what a database file keeps."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sandbox import Sandbox, Switches, generate_key, transport
from reconciler.sandbox.switches import Switches as SwitchesClass

SITE = {"external_site_id": "branch", "name": "Branch", "timezone": "America/New_York"}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Legal values of a switch of this type."""
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return st.lists(values_of(typing.get_args(hint)[0])).map(tuple)
    plain = {
        bool: st.booleans(),
        int: st.integers(0, 10_000),
        float: st.floats(0, 1000, allow_nan=False),
        str: st.text(),
    }
    return plain[hint]


HINTS = typing.get_type_hints(SwitchesClass)


@given(st.fixed_dictionaries({}, optional={name: values_of(hint) for name, hint in HINTS.items()}))
def test_switches_survive_json(chosen: dict[str, Any]) -> None:
    switches = Switches(**chosen)
    assert Switches.from_json(json.loads(json.dumps(switches.to_json()))) == switches


def test_every_switch_is_described() -> None:
    described = Switches.__doc__ or ""
    for field in dataclasses.fields(Switches):
        family = {"per_minute": "``*_per_minute``", "burst": "``*_burst``"}
        shown = next(
            (text for ending, text in family.items() if field.name.endswith(ending)), f"``{field.name}``"
        )
        assert shown in described, field.name


@pytest.mark.parametrize(
    "wrong", [{"shape": "round"}, {"colour": "red"}, {"list_page_limit": "5"}, {"shape": 1}]
)
def test_a_wrong_switch_is_refused(anonymous: httpx.Client, wrong: dict[str, Any]) -> None:
    before = anonymous.get("/sim/v0/switches").json()
    assert anonymous.put("/sim/v0/switches", json=wrong).status_code == 400
    assert anonymous.get("/sim/v0/switches").json() == before


def test_switches_are_set_one_by_one(anonymous: httpx.Client) -> None:
    anonymous.put("/sim/v0/switches", json={"shape": "page"})
    answer = anonymous.put("/sim/v0/switches", json={"list_page_limit": 5}).json()
    assert (answer["shape"], answer["list_page_limit"]) == ("page", 5)


def test_the_clock_is_frozen_moved_and_freed(anonymous: httpx.Client, base_clock: Any) -> None:
    def now() -> str:
        return str(anonymous.get("/sim/v0/clock").json()["now"])

    anonymous.put("/sim/v0/clock", json={"now": "2027-01-01T00:00:00Z", "frozen": True})
    base_clock.advance(60)
    assert now() == "2027-01-01T00:00:00.000Z"
    anonymous.put("/sim/v0/clock", json={"advance": 90})
    assert now() == "2027-01-01T00:01:30.000Z"
    assert anonymous.get("/sim/v0/clock").headers["date"] == "Fri, 01 Jan 2027 00:01:30 GMT"
    anonymous.put("/sim/v0/clock", json={"offset": -60})
    assert now() == "2026-03-02T09:00:00.000Z"
    anonymous.put("/sim/v0/clock", json={})
    assert now() == "2026-03-02T09:01:00.000Z"
    assert anonymous.put("/sim/v0/clock", json={"now": "noon"}).status_code == 400


def test_faults_are_set_listed_and_cleared(anonymous: httpx.Client) -> None:
    fault = {"action": "status", "path": "/ext/.*", "status": 503, "count": 0}
    assert anonymous.post("/sim/v0/faults", json=fault).status_code == 201
    assert anonymous.get("/ext/v1/sites").status_code == 503
    assert len(anonymous.get("/sim/v0/faults").json()) == 1
    anonymous.delete("/sim/v0/faults")
    assert anonymous.get("/ext/v1/sites").status_code == 401
    for wrong in ({"action": "explode"}, {"action": "drop", "path": "("}, {"action": "drop", "x": 1}, {}):
        assert anonymous.post("/sim/v0/faults", json=wrong).status_code == 400


def test_an_object_is_changed_by_hand(partner: httpx.Client, anonymous: httpx.Client) -> None:
    partner.post("/sites", json=SITE)
    changed = anonymous.patch("/sim/v0/objects/site/1", json={"name": "By hand", "is_activated": 1})
    assert changed.json()["body"]["name"] == "By hand"
    assert partner.get("/sites/1").json()["is_activated"] == 1
    anonymous.delete("/sim/v0/objects/site/1")
    assert partner.get("/sites/1").status_code == 404
    by_hand = {"scope": "12345", "external_id": "x", "body": {"name": "X", "timezone": "UTC"}}
    assert anonymous.post("/sim/v0/objects/site", json=by_hand).json()["id"] == 2
    assert partner.get("/sites").json()[0]["external_site_id"] == "x"


def test_keys_are_registered_over_http(anonymous: httpx.Client) -> None:
    pair = generate_key("k1")
    registered = anonymous.post("/sim/v0/keys", json={"kid": pair.kid, "pem": pair.public_pem})
    assert registered.status_code == 201
    assert anonymous.get("/sim/v0/keys").json()["key_ids"] == ["k1"]
    assert anonymous.post("/sim/v0/keys", json={"kid": "k2", "pem": "nonsense"}).status_code == 400
    anonymous.post("/sim/v0/keys", json={"dealer_id": 12345, "api_key": "second-key"})
    headers = {"Authorization": "Bearer second-key"}
    assert anonymous.get("/ext/v1/sites", headers=headers).status_code == 200
    assert anonymous.post("/sim/v0/keys", json={"dealer_id": 9, "api_key": "k"}).status_code == 404


def test_the_simulators_own_operations_answer_on_loopback_only(sandbox: Sandbox) -> None:
    afar = httpx.WSGITransport(app=sandbox, remote_addr="203.0.113.9")
    with httpx.Client(transport=afar, base_url="https://api.example.com", trust_env=False) as client:
        assert client.get("/sim/v0/state").status_code == 403
        assert client.post("/sim/v0/reset").status_code == 403
        assert client.get("/sim/v0/schedules").status_code == 401


def test_dealers_are_added_once(anonymous: httpx.Client) -> None:
    for name in ("First", "Second"):
        answer = anonymous.post("/sim/v0/dealers", json={"dealer_id": 777, "company_name": name})
        assert (answer.status_code, answer.json()["body"]["company_name"]) == (201, "First")
    assert anonymous.post("/sim/v0/dealers", json={"dealer_id": 0}).status_code == 400


def test_the_log_leaves_the_simulators_own_operations_out(anonymous: httpx.Client) -> None:
    anonymous.get("/ext/v1/sites")
    anonymous.get("/sim/v0/state")
    assert [each["path"] for each in anonymous.get("/sim/v0/requests").json()] == ["/ext/v1/sites"]
    anonymous.delete("/sim/v0/requests")
    assert anonymous.get("/sim/v0/requests").json() == []


def test_a_reset_leaves_one_dealer_and_the_switches(partner: httpx.Client, anonymous: httpx.Client) -> None:
    anonymous.put("/sim/v0/switches", json={"shape": "page"})
    partner.post("/sites", json=SITE)
    anonymous.post("/sim/v0/reset")
    state = anonymous.get("/sim/v0/state").json()
    assert state["counts"] == {"dealer": 1}
    assert state["switches"]["shape"] == "page"
    assert state["requests"] == 0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "sandbox.db"


def test_a_file_keeps_objects_tokens_switches_and_clock(file: Path) -> None:
    frozen = datetime(2026, 5, 1, tzinfo=UTC)
    first = Sandbox(file, switches=Switches(shape="page"))
    with httpx.Client(
        transport=transport(first), base_url="https://a.example.com", trust_env=False
    ) as client:
        client.put("/sim/v0/clock", json={"now": frozen.isoformat(), "frozen": True})
        form = {
            "grant_type": "client_credentials",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
        }
        token = client.post("/oauth/token", data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        client.post("/partner/v1/dealers/12345/sites", json=SITE, headers=headers)
    first.close()
    second = Sandbox(file)
    assert second.switches.shape == "page"
    assert second.clock.now() == frozen
    with httpx.Client(
        transport=transport(second), base_url="https://a.example.com", trust_env=False
    ) as client:
        assert len(client.get("/partner/v1/dealers/12345/sites", headers=headers).json()) == 1
    second.close()


def test_two_sandboxes_may_share_a_file(file: Path) -> None:
    pair = [Sandbox(file), Sandbox(file)]
    for sandbox, dealer_id in zip(pair, (700, 701), strict=True):
        sandbox.seed_dealer(dealer_id)
    for sandbox in pair:
        assert sandbox.state()["counts"] == {"dealer": 3}
        sandbox.close()
