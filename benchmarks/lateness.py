"""How late commands leave when many sites on one dealer key change at one instant.

    python benchmarks/lateness.py [--sites 100] [--change arm|disarm]

A sandbox on a loopback socket with CHeKT's documented rate limits (1,000 requests a minute, 100 at once),
one dealer key, one schedule that arms (or disarms) every site at a full minute, and ``enforce --once`` as
cron would start it. Lateness is from that minute to the moment a command leaves, by this machine's clock.
A disarm is never sent on an older look, so each takes two requests and the burst is not enough.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler import sandbox as simulator
from reconciler.model import JsonObject

NOTICE = 45.0
"""Seconds before the minute at which the run starts: cron's interval, less what starting takes."""


def project(directory: Path, url: str, sites: int, arm: datetime, disarm: datetime) -> None:
    """A project of ``sites`` sites that are armed from ``arm`` to ``disarm``, full minutes."""
    directory.mkdir()
    settings = f"version: 1\nenvironments: {{real: {{base_url: '{url}', surface: dealer}}}}\n"
    (directory / "reconciler.yaml").write_text(settings, encoding="utf-8")
    documents = ["kind: dealer\nid: acme\ndealer_id: 12345\n"]
    documents.append(
        "kind: schedule\nid: all\nwindows:\n  - {days: [mon, tue, wed, thu, fri, sat, sun], "
        f'arm: "{arm:%H:%M}", disarm: "{disarm:%H:%M}"}}\n'
    )
    documents += [
        f"kind: site\nid: s{n}\nname: Site {n}\ntimezone: UTC\narming: {{schedule: all}}\n"
        for n in range(sites)
    ]
    (directory / "sites.yaml").write_text("---\n".join(documents), encoding="utf-8")


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie (nearest rank)."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--change", choices=("arm", "disarm"), default="arm")
    asked = parser.parse_args()
    count, arming = asked.sites, asked.change == "arm"
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
        project(directory, server.url, count, *((due, due + other) if arming else (due - other, due)))
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
