"""Kinds that CHeKT keeps to its portal, under ``/sim/v0``: checked and kept like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from pydantic import Field

from reconciler.kinds import REGISTRY, Binding, Kind, Reference, Spec
from reconciler.kinds.values import Identifier
from reconciler.model import JsonObject
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Request
from reconciler.sandbox.partner import Collection, collections
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches
from reconciler.sandbox.validation import Shape, read_body, wire_fields

HOST = "https://api.example.com"
BODIES: dict[str, dict[str, Any]] = {
    "schedule": {"windows": [{"days": ["mon"], "arm": "18:00", "disarm": "08:00", "mode": "away"}]},
    "calendar": {"dates": ["2026-12-24"], "closed": "away"},
    "app": {"permissions": ["devices:read"], "name": "Verifier"},
}
PROVISIONAL = [kind for kind in REGISTRY.values() if kind.simulated is not None]


def path_of(kind: Kind) -> str:
    assert kind.simulated is not None
    assert kind.simulated.create is not None
    return HOST + kind.simulated.create.path.format(dealer_id=12345)


@pytest.mark.parametrize("kind", PROVISIONAL, ids=lambda kind: kind.name)
def test_a_provisional_kind_is_created_listed_changed_and_deleted(partner: httpx.Client, kind: Kind) -> None:
    assert kind.simulated is not None
    path, body = path_of(kind), BODIES[kind.name]
    external = {str(kind.simulated.external_id): "mine"}
    created = partner.post(path, json={**body, **external})
    assert created.status_code == 201, created.text
    read = partner.get(f"{path}/1").json()
    assert read == created.json()
    assert {**body, **external}.items() <= read.items()
    assert [each[kind.simulated.remote_id] for each in partner.get(path).json()] == [1]
    assert partner.patch(f"{path}/1", json=body).status_code == 200
    assert partner.post(path, json={**body, **external}).status_code == 409
    assert partner.delete(f"{path}/1").status_code == 200
    assert partner.get(path).json() == []


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("schedule", {}, "windows"),
        ("schedule", {"windows": [{"days": ["mon"], "arm": "8:00", "disarm": "09:00"}]}, "windows"),
        ("schedule", {"windows": [], "timezone": "Mars/Base"}, "timezone"),
        ("calendar", {"dates": ["2026-02-30"], "closed": "away"}, "dates"),
        ("calendar", {"dates": ["2026-02-28"]}, "calendar"),
        ("app", {"permissions": ["everything"]}, "permissions"),
        ("app", {"permissions": [], "webhook": {"url": "x", "events": []}}, "webhook"),
        ("app", {"permissions": [], "app_id": 4}, "app_id"),
        ("app", {"permissions": [], "colour": "red"}, "colour"),
    ],
)
def test_a_provisional_object_is_checked_like_a_manifest(
    partner: httpx.Client, kind: str, body: dict[str, Any], field: str
) -> None:
    binding = REGISTRY[kind].simulated
    assert binding is not None
    answer = partner.post(path_of(REGISTRY[kind]), json={**body, str(binding.external_id): "mine"})
    assert answer.status_code == 400
    assert answer.json()["error"]["field"].startswith(field)


def test_a_change_is_checked_as_a_whole(partner: httpx.Client) -> None:
    path = path_of(REGISTRY["calendar"])
    partner.post(path, json={**BODIES["calendar"], "external_calendar_id": "mine"})
    assert partner.patch(f"{path}/1", json={"windows": []}).status_code == 400
    assert partner.patch(f"{path}/1", json={"windows": [], "closed": None}).status_code == 200


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=lambda kind: kind.name)
def test_every_endpoint_of_every_kind_is_served(
    kind: Kind, anonymous: httpx.Client, switch: Callable[..., None]
) -> None:
    """Without a credential an operation that exists answers 401; one that does not answers 404 or 405."""
    for binding in filter(None, (kind.partner, kind.dealer, kind.simulated)):
        single = (binding.read, binding.create, binding.update, binding.delete)
        parts = [each for part in binding.parts for each in (part.read, part.update)]
        for endpoint in filter(None, (*binding.lists, *single, *parts)):
            path = endpoint.path.replace("{", "").replace("}", "")
            assert anonymous.request(endpoint.method, path).status_code == 401, endpoint


class RelaySpec(Spec):
    """A kind that refers to another by CHeKT's id, which no provisional kind does yet."""

    device: Annotated[Identifier, Field(description="Device that switches it.")]


def test_a_provisional_kind_may_refer_to_another_by_its_number() -> None:
    kind = Kind("relay", "relays", "Relay", RelaySpec, references=(Reference("device", "device", True),))
    binding = Binding("relay_id", "external_relay_id", {"device": "device_id"})
    shape = Shape(kind, binding, wire_fields(kind, binding), provisional=True)
    request = Request("POST", "/sim/v0/relays", {}, {}, b"", HOST, "127.0.0.1")
    call = Call(request, {}, Store(":memory:"), Switches(), now=0.0, number=1)
    sent: JsonObject = {"external_relay_id": "gate", "device_id": 17}
    assert read_body(call, shape, sent, "create", None) == ({"device": 17}, "gate")
    with pytest.raises(Refusal, match="device_id"):
        read_body(call, shape, {**sent, "device_id": "front-door"}, "create", None)
    call.store.close()


def test_a_new_kind_is_served_without_a_change_here() -> None:
    schedule = REGISTRY["schedule"]
    assert schedule.simulated is not None
    collection = Collection(schedule, schedule.simulated, provisional=True)
    served = {(route.method, route.path) for route in collection.routes()}
    assert len(served) == 6
    kinds = {each.kind.name for each in collections()}
    assert kinds == {name for name, kind in REGISTRY.items() if kind.partner or kind.simulated}
