"""A certification in no time: a project with one site, its sandbox, and a clock that sleeping moves."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.account import Runtime
from reconciler.certificate import Certificate
from reconciler.certification import certify
from reconciler.manifests import load
from reconciler.redaction import Redactor
from reconciler.sandbox import Fault, Sandbox, Switches, transport

MODELS = ("chekt_triggered", "partner_triggered")
SITE = "site:acme/certification"
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


class VirtualClock:
    """Time that stands still but for those who sleep. Thread-safe."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


class Rig:
    """A project of ``model`` and the sandbox that is its account; ``run`` certifies it."""

    def __init__(self, directory: Path, model: str, switches: Mapping[str, Any] | None = None) -> None:
        (directory / "reconciler.yaml").write_text(f"arming_model: {model}\n")
        (directory / "sites.yaml").write_text(MANIFEST)
        self.directory = directory
        self.clock = VirtualClock()
        chosen = Switches(rate_limits=False).changed({"arming_model": model, **(switches or {})})
        self.sandbox = Sandbox(switches=chosen, clock=self.clock)
        for name in ("certification", "hq"):
            content = {"external_id": name, "name": name, "timezone": "Asia/Seoul"}
            self.sandbox.set_up(12345, {"sites": [content]})

    def run(self, *only: str, faults: Sequence[Fault] = (), site: str | None = None) -> Certificate:
        """Certify the site."""
        for fault in faults:
            self.sandbox.add_fault(fault)
        runtime = Runtime({}, Redactor(), self.clock, sleep=self.clock.sleep)
        with transport(self.sandbox) as way:
            return certify(load(self.directory, env={}), runtime, site, only, way=way)

    def state(self) -> Any:
        """Everything the account holds that a certification might leave behind."""
        state: Any = self.sandbox.state()
        for objects in state["objects"].values():
            for each in objects:
                del each["updated_at"]
        kept = {name: state[name] for name in ("objects", "switches")}
        return {**kept, "faults": list(self.sandbox.faults.waiting())}

    def close(self) -> None:
        self.sandbox.close()
