"""What the sandbox sends of each system is taken, told apart, and read as the same arming."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reconciler.listening import Endpoint, Signing, arming_event
from reconciler.listening.endpoints import Encoding
from reconciler.sandbox import Sandbox, Switches, transport
from reconciler.sandbox.auth import app_secret
from tests.listening.rig import DEALER, Rig, listening, wait_for

_SHARED = "shhh-secret"
STAMPED = Signing((app_secret(1).encode(),), "x-chekt-signature", "x-chekt-timestamp", ("hex",))
OF_BODY = Signing((_SHARED.encode(),), "x-webhook-signature", None, ("sha256_hex",))
_SIM = "https://api.example.com/sim/v0"


def _set_up(http: httpx.Client, rig: Rig) -> None:
    url = rig.receiver.url
    site = {
        "external_id": "hq",
        "body": {"name": "HQ", "partitions": [{"partition_id": 1, "partition_name": "A"}]},
    }
    hook = {"url": f"{url}/partner", "events": ["site.armed", "arming.state_changed"], "secret": _SHARED}
    app = {
        "permissions": ["sites:read"],
        "webhook": {"url": f"{url}/app", "events": ["partition.armed"]},
    }
    for kind, body in (
        ("site", {"scope": "12345", **site}),
        ("webhook", {"external_id": hook["url"], "body": hook}),
        ("app", {"scope": "12345", "external_id": "ai", "body": app}),
    ):
        http.post(f"{_SIM}/objects/{kind}", json=body).raise_for_status()
    http.patch(f"{_SIM}/objects/dealer/12345", json={"webhook_url": f"{url}{DEALER.path}"}).raise_for_status()


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_all_three_systems_of_the_sandbox_are_taken(encoding: Encoding) -> None:
    chosen = {"arming_delay": 0.0, "signature_encoding": encoding, "deliveries": "loopback"}
    sandbox = Sandbox(switches=Switches(rate_limits=False).changed(chosen))
    try:
        with httpx.Client(transport=transport(sandbox)) as http:
            endpoints = [
                Endpoint("a", "/app", "app", replace(STAMPED, encodings=(encoding,))),
                Endpoint("b", "/partner", "partner", OF_BODY),
                replace(DEALER, name="c"),
            ]
            with listening(endpoints=endpoints) as rig:
                _set_up(http, rig)
                arming = {"state": "armed_away", "partition_id": 1}
                http.put(f"{_SIM}/sites/1/arming", json=arming).raise_for_status()
                http.post(f"{_SIM}/deliveries").raise_for_status()
                wait_for(lambda: len(rig.heard) == 4)
                told = [arming_event(each.system, each.body) for each in rig.heard]
                assert rig.refused == []
    finally:
        sandbox.close()
    found: list[Any] = [each for each in told if each is not None]
    assert Counter(each.event_type for each in found) == Counter(
        ["partition.armed", "site.armed", "arming.state_changed", "partition_arming_status"]
    )
    assert {each.site_id for each in found} == {"1"}
    assert {each.partition for each in found if each.system != "partner"} == {"1"}
    assert {each.state for each in found} == {"armed", "armed_away"}
