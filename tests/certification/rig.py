"""A certification in no time: a project with one site, its sandbox, and a clock that sleeping moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from reconciler.certificate import Certificate, Finding
from reconciler.certification import certify
from reconciler.manifests import load
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime
from reconciler.sandbox import Fault, Sandbox, Switches, credentials, transport
from reconciler.sandbox.errors import Dropped

MODELS = ("chekt_triggered", "partner_triggered")
SITE = "site:acme/certification"
SETTINGS = """
arming_model: {model}
environments:
  embedded: {{}}
  page: {{dialect: page, base_url: "http://127.0.0.1:9", surface: dealer, rate: {{burst: 100000}}}}
  dev: {{base_url: "https://api.chektdev.com", surface: dealer, accept: named, rate: {{burst: 100000}}}}
  production: {{base_url: "https://api.chekt.com"}}
  claimed: {{base_url: "https://sandbox.example.com", sandbox: true}}
"""
"""Whatever the host, every request goes to the rig's sandbox."""
MANIFEST = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: certification
dealer: acme
site_id: 1
name: Certification
timezone: Asia/Seoul
---
kind: site
id: hq
dealer: acme
site_id: 2
name: Headquarters
timezone: Europe/Berlin
"""


def _interrupt() -> None:
    raise KeyboardInterrupt


class VirtualClock:
    """Time that stands still but for those who sleep. Thread-safe."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._lock = threading.Lock()
        self._left = 0
        self._event: Callable[[], None] = _interrupt

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def interrupt_after(self, sleeps: int) -> None:
        """Have somebody press Ctrl-C while the last of so many sleeps lasts."""
        self.call_after(sleeps, _interrupt)

    def call_after(self, sleeps: int, event: Callable[[], None]) -> None:
        """Have ``event`` happen when so many sleeps have begun."""
        self._left, self._event = sleeps, event

    def sleep(self, seconds: float) -> None:
        self._left -= 1
        if self._left == 0:
            self._event()
        with self._lock:
            self._now += timedelta(seconds=seconds)


class Host(Sandbox):
    """A sandbox that can hide that it is one, and die."""

    hidden = False
    dead = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.dead:
            raise Dropped(timed_out=False, seconds=0)
        if self.hidden and environ["PATH_INFO"].startswith("/sim/"):
            environ["PATH_INFO"] = "/nowhere"
        return super().__call__(environ, start_response)


class Rig:
    """A project of ``model`` and the sandbox that is its account; ``run`` certifies it."""

    def __init__(
        self,
        directory: Path,
        model: str,
        switches: Mapping[str, Any] | None = None,
        environment: str | None = None,
    ) -> None:
        (directory / "reconciler.yaml").write_text(SETTINGS.format(model=model))
        self.environment = environment
        (directory / "sites.yaml").write_text(MANIFEST)
        self.directory = directory
        self.clock = VirtualClock()
        chosen = Switches(rate_limits=False).changed({"arming_model": model, **(switches or {})})
        self.sandbox = Host(switches=chosen, clock=self.clock)
        for name in ("certification", "hq"):
            content = {"external_id": name, "name": name, "timezone": "Asia/Seoul"}
            self.sandbox.set_up(12345, {"sites": [content]})

    def run(
        self,
        *only: str,
        faults: Sequence[Fault] = (),
        site: str | None = None,
        told: Callable[[Finding], None] = lambda _: None,
    ) -> Certificate:
        """Certify the site."""
        for fault in faults:
            self.sandbox.add_fault(fault)
        runtime = Runtime(self.variables, Redactor(), self.clock, sleep=self.clock.sleep)
        project = load(self.directory, env={}, environment=self.environment)
        with transport(self.sandbox) as way:
            return certify(project, runtime, site, only, told=told, way=way)

    @property
    def variables(self) -> dict[str, str]:
        """The credentials of the sandbox, and a folder for the request budget."""
        return {
            "CHEKT_API_KEY": credentials.dealer_key(12345),
            "CHEKT_TOKEN_URL": "https://api.chektdev.com/oauth/token",
            "CHEKT_AUDIENCE": credentials.AUDIENCE,
            "CHEKT_CLIENT_ID": credentials.CLIENT_ID,
            "CHEKT_CLIENT_SECRET": credentials.CLIENT_SECRET,
            "XDG_STATE_HOME": str(self.directory / "state"),
        }

    def state(self) -> Any:
        """Everything the account holds that a certification might leave behind."""
        state: Any = self.sandbox.state()
        for objects in state["objects"].values():
            for each in objects:
                del each["updated_at"]
        kept = {name: state[name] for name in ("objects", "switches")}
        return {**kept, "faults": list(self.sandbox.faults.waiting())}

    def put(self, state: str) -> None:
        """Put the site's panel into ``state``."""
        self._sim("PUT", "/arming", {"state": state})

    def panel(self) -> str:
        """The panel's own word for the state."""
        return ", ".join(dict.fromkeys(each["state"] for each in self._sim("GET", "/arming")))

    def part(self, count: int) -> None:
        """Give the site partitions."""
        self._sim("PUT", "/partitions", {"count": count})

    def rename(self, name: str, new: str) -> None:
        """Give a site of the manifest another id."""
        path = self.directory / "sites.yaml"
        path.write_text(path.read_text().replace(f"id: {name}\n", f"id: {new}\n"))

    def hide_the_simulator(self) -> None:
        """Make the host look like another one: its operations for the simulator are not there."""
        self.sandbox.hidden = True

    def die(self) -> None:
        """End every connection from now on."""
        self.sandbox.dead = True

    def revive(self) -> None:
        """Answer again, as before ``die``."""
        self.sandbox.dead = False

    def left(self) -> list[Path]:
        """What is noted of what a certification found and has not put back."""
        return list((self.directory / ".reconciler").glob("certify-*.json"))

    def _sim(self, method: str, path: str, body: object = None) -> Any:
        with httpx.Client(transport=transport(self.sandbox), base_url="http://sandbox.localhost") as client:
            answer = client.request(method, f"/sim/v0/sites/1{path}", json=body)
            assert answer.is_success, answer.text
            return answer.json()

    def close(self) -> None:
        self.sandbox.close()
