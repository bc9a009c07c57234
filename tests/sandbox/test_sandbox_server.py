"""The sandbox on a port: the same answers, and connections that really end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from reconciler.sandbox import DEALER_ID, Fault, Sandbox, Server, Switches, dealer_key, serve

HEADERS = {"Authorization": f"Bearer {dealer_key(DEALER_ID)}"}


@pytest.fixture
def running() -> Iterator[tuple[Sandbox, Server, httpx.Client]]:
    sandbox = Sandbox(switches=Switches(rate_limits=False, deliveries="loopback", arming_delay=0))
    with (
        serve(sandbox) as server,
        httpx.Client(base_url=server.url, headers=HEADERS, trust_env=False, timeout=5) as client,
    ):
        yield sandbox, server, client
    sandbox.close()


def test_a_served_sandbox_answers(running: tuple[Sandbox, Server, httpx.Client]) -> None:
    _, _, client = running
    answer = client.get("/ext/v1/sites")
    assert (answer.status_code, answer.json()) == (200, [])
    assert "date" in answer.headers


def test_the_port_can_be_chosen_and_is_free_again(running: tuple[Sandbox, Server, httpx.Client]) -> None:
    sandbox, server, client = running
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        serve(sandbox, port=port)
    client.close()
    server.close()
    server.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("drop"), httpx.RemoteProtocolError),
        (Fault("drop", when="after"), httpx.RemoteProtocolError),
        (Fault("timeout", seconds=0.5), httpx.ReadTimeout),
        (Fault("slow", seconds=0.5), httpx.ReadTimeout),
        (Fault("truncate"), httpx.RemoteProtocolError),
    ],
    ids=["drop", "drop-after", "timeout", "slow", "truncate"],
)
def test_a_fault_ends_the_connection(
    running: tuple[Sandbox, Server, httpx.Client], fault: Fault, error: type[Exception]
) -> None:
    sandbox, _, client = running
    sandbox.add_fault(fault)
    with pytest.raises(error):
        client.get("/ext/v1/sites", timeout=0.2)
    assert client.get("/ext/v1/sites").status_code == 200


def test_many_threads_write_at_once(running: tuple[Sandbox, Server, httpx.Client]) -> None:
    _, _, client = running
    body = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "HQ", "timezone": "UTC"}}
    client.post("/sim/v0/objects/site", json=body)

    def add(number: int) -> int:
        contact = {"external_contact_id": str(number), "first_name": "A", "last_name": "B"}
        return client.post("/ext/v1/sites/1/contacts", json=contact).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(40))) == {201}
    listed = client.get("/ext/v1/sites/1/contacts").json()
    assert sorted(each["contact_id"] for each in listed) == list(range(1, 41))


def test_deliveries_reach_a_loopback_address(running: tuple[Sandbox, Server, httpx.Client]) -> None:
    _, _, client = running
    received: list[dict[str, Any]] = []
    arrived = threading.Event()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    endpoint = HTTPServer(("127.0.0.1", 0), Endpoint)
    listener = threading.Thread(target=endpoint.serve_forever, args=(0.02,))
    listener.start()
    try:
        url = f"http://127.0.0.1:{endpoint.server_port}/chekt"
        client.patch(f"/sim/v0/objects/dealer/{DEALER_ID}", json={"webhook_url": url})
        site = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "HQ", "timezone": "UTC"}}
        client.post("/sim/v0/objects/site", json=site)
        client.post("/ext/v1/sites/1/arming/actions/arm", json={"user": "ops"})
        assert arrived.wait(5)
    finally:
        endpoint.shutdown()
        listener.join()
        endpoint.server_close()
    assert received[0]["event_type"] == "arming_status"
    assert received[0]["payload"]["data"]["arming_status"] == "armed"


def test_importing_the_sandbox_loads_nothing_slow() -> None:
    slow = ("jwt", "cryptography", "waitress", "httpx")
    script = f"import sys, reconciler.sandbox; print([name for name in {slow} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
