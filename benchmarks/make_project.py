"""Writes a seeded project of about N resources: sites with cameras and contacts, in many files.

    python benchmarks/make_project.py DIR --resources 100000 --seed 1

Eight resources a site: the site, five devices, two contacts; 500 sites a file.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

PER_SITE = 8
SITES_PER_FILE = 500
ZONES = ("America/New_York", "America/Chicago", "America/Los_Angeles", "Europe/London", "Asia/Seoul")
TYPES = ("video", "panel_primary_bridge", "panel_individual_bridge", "alarm_com")
PLACES = ("Dock", "Gate", "Lobby", "Roof", "Yard", "Stairs", "Office", "Vault")

ACCOUNT = """kind: dealer
id: acme
dealer_id: 12345
---
kind: monitoring_station
id: central
name: Central Station
prefix: CS
---
kind: schedule
id: weeknights
windows:
  - {days: [mon, tue, wed, thu, fri], arm: "18:00", disarm: "08:00", mode: away}
"""

SETTINGS = """version: 1
environments: {embedded: {rate: {per_minute: 6000000, burst: 100000}}}  # measure us, not the budget
safety: {max_delete_count: 1000000, max_delete_percent: 100, max_update_percent: 100}
"""


def site(number: int, rng: random.Random) -> str:
    """One site as a YAML document, with its devices and contacts inline."""
    devices = "\n".join(
        f'  - {{id: camera-{n}, device_type: camera, zone_number: "{n:03}", '
        f'name: {rng.choice(PLACES)} {n}, serial_number: "SN{rng.randrange(10**8):08}"}}'
        for n in range(1, 6)
    )
    contacts = "\n".join(
        f"  - {{id: call-{n}, first_name: Contact, last_name: Number {n}, "
        f'phone_number: "+1212555{rng.randrange(10**4):04}", email: call{n}@site{number}.example.com}}'
        for n in range(1, 3)
    )
    return (
        f"kind: site\nid: site-{number:06}\ndealer: acme\nname: Building {number}\n"
        f"timezone: {rng.choice(ZONES)}\nmonitoring_station: central\n"
        f'account_number: "{number:07}"\naddress1: {rng.randrange(1, 9999)} Example Street\n'
        f"security_type: {rng.choice(TYPES)}\ndevices:\n{devices}\ncontacts:\n{contacts}\n"
        "arming: {schedule: weeknights}\n"
    )


def make(directory: Path, resources: int, seed: int) -> int:
    """Write the project into ``directory`` and return how many resources it holds."""
    rng = random.Random(seed)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    (directory / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    sites = max(1, (resources - 3) // PER_SITE)
    for start in range(0, sites, SITES_PER_FILE):
        documents = (site(n, rng) for n in range(start, min(start + SITES_PER_FILE, sites)))
        path = directory / f"sites-{start // SITES_PER_FILE:04}.yaml"
        path.write_text("---\n".join(documents), encoding="utf-8")
    return 3 + sites * PER_SITE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--resources", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(make(options.directory, options.resources, options.seed), "resources")


if __name__ == "__main__":
    main()
