"""A sandbox in process, and clients with the credentials of each surface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from reconciler.sandbox import (
    CLIENT_ID,
    CLIENT_SECRET,
    DEALER_ID,
    Sandbox,
    Switches,
    dealer_key,
    transport,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class BaseClock:
    """A real clock for the sandbox, moved by hand."""

    def __init__(self) -> None:
        self.instant = START

    def __call__(self) -> datetime:
        return self.instant

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


@pytest.fixture
def base_clock() -> BaseClock:
    return BaseClock()


@pytest.fixture
def sandbox(base_clock: BaseClock) -> Iterator[Sandbox]:
    app = Sandbox(switches=Switches(rate_limits=False), clock=base_clock)
    yield app
    app.close()


@pytest.fixture
def anonymous(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(
        transport=transport(sandbox), base_url="https://api.example.com", trust_env=False
    ) as client:
        yield client


@pytest.fixture
def partner(sandbox: Sandbox, anonymous: httpx.Client) -> Iterator[httpx.Client]:
    """A partner's client; paths are relative to the development dealer."""
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    token = anonymous.post("/oauth/token", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    base = f"https://api.example.com/partner/v1/dealers/{DEALER_ID}"
    with httpx.Client(
        transport=transport(sandbox), base_url=base, headers=headers, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def dealer(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A dealer's client; paths are relative to ``/ext/v1``."""
    headers = {"Authorization": f"Bearer {dealer_key(DEALER_ID)}"}
    base = "https://api.example.com/ext/v1"
    with httpx.Client(
        transport=transport(sandbox), base_url=base, headers=headers, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def switch(sandbox: Sandbox) -> Callable[..., None]:
    """Sets switches by name."""

    def set_switches(**values: object) -> None:
        sandbox.switches = sandbox.switches.changed(values)

    return set_switches


@pytest.fixture
def site(partner: httpx.Client) -> dict[str, object]:
    """A site with a camera on zones 001 and 002, a contact and a station, as the server answered."""
    partner.post(
        "/monitoring-stations", json={"external_monitoring_station_id": "central", "name": "Central"}
    )
    body = {"external_site_id": "hq", "name": "Headquarters", "timezone": "Asia/Seoul"}
    created = partner.post(
        "/sites", json={**body, "monitoring_station_id": 1, "address1": "1 Example Street"}
    )
    camera = {
        "external_device_id": "front-door",
        "device_type": "camera",
        "zone_number": "001",
        "additional_zone_numbers": "002",
        "name": "Front Door",
        "mac": "001A2B3C4D5E",
    }
    partner.post("/sites/1/devices", json=[camera])
    contact = {"external_contact_id": "john", "first_name": "John", "last_name": "Doe"}
    partner.post("/sites/1/contacts", json={**contact, "phone_number": "+15555550123"})
    return dict(created.json())
