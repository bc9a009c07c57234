"""Every documented operation, in both shapes: answers stay within the collected OpenAPI description.

``openapi.json`` is that description without its prose.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.sandbox import CLIENT_ID, CLIENT_SECRET, DEALER_ID, Sandbox, Switches, dealer_key, transport
from reconciler.sandbox.auth import app_key
from reconciler.sandbox.media import camera_url

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # schemathesis and its dependencies, on import
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

DESCRIPTION = json.loads((Path(__file__).parent / "openapi.json").read_text())
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SEEDED = {
    "dealerId": DEALER_ID,
    "siteId": 1,
    "site_id": 1,
    "deviceId": 1,
    "contactId": 1,
    "contact_id": 1,
    "monitoringStationId": 1,
    "verificationId": 1,
    "webhookId": "webhook_1",
    "id": 1,
}
_DEALER = "/partner/v1/dealers/{dealerId}"
_SITE = _DEALER + "/sites/{siteId}"
_EXT = "/ext/v1/sites/{site_id}"
_CONTACT = {"first_name": "John", "last_name": "Doe"}
_DEVICE = {"external_device_id": "new", "device_type": "bridge", "zone_number": "002"}
_SITE_BODY = {"external_site_id": "new", "name": "New", "timezone": "Asia/Seoul"}
_REPORT = {"state": "armed_away", "partition": "all", "timestamp": "2026-03-02T09:00:00Z"}
_SPAN = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2027-12-31T00:00:00Z"}
_SECRET = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
GOOD: dict[str, Any] = {
    "post /oauth/token": _SECRET,
    "put /partner/v1/dealers/connect": {"external_dealer_id": "adc-67890", "company_name": "CHeKT"},
    f"patch {_DEALER}": {"company_email": "support@example.com"},
    f"post {_DEALER}/sites": {**_SITE_BODY, "monitoring_station_id": 1},
    f"patch {_SITE}": {"name": "Newer", "timezone": "UTC", "monitoring_station_id": None},
    f"post {_SITE}/devices": [_DEVICE, {}],
    f"patch {_SITE}/devices": [{"device_id": 1, "name": "Newer"}, {}],
    f"delete {_SITE}/devices": [{"external_device_id": "cam"}, {}],
    f"post {_SITE}/contacts": {**_CONTACT, "external_contact_id": "new"},
    f"patch {_SITE}/contacts/{{contactId}}": {"first_name": "Johnny"},
    f"post {_DEALER}/monitoring-stations": {"external_monitoring_station_id": "new", "name": "New"},
    f"patch {_DEALER}/monitoring-stations/{{monitoringStationId}}": {"name": "Newer"},
    f"patch {_SITE}/arming-settings": {"security_type": 2},
    "post /v1/sites/{siteId}/arming-state": _REPORT,
    "post /partner/v1/webhooks": {
        "url": "https://hooks.example.com/b",
        "events": ["site.armed"],
        "secret": "shhh-secret",
    },
    "patch /partner/v1/webhooks/{webhookId}": {"events": ["site.disarmed"]},
    "post /partner/v1/events": {"version": "1.0", "event_id": "1", "event_type": "alarm"},
    f"post {_EXT}/contacts": {**_CONTACT, "external_contact_id": "new"},
    f"put {_EXT}/contacts/{{contact_id}}": _CONTACT,
    f"post {_EXT}/arming/actions/arm": {"mode": "away", "user_code": "1234"},
    f"post {_EXT}/arming/actions/disarm": {"user": "ops"},
    f"post {_EXT}/partition-arming/actions/arm": {"partition_ids": [1, 2], "user": "ops"},
    f"post {_EXT}/partition-arming/actions/disarm": {"partition_ids": [1, 2], "user": "ops"},
    "post /ext/v1/activity-logs/search": {**_SPAN, "limit": 25, "sort_by": "event_time", "cursor": "0"},
    "post /ext/v1/events-video-urls": {"event_ids": [1, 2]},
    "post /ext/v1/events": {"type": "test"},
    "patch /v1/devices/{id}": {"labels": ["door"]},
    "post /v1/alarms/{id}/annotate": {"source": "ai", "verdict": "intruder", "confidence": 0.9},
}
"""A right body for every operation that takes one, in the live shape."""
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [
    (method, path)
    for path, methods in DESCRIPTION["paths"].items()
    for method in METHODS
    if method in methods
]

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
]


class Account:
    """A seeded sandbox that also serves the description, and the credentials of each surface."""

    def __init__(self, shape: str) -> None:
        model = {"arming_model": "partner_triggered", "report_ahead": 1e9, "stale_report": "ignore"}
        switches = Switches().changed(
            {"rate_limits": False, "shape": shape, "dependents": "cascade", **model}
        )
        self.sandbox = Sandbox(switches=switches)
        self._client = httpx.Client(transport=transport(self.sandbox), base_url="https://api.example.com")
        self.seed()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.schema = schemathesis.openapi.from_wsgi("/openapi.json", app=self.wsgi)

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/openapi.json":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(DESCRIPTION).encode()]
        return self.sandbox(environ, start_response)

    def seed(self) -> None:
        """One object of every kind, all under id 1."""
        self.sandbox.reset()
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        self.token = self._client.post("/oauth/token", data=form).json()["access_token"]
        base = f"/partner/v1/dealers/{DEALER_ID}"
        site = {"external_site_id": "hq", "name": "HQ", "timezone": "Asia/Seoul"}
        device = {"external_device_id": "cam", "device_type": "camera", "zone_number": "001"}
        contact = {"external_contact_id": "john", "first_name": "John", "last_name": "Doe"}
        webhook = {"url": "https://hooks.example.com/a", "events": ["site.armed"], "secret": "shhh-secret"}
        permissions = [
            "devices:read",
            "devices:write",
            "events:read",
            "events:write",
            "alarms:write",
            "sites:read",
        ]
        app = {"external_app_id": "ai", "permissions": permissions}
        for path, body in (
            (f"{base}/monitoring-stations", {"external_monitoring_station_id": "c", "name": "Central"}),
            (f"{base}/sites", {**site, "monitoring_station_id": 1}),
            (f"{base}/sites/1/devices", [device]),
            (f"{base}/sites/1/contacts", {**contact, "phone_number": "+15555550123"}),
            ("/partner/v1/webhooks", webhook),
            (f"/sim/v0/dealers/{DEALER_ID}/apps", app),
            ("/sim/v0/sites/1/alarms", {}),
            ("/sim/v0/sites/1/verifications", {}),
            (f"{base}/sites", {**site, "external_site_id": "partitioned"}),
        ):
            answer = self._client.post(path, json=body, headers={"Authorization": f"Bearer {self.token}"})
            assert answer.is_success, answer.text
        self._client.put("/sim/v0/sites/2/partitions", json={"count": 2})
        asked = self._client.get("/sim/v0/objects/verification/1").json()["body"]["verification_id"]
        self.answer = {
            "verification_id": asked,
            "contact_id": 1,
            "action": "dispatch",
            "responded_at": "2026-03-02T09:00:00Z",
        }

    def headers(self, path: str) -> dict[str, str]:
        if path.endswith("/connect"):
            return self.user_headers()
        if path.startswith("/ext/"):
            return {"Authorization": f"Bearer {dealer_key(DEALER_ID)}"}
        if path.startswith("/v1/") and "arming-state" not in path:
            return {"Authorization": f"Bearer {app_key(1)}"}
        return {"Authorization": f"Bearer {self.token}"}

    def user_headers(self) -> dict[str, str]:
        """The token of a dealer admin, which connecting needs."""
        query = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": "https://a.example.com/cb"}
        location = self._client.get("/authorize", params=query).headers["location"]
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "code": httpx.URL(location).params["code"],
            "redirect_uri": "https://a.example.com/cb",
        }
        token = self._client.post("/oauth/token", data=form).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def close(self) -> None:
        self._client.close()
        self.sandbox.close()


def aim(case: Any, operation: str, account: Account) -> None:
    """Point a generated request at objects that exist, with a body that may be right."""
    seeded = {name: SEEDED[name] for name in case.path_parameters or {} if name in SEEDED}
    if "partition-arming" in operation:
        seeded["site_id"] = 2
    case.path_parameters = {**(case.path_parameters or {}), **seeded}
    case.headers = {name: value for name, value in (case.headers or {}).items() if name != "Authorization"}
    good = account.answer if "alarm-verifications" in operation else GOOD.get(operation)
    if isinstance(good, dict) and isinstance(case.body, dict):
        case.body = {**case.body, **good}


@pytest.fixture(scope="module")
def accounts() -> Iterator[Callable[[str], Account]]:
    """One account a shape, made when first asked for."""
    made: dict[str, Account] = {}

    def account(shape: str) -> Account:
        if shape not in made:
            made[shape] = Account(shape)
        return made[shape]

    yield account
    for each in made.values():
        each.close()


CASES = [
    pytest.param(shape, method, path, id=f"{shape} {method} {path}")
    for method, path in OPERATIONS
    for shape in (("live", "page") if path.startswith("/ext/") else ("live",))
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{m} {p}" for m, p in OPERATIONS])
def test_every_operation_succeeds_as_described(
    accounts: Callable[[str], Account], method: str, path: str
) -> None:
    account = accounts("live")
    account.seed()
    name = f"{method} {path}"
    names = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    ids = {each: SEEDED[each] for each in names if each in SEEDED}
    if "partition-arming" in path:
        ids["site_id"] = 2
    sample: dict[str, Any] = {"path_parameters": ids}
    if name in GOOD or "alarm-verifications" in path:
        form = "application/x-www-form-urlencoded" if path == "/oauth/token" else "application/json"
        sample |= {"body": GOOD.get(name, account.answer), "media_type": form}
    if path.startswith("/api/v1/snapshots"):
        sample["path_parameters"] = {"mac": "020000000001", "channel": 0}
        link = camera_url("https://api.example.com", "020000000001", 0, time.time())
        sample["query"] = {"access_token": httpx.URL(link).params["access_token"]}
    case = account.schema[path][method.upper()].Case(**sample)
    response = case.call(headers=account.headers(path))
    case.validate_response(response, checks=CHECKS)
    assert 200 <= response.status_code < 300, response.text


@pytest.mark.parametrize(("shape", "method", "path"), CASES)
def test_answers_stay_within_the_description(
    accounts: Callable[[str], Account], shape: str, method: str, path: str
) -> None:
    account = accounts(shape)
    operation = account.schema[path][method.upper()]
    positive = schemathesis.GenerationMode.POSITIVE
    cases = operation.as_strategy(generation_mode=positive)
    if path != "/oauth/token":  # a malformed token request answers 400 (RFC 6749 5.2); only 401 is described
        cases = st.one_of(cases, operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))

    @settings(
        max_examples=5,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, chance=st.integers(0, 3))
    def answers_conform(case: Any, chance: int) -> None:
        if chance:
            aim(case, f"{method} {path}", account)
        response = case.call(headers=account.headers(path))
        case.validate_response(response, checks=CHECKS)

    account.seed()
    answers_conform()
