"""People are told of a trouble once, and once when it is over."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.alerting.book import Receiver
from reconciler.alerting.senders import SIGNATURE, apprise_sender, webhook_sender
from reconciler.enforcer.alerts import Alerts
from reconciler.enforcer.report import exit_code
from reconciler.errors import ConfigError, RemoteError
from reconciler.model import JsonObject
from reconciler.sandbox import Fault
from tests.enforcer.rig import EVENING, LATE, MORNING, NOON, TUESDAY, Rig, rig

MINUTE = timedelta(minutes=1)


class Phone:
    """A receiver that keeps what it was told, or is out of reach."""

    def __init__(self) -> None:
        self.told: list[JsonObject] = []
        self.reachable = True

    def ring(self, content: JsonObject) -> None:
        if not self.reachable:
            raise RemoteError("nobody answers")
        self.told.append(content)

    def heard(self) -> list[tuple[object, object]]:
        return [(each["code"], each["status"]) for each in self.told]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, switches={"shape": "page"}, policy="enforce") as made:
        made.run(NOON)
        yield made


def tell(site: Rig, *phones: Phone) -> list[str]:
    """What a run of cron does after its rounds."""
    with site.ledger() as ledger:
        receivers = [Receiver(f"phone {number}", phone.ring) for number, phone in enumerate(phones)]
        alerts = Alerts(ledger, receivers)
        alerts.heed(site.sights.values(), site.clock.now())
        return alerts.tell()


def test_an_open_zone_is_told_once_by_name_and_so_is_its_end(site: Rig) -> None:
    phone = Phone()
    site.zone("open")
    for minute in range(5):
        site.run(EVENING + minute * MINUTE)
        tell(site, phone)
    assert phone.heard() == [("not_armed", "firing")]
    assert "Dock Door" in str(phone.told[0]["message"])
    site.zone("closed")
    for minute in range(5, 12):
        site.run(EVENING + minute * MINUTE)
        tell(site, phone)
    assert phone.heard() == [("not_armed", "firing"), ("not_armed", "resolved")]


def test_a_stop_after_counter_actions_is_told(site: Rig) -> None:
    phone = Phone()
    site.run(EVENING)
    for minute in (1, 3):
        site.clock.set(LATE + minute * MINUTE)
        site.by_hand("disarmed")
        site.run()
        tell(site, phone)
    assert phone.heard() == [("stopped", "firing")]


@pytest.mark.parametrize("offset", [0, 20])
def test_a_disarm_held_back_in_doubt_is_told(site: Rig, offset: int) -> None:
    phone = Phone()
    site.run(EVENING)
    site.sandbox.clock.advance(offset)
    if not offset:
        site.lose_ledger()
    site.run(MORNING + TUESDAY)
    tell(site, phone)
    assert phone.heard() == [("clock" if offset else "not_seen_before", "firing")]


def test_an_outage_is_told_when_it_lasts(site: Rig) -> None:
    phone = Phone()
    site.sandbox.add_fault(Fault("status", status=503, count=0))
    for minute in range(7):
        site.run(EVENING + minute * MINUTE)
        tell(site, phone)
        assert phone.heard() == ([("unreachable", "firing")] if minute >= 5 else [])


@pytest.mark.parametrize("shape", ["live", "page"])
@pytest.mark.parametrize("way", ["error", "failure"])
@pytest.mark.parametrize("partitions", [0, 1])
def test_the_open_zone_is_named_whatever_the_surface_shows_of_it(
    tmp_path: Path, shape: str, way: str, partitions: int
) -> None:
    """Where neither the state nor the answer names it, the activity log does."""
    phone = Phone()
    with rig(tmp_path, switches={"shape": shape, "open_zone": way}, partitions=partitions) as site:
        site.run(NOON)
        site.zone("open")
        for minute in range(2):
            site.run(EVENING + minute * MINUTE)
            tell(site, phone)
        assert phone.heard() == [("not_armed", "firing")]
        assert "Dock Door" in str(phone.told[0]["message"])


def test_an_arming_that_fails_without_any_word_is_told_all_the_same(tmp_path: Path) -> None:
    phone = Phone()
    with rig(tmp_path, switches={"open_zone": "failure"}) as site:
        site.run(NOON)
        site.zone("open")
        site.sandbox.add_fault(Fault("status", "POST", ".*/activity-logs/search", status=500, count=0))
        for minute in range(2):
            site.run(EVENING + minute * MINUTE)
            tell(site, phone)
        assert phone.heard() == [("not_armed", "firing")]
        assert "the state still reads disarmed" in str(phone.told[0]["message"])


@pytest.mark.parametrize("state", ["alarm", "entry_delay", "arming_in_progress"])
def test_a_site_that_cannot_be_armed_for_long_because_of_its_state_is_told(site: Rig, state: str) -> None:
    phone = Phone()
    site.clock.set(EVENING - MINUTE)
    site.by_hand(state)
    for minute in (0, 5):
        done = site.run(EVENING + minute * MINUTE)
        tell(site, phone)
        assert (exit_code(done), phone.told) == (0, [])
    done = site.run(EVENING + 11 * MINUTE)
    tell(site, phone)
    assert exit_code(done) == 1
    assert phone.heard() == [("stuck", "firing")]
    assert "cannot be armed since" in str(phone.told[0]["message"])


def test_a_receiver_out_of_reach_is_told_later_and_the_others_not_twice(site: Rig) -> None:
    deaf, phone = Phone(), Phone()
    deaf.reachable = False
    site.zone("open")
    site.run(EVENING)
    assert tell(site, deaf, phone) == ["phone 0: nobody answers"]
    deaf.reachable = True
    assert tell(site, deaf, phone) == []
    assert deaf.heard() == phone.heard() == [("not_armed", "firing")]


def test_the_end_of_what_nobody_heard_of_is_not_told(site: Rig) -> None:
    phone = Phone()
    phone.reachable = False
    site.zone("open")
    site.run(EVENING)
    tell(site, phone)
    site.zone("closed")
    site.run(EVENING + 2 * MINUTE)
    phone.reachable = True
    tell(site, phone)
    assert phone.told == []


def test_a_target_that_no_schedule_arms_any_more_is_told_once_and_its_other_troubles_end(site: Rig) -> None:
    site.zone("open")
    site.run(EVENING)
    tell(site)
    with site.ledger() as ledger:
        alerts = Alerts(ledger, [])
        [sentence] = alerts.heed_others(set(), site.clock.now())
        assert sentence.endswith(
            "no schedule arms it any more; it stays as it is until somebody arms or disarms it"
        )
        assert [alert.code for alert in ledger.open_alerts()] == ["unscheduled"]
        assert alerts.heed_others(set(), site.clock.now()) == []
    site.zone("closed")
    site.run(EVENING + 2 * MINUTE)
    tell(site)
    with site.ledger() as ledger:
        assert ledger.open_alerts() == []


@contextmanager
def listening(status: int) -> Iterator[tuple[str, list[tuple[bytes, str | None]]]]:
    """A host that takes posts on loopback."""
    taken: list[tuple[bytes, str | None]] = []

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((body, self.headers[SIGNATURE]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_gets_signed_json() -> None:
    with listening(204) as (url, taken):
        webhook_sender(url, "planted-secret")({"code": "not_armed", "message": "문이 열려 있다"})
    ((body, signature),) = taken
    assert json.loads(body)["message"] == "문이 열려 있다"
    assert signature == f"sha256={hmac.new(b'planted-secret', body, hashlib.sha256).hexdigest()}"


def test_a_webhook_that_answers_with_an_error_counts_as_not_told() -> None:
    with listening(500) as (url, _), pytest.raises(RemoteError, match="500"):
        webhook_sender(url, None)({"code": "not_armed"})


def test_apprise_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match="apprise package"):
        apprise_sender("mailto://example.com")


def test_apprise_gets_a_title_and_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    notified: list[tuple[str, str]] = []

    class Apprise:
        def add(self, url: str) -> bool:
            return url.startswith("json://")

        def notify(self, *, title: str, body: str) -> bool:
            notified.append((title, body))
            return True

    monkeypatch.setitem(sys.modules, "apprise", types.SimpleNamespace(Apprise=Apprise))
    content: JsonObject = {
        "code": "not_armed",
        "status": "resolved",
        "environment": "embedded",
        "target": "site:acme/hq",
        "partition": 2,
        "message": "cannot be armed",
    }
    apprise_sender("json://example.com")(content)
    assert notified == [
        ("reconciler: not_armed (resolved)", "site:acme/hq partition 2: over: cannot be armed")
    ]
    with pytest.raises(ConfigError, match="not one that apprise knows"):
        apprise_sender("nonsense")
