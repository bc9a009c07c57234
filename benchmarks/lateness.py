"""How late commands leave when many sites on one dealer key change at once; how late a person is seen.

    python benchmarks/lateness.py [--sites 100] [--change arm|disarm]
    python benchmarks/lateness.py --change by-hand [--sites 40]

A sandbox on a loopback socket with CHeKT's documented rate limits (1,000 requests a minute, 100 at once),
one dealer key, one schedule that arms (or disarms) every site at a full minute, and ``enforce --once`` as
cron would start it. Lateness is from that minute to the moment a command leaves, by this machine's clock.
A disarm is never sent on an older look, so each takes two requests and the burst is not enough.

``by-hand``: two daemons share the sites of one sandbox, one with ``--listen``, one without. Within 70 s a
person disarms every site in the app; the time is from then to the look that finds it, which is recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler import sandbox as simulator
from reconciler.ledger import Ledger
from reconciler.model import JsonObject

NOTICE = 45.0
"""Seconds before the minute at which the run starts: cron's interval, less what starting takes."""


SECRET = "a secret of the partner webhook"
LISTEN = """listen:
  endpoints:
    arming: {path: /chekt/partner, system: partner, secrets: [{env: HOOK_SECRET}]}
"""

DISARMING = 70.0
"""Seconds in which people disarm: longer than the minute between two reviews."""


def project(
    directory: Path,
    url: str,
    sites: range,
    arm: datetime,
    disarm: datetime,
    policy: str = "respect_until_next",
) -> None:
    """A project of the sites that ``sites`` numbers, armed from ``arm`` to ``disarm``, full minutes."""
    directory.mkdir()
    settings = f"version: 1\nenvironments: {{real: {{base_url: '{url}', surface: dealer}}}}\n{LISTEN}"
    (directory / "reconciler.yaml").write_text(settings, encoding="utf-8")
    documents = ["kind: dealer\nid: acme\ndealer_id: 12345\n"]
    documents.append(
        "kind: schedule\nid: all\nwindows:\n  - {days: [mon, tue, wed, thu, fri, sat, sun], "
        f'arm: "{arm:%H:%M}", disarm: "{disarm:%H:%M}"}}\n'
        f"manual_change: {policy}\n"
    )
    documents += [
        f"kind: site\nid: s{n}\nname: Site {n}\ntimezone: UTC\narming: {{schedule: all}}\n" for n in sites
    ]
    (directory / "sites.yaml").write_text("---\n".join(documents), encoding="utf-8")


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie (nearest rank)."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--change", choices=("arm", "disarm", "by-hand"), default="arm")
    asked = parser.parse_args()
    if asked.change == "by-hand":
        by_hand(asked.sites)
    else:
        on_time(asked.sites, arming=asked.change == "arm")


