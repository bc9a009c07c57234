"""Projects with every kind, before and after an edit of every sort."""

from __future__ import annotations

from pathlib import Path

from reconciler.manifests import Project, load

BEFORE = """
kind: dealer
id: acme
dealer_id: 12345
---
{kind: monitoring_station, id: central, dealer: acme, name: Central, prefix: CH}
---
{kind: monitoring_station, id: old, dealer: acme, name: Old}
---
kind: site
id: hq
dealer: acme
name: Headquarters
timezone: Asia/Seoul
security_type: video
monitoring_station: old
devices:
  - {id: door, device_type: camera, zone_number: "001", name: Door}
  - {id: gate, device_type: camera, zone_number: "002", name: Gate}
  - {id: yard, device_type: camera, zone_number: "003", name: Yard}
contacts:
  - {id: kim, first_name: Kim, last_name: Lee}
  - {id: lou, first_name: Lou, last_name: Ray}
---
{kind: site, id: shed, dealer: acme, name: Shed, timezone: UTC,
 contacts: [{id: ann, first_name: Ann, last_name: Poe}]}
---
{kind: app, id: viewer, dealer: acme, permissions: ["devices:read"]}
---
{kind: webhook, id: feed, url: "https://hooks.example.com/feed", events: [site.armed], secret: {env: HOOK}}
---
{kind: calendar, id: closed, dates: [2026-12-25], closed: away}
---
{kind: schedule, id: nights, calendars: [closed],
 windows: [{days: [mon, tue], arm: "18:00", disarm: "08:00"}]}
"""
"""What stands in the account before the apply that is struck."""

AFTER = """
kind: dealer
id: acme
dealer_id: 12345
---
{kind: monitoring_station, id: central, dealer: acme, name: Central Station, prefix: CH}
---
kind: site
id: hq
dealer: acme
name: Headquarters East
timezone: Asia/Seoul
security_type: alarm_com
monitoring_station: central
devices:
  - {id: door, device_type: camera, zone_number: "001", name: Front Door}
  - {id: gate, device_type: camera, zone_number: "002", name: Main Gate}
  - {id: roof, device_type: camera, zone_number: "004", name: Roof}
  - {id: lift, device_type: camera, zone_number: "005", name: Lift}
contacts:
  - {id: kim, external_id: kim-2, first_name: Kim, last_name: Lee}
---
{kind: site, id: depot, dealer: acme, name: Depot, timezone: UTC, monitoring_station: central,
 security_type: alarm_com,
 devices: [{id: dock, device_type: camera, zone_number: "001", name: Dock}],
 contacts: [{id: bob, first_name: Bob, last_name: Orr}]}
---
{kind: app, id: viewer, dealer: acme, permissions: ["devices:read", "events:read"]}
---
{kind: webhook, id: feed, url: "https://hooks.example.com/feed", events: [site.armed, site.disarmed],
 secret: {env: OTHER_HOOK}}
---
{kind: webhook, id: audit, url: "https://hooks.example.com/audit", events: [site.armed], secret: {env: HOOK}}
---
{kind: calendar, id: closed, dates: [2026-12-25, 2026-12-26], closed: away}
---
{kind: schedule, id: nights, calendars: [closed], windows: [{days: [mon], arm: "18:00", disarm: "08:00"}]}
---
{kind: schedule, id: days, windows: [{days: [sun], arm: "08:00", disarm: "18:00"}]}
"""
"""Creates, updates, deletes and replaces of every kind that has them."""

SMALL_BEFORE = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
dealer: acme
name: Headquarters
timezone: Asia/Seoul
devices: [{id: door, device_type: camera, zone_number: "001", name: Door}]
contacts: [{id: kim, first_name: Kim, last_name: Lee}, {id: lou, first_name: Lou, last_name: Ray}]
"""
SMALL_AFTER = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
dealer: acme
name: Headquarters East
timezone: Asia/Seoul
devices: [{id: gate, device_type: camera, zone_number: "002", name: Gate}]
contacts: [{id: kim, external_id: kim-2, first_name: Kim, last_name: Lee}]
---
{kind: webhook, id: feed, url: "https://hooks.example.com/feed", events: [site.armed], secret: {env: HOOK}}
"""
"""A create, an update, a delete and a replace, for real processes."""

STATION_BEFORE = """
kind: dealer
id: acme
dealer_id: 12345
---
{kind: monitoring_station, id: central, dealer: acme, name: Central}
---
{kind: site, id: hq, dealer: acme, name: Headquarters, timezone: UTC, monitoring_station: central}
---
{kind: site, id: depot, dealer: acme, name: Depot, timezone: UTC, monitoring_station: central}
"""
STATION_AFTER = STATION_BEFORE.replace("id: central,", "id: central, external_id: central-2,")
"""A station that is made anew while sites refer to it."""

DEALER_BEFORE = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: UTC
contacts:
  - {id: kim, first_name: Kim, last_name: Lee, email: kim@example.com}
  - {id: lou, first_name: Lou, last_name: Ray}
  - {id: ann, first_name: Ann, last_name: Poe, slot_number: "1"}
"""
DEALER_AFTER = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: UTC
contacts:
  - {id: kim, first_name: Kim, last_name: Leigh, email: kim@example.com}
  - {id: ann, external_id: ann-2, first_name: Ann, last_name: Poe, slot_number: "2"}
  - {id: bob, first_name: Bob, last_name: Orr}
"""
"""The dealer surface writes contacts; sites are there already."""

NEIGHBOURS = {
    "monitoring_stations": [{"external_id": "theirs", "name": "Theirs"}],
    "apps": [{"external_id": "theirs", "permissions": ["devices:read"]}],
    "sites": [
        {
            "external_id": "theirs",
            "name": "Theirs",
            "timezone": "UTC",
            "devices": [{"external_id": "theirs", "device_type": "camera", "zone_number": "001"}],
            "contacts": [{"external_id": "theirs", "first_name": "Their", "last_name": "Kim"}],
        }
    ],
}
"""What other people keep in the same account."""

NEIGHBOURS_OF_HQ = {
    "devices": [{"external_id": "theirs", "device_type": "bridge", "zone_number": "009", "name": "Theirs"}],
    "contacts": [{"external_id": "theirs", "first_name": "Their", "last_name": "Own"}],
}
"""What they keep in a site of ours."""


def project(directory: Path, text: str, surface: str = "partner") -> Project:
    """``text`` as a project directory, read."""
    directory.mkdir(exist_ok=True)
    (directory / "account.yaml").write_text(text, encoding="utf-8")
    (directory / "reconciler.yaml").write_text(
        "version: 1\n"
        "safety: {max_delete_percent: 100, max_delete_count: 1000, max_update_percent: 100}\n"
        f"environments:\n  dev: {{base_url: 'http://127.0.0.1:1', surface: {surface}}}\n",
        encoding="utf-8",
    )
    return load(directory, env={}, environment="dev")