def by_hand(count: int) -> None:
    """How long after a disarm in the app the look that finds it is taken, told by webhooks and by polling."""
    app = simulator.Sandbox(switches=simulator.Switches(deliveries="loopback"))
    named: JsonObject = {"sites": [{"external_id": f"s{n}", "name": f"Site {n}"} for n in range(count)]}
    app.set_up(12345, named)
    halves = {"listening": range(0, count, 2), "polling": range(1, count, 2)}
    with tempfile.TemporaryDirectory() as folder, simulator.serve(app) as server:
        now = datetime.now(tz=UTC)
        env = {**os.environ, "CHEKT_API_KEY": simulator.dealer_key(12345), "XDG_STATE_HOME": folder}
        env["HOOK_SECRET"] = SECRET
        daemons = {}
        for name, sites in halves.items():
            directory = Path(folder) / name
            arm, disarm = now - timedelta(hours=1), now + timedelta(hours=6)
            project(directory, server.url, sites, arm, disarm, "{rearm_after: 2h}")
            more = ["--listen", "127.0.0.1:0"] if name == "listening" else []
            command = [sys.executable, "-m", "reconciler", "enforce", str(directory), "--daemon"]
            with (Path(folder) / f"{name}.log").open("w") as log:
                daemons[name] = subprocess.Popen([*command, "--env", "real", *more], env=env, stderr=log)
        try:
            hook = told(Path(folder) / "listening.log", r"arming events at (http\S+)\.")
            body = {"url": f"{hook}/chekt/partner", "events": ["arming.state_changed"], "secret": SECRET}
            admin(server.url, "POST", "/objects/webhook", {"scope": "", "external_id": "hook", "body": body})
            ids = {row.external_id: row.id for row in app.store.all("site")}
            wait_armed(server.url, ids.values())
            time.sleep(10)  # past the read-backs of the arming
            disarmed = {}
            for n in range(count):
                disarmed[f"s{n}"] = time.time()
                hand = {"state": "disarmed", "by": "jane", "method": "app"}
                admin(server.url, "PUT", f"/sites/{ids[f's{n}']}/arming", hand)
                time.sleep(DISARMING / count)
            time.sleep(65)
        finally:
            for each in daemons.values():
                each.terminate()
                each.wait(30)
        for name, sites in halves.items():
            with Ledger.open(Path(folder) / name / ".reconciler" / "ledger.db", "real") as ledger:
                rows = [row for row in ledger.commands() if row.result == "respected"]
            seen = {row.target.id: row for row in reversed(rows)}
            took = [row.issued_at.timestamp() - disarmed[site] for site, row in seen.items()]
            named_too = len({row.target for row in rows if row.changed_by == "jane"})
            print(
                f"{name}: {len(took)} of {len(sites)} disarms seen, {named_too} with a name; after"
                f" median {statistics.median(took):.2f} s, p99 {percentile(took, 0.99):.2f} s,"
                f" last {max(took):.2f} s"
            )
    app.close()


def admin(url: str, method: str, path: str, body: object = None) -> Any:
    """One operation of the simulator itself."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/sim/v0{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def told(log: Path, pattern: str) -> str:
    """What ``pattern`` finds in a log, once it is there."""
    while (found := re.search(pattern, log.read_text())) is None:
        time.sleep(0.1)
    return found[1]


def wait_armed(url: str, ids: Iterable[int]) -> None:
    """Until every site is armed."""
    for site in ids:
        while admin(url, "GET", f"/sites/{site}/arming")[0]["state"] != "armed_away":
            time.sleep(0.2)


def on_time(count: int, *, arming: bool) -> None:
    """How late the commands of one instant leave."""
    app = simulator.Sandbox()
    named: JsonObject = {"sites": [{"external_id": f"s{n}", "name": f"Site {n}"} for n in range(count)]}
    app.set_up(12345, named)
    with tempfile.TemporaryDirectory() as folder, simulator.serve(app) as server:
        now = datetime.now(tz=UTC)
        # To disarm, the sites are armed first, and the budget that took has to come back.
        ahead = NOTICE + (60 if arming else 120)
        due = (now + timedelta(seconds=ahead)).replace(second=0, microsecond=0)
        directory = Path(folder) / "project"
        other = timedelta(hours=6)
        project(directory, server.url, range(count), *((due, due + other) if arming else (due - other, due)))
        env = {**os.environ, "CHEKT_API_KEY": simulator.dealer_key(12345), "XDG_STATE_HOME": folder}
        command = [sys.executable, "-m", "reconciler", "enforce", str(directory), "--once", "--env", "real"]
        if not arming:
            subprocess.run([*command, "--horizon", "0s"], env=env, capture_output=True, check=True)
        time.sleep(max(0.0, (due - datetime.now(tz=UTC)).total_seconds() - NOTICE))
        done = subprocess.run(
            [*command, "--horizon", "60s", "--format", "json"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        report = json.loads(done.stdout)
        left = [
            float(row["late_seconds"])
            for row in report["commands"]
            if row["due"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"
        ]
        refused = sum(record.status == 429 for record in app.requests())
    app.close()
    print(
        f"{count} sites on one key, armed at {due:%H:%M:%S} UTC: {len(left)} commands, {refused} answers 429"
    )
    print(
        f"  command sent after: median {statistics.median(left):.3f} s, p99 {percentile(left, 0.99):.3f} s,"
        f" last {max(left):.3f} s"
    )
    print(f"  exit code {done.returncode}, {report['summary']}")


if __name__ == "__main__":
    main()
