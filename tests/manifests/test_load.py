"""What a project becomes: addresses, fields, references, defaults, digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConfigError, ManifestError
from reconciler.manifests import Project, load
from reconciler.model import Address, Lifecycle, Resource, SecretRef, Source
from tests.manifests.strategies import write

DESIGN_EXAMPLE = """\
# yaml-language-server: $schema=../../schemas/manifest.schema.json
kind: dealer
id: acme
dealer_id: 12345                 # adopted, never created
external_dealer_id: adc-67890
---
kind: monitoring_station
id: central
dealer: acme
name: CHeKT Central Station
prefix: CH
---
kind: site
id: gangnam-hq
dealer: acme
name: Gangnam Headquarters
timezone: Asia/Seoul
monitoring_station: central      # a reference, by id
account_number: "1234567890"
security_type: video
devices:
  - {id: front-door, device_type: camera, zone_number: "001", name: Front Door Camera}
contacts:
  - {id: john, first_name: John, last_name: Doe, phone_number: "+821012345678", email: john@example.com}
arming:
  schedule: weeknights
lifecycle: {protect: true, ignore: [account_number]}
---
kind: schedule
id: weeknights
windows:
  - {days: [mon, tue, wed, thu, fri], arm: "18:00", disarm: "08:00", mode: away}
  - {days: [sat, sun], arm: "00:00", disarm: "24:00", mode: away}
calendars: [kr-holidays]
exceptions:
  - {date: 2026-12-24, windows: [{arm: "13:00", disarm: "24:00", mode: away}]}
manual_change: respect_until_next
---
kind: calendar
id: kr-holidays
holidays: KR
closed: away
---
kind: app
id: ai-verifier
dealer: acme
permissions: ["devices:read", "events:read", "events:write"]
ip_allow_list: [203.0.113.0/24]
webhook: {url: "https://hooks.acme.example/chekt", events: [alarm.created, device.offline]}
---
kind: webhook
id: arming-feed
url: https://hooks.acme.example/arming
events: [site.armed, site.disarmed]
secret: {env: CHEKT_WEBHOOK_SECRET}
"""

DEALER = "kind: dealer\nid: acme\ndealer_id: 1\n"
SITE = "kind: site\nid: hq\nname: HQ\ntimezone: Asia/Seoul\n"


def loaded(directory: Path, files: dict[str, str], **options: Any) -> Project:
    return load(write(directory, files), **{"env": {}, **options})


def resource(project: Project, address: str) -> Resource:
    return next(each for each in project.resources if str(each.address) == address)


def site_of(directory: Path, extra: str) -> Resource:
    return resource(loaded(directory, {"m.yaml": f"{DEALER}---\n{SITE}{extra}"}), "site:acme/hq")


def test_the_example_of_the_design(tmp_path: Path) -> None:
    project = loaded(tmp_path, {"account.yaml": DESIGN_EXAMPLE})
    assert [str(each.address) for each in project.resources] == [
        "dealer:acme",
        "calendar:kr-holidays",
        "schedule:weeknights",
        "monitoring_station:acme/central",
        "site:acme/gangnam-hq",
        "device:acme/gangnam-hq/front-door",
        "contact:acme/gangnam-hq/john",
        "app:acme/ai-verifier",
        "webhook:arming-feed",
    ]
    assert project.environment.name == "embedded"
    assert project.environment.is_sandbox
    assert project.warnings == ()


def test_a_site_with_everything(tmp_path: Path) -> None:
    project = loaded(tmp_path, {"account.yaml": DESIGN_EXAMPLE})
    site = resource(project, "site:acme/gangnam-hq")
    assert dict(site.fields) == {
        "name": "Gangnam Headquarters",
        "timezone": "Asia/Seoul",
        "monitoring_station": "monitoring_station:acme/central",
        "account_number": "1234567890",
        "security_type": "video",
        "arming": {"schedule": "schedule:weeknights"},
    }
    assert site.external_id == "gangnam-hq"
    assert site.parent == Address("dealer", ("acme",))
    assert site.declares == {"device", "contact"}
    assert site.lifecycle == Lifecycle(protect=True, ignore=frozenset({"account_number"}))
    assert set(site.references) == {
        Address("monitoring_station", ("acme", "central")),
        Address("schedule", ("weeknights",)),
    }
    assert site.source == Source("account.yaml", 13, 1)
    assert site.positions["timezone"] == Source("account.yaml", 17, 11)
    assert site.positions["arming.schedule"] == Source("account.yaml", 26, 13)
    assert "devices" not in site.positions
    assert "id" not in set(site.positions)
    assert len(site.positions) == len(list(site.positions)) == 7


def test_identities(tmp_path: Path) -> None:
    project = loaded(tmp_path, {"account.yaml": DESIGN_EXAMPLE})
    dealer = resource(project, "dealer:acme")
    assert (dealer.external_id, dealer.remote_id, dict(dealer.fields)) == ("adc-67890", "12345", {})
    webhook = resource(project, "webhook:arming-feed")
    assert webhook.external_id == "https://hooks.acme.example/arming"
    assert webhook.fields["secret"] == SecretRef("env", "CHEKT_WEBHOOK_SECRET")
    assert resource(project, "schedule:weeknights").fields["calendars"] == ["calendar:kr-holidays"]


def test_a_dealer_without_an_external_id_goes_by_its_id(tmp_path: Path) -> None:
    assert resource(loaded(tmp_path, {"m.yaml": DEALER}), "dealer:acme").external_id == "acme"


def test_a_site_id_adopts(tmp_path: Path) -> None:
    site = site_of(tmp_path, "site_id: 17\nexternal_id: S-17\n")
    assert (site.remote_id, site.external_id) == ("17", "S-17")
    assert "site_id" not in site.fields


def test_unwritten_is_absent_and_null_is_none(tmp_path: Path) -> None:
    site = site_of(tmp_path, "address1:\n")
    assert site.fields["address1"] is None
    assert "address2" not in site.fields
    assert site.declares == frozenset()


def test_an_empty_list_declares_the_collection(tmp_path: Path) -> None:
    assert site_of(tmp_path, "devices: []\n").declares == {"device"}


def test_values_are_normalised(tmp_path: Path) -> None:
    project = loaded(
        tmp_path,
        {
            "m.yaml": DEALER
            + "---\n"
            + SITE
            + "security_type: 3\n"
            + "devices:\n"
            + '  - {id: d, device_type: bridge, zone_number: "7", mac: "00-1a-2b-3c-4d-5e",'
            + ' additional_zone_numbers: "9,008"}\n'
            + "contacts:\n"
            + "  - {id: c, first_name: A, last_name: B, email: A@EXAMPLE.com,"
            + ' phone_number: "+82 10-1234-5678"}\n'
        },
    )
    device = resource(project, "device:acme/hq/d").fields
    contact = resource(project, "contact:acme/hq/c").fields
    assert resource(project, "site:acme/hq").fields["security_type"] == "video"
    assert (device["zone_number"], device["additional_zone_numbers"]) == ("007", ["008", "009"])
    assert device["mac"] == "001A2B3C4D5E"
    assert (contact["phone_number"], contact["email"]) == ("+821012345678", "A@example.com")


@pytest.mark.parametrize("parent", ["site: hq\n", "site: acme/hq\n"])
def test_children_as_documents_of_their_own(tmp_path: Path, parent: str) -> None:
    files = {
        "a/device.yaml": f'kind: device\nid: d\n{parent}device_type: camera\nzone_number: "1"\n',
        "b/site.yml": SITE,
        "c.yaml": DEALER,
    }
    device = resource(loaded(tmp_path, files), "device:acme/hq/d")
    assert device.parent == Address("site", ("acme", "hq"))
    assert device.source == Source("a/device.yaml", 1, 1)


def test_children_of_a_dealer_may_stand_inline(tmp_path: Path) -> None:
    text = (
        f"{DEALER}monitoring_stations: [{{id: central, name: C}}]\n"
        "apps: [{id: app, permissions: []}]\n"
        "sites:\n"
        "  - id: hq\n"
        "    name: HQ\n"
        "    timezone: Asia/Seoul\n"
        "    monitoring_station: central\n"
        '    devices: [{id: d, device_type: camera, zone_number: "1"}]\n'
    )
    project = loaded(tmp_path, {"m.yaml": text})
    assert resource(project, "dealer:acme").declares == {"monitoring_station", "app", "site"}
    assert [str(each.address) for each in project.resources][1:] == [
        "monitoring_station:acme/central",
        "site:acme/hq",
        "device:acme/hq/d",
        "app:acme/app",
    ]


def test_partitions_and_their_schedules(tmp_path: Path) -> None:
    schedules = "".join(f"---\nkind: schedule\nid: {name}\nwindows: []\n" for name in ("a", "b"))
    site = site_of(tmp_path, "arming: {partitions: {1: a, 2: b}}\n" + schedules)
    assert site.fields["arming"] == {"partitions": {"1": "schedule:a", "2": "schedule:b"}}
    assert site.references == (Address("schedule", ("a",)), Address("schedule", ("b",)))
    assert site.positions["arming.partitions.2"].line == 9


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("no", "no"),
        ("on", "on"),
        ("18:00", "18:00"),
        ("2026-12-24", "2026-12-24"),
        ("1_000", "1_000"),
        ("y", "y"),
    ],
)
def test_texts_of_yaml_12_stay_texts(tmp_path: Path, written: str, text: str) -> None:
    assert site_of(tmp_path, f"address1: {written}\n").fields["address1"] == text


def test_anchors_within_reason_are_expanded(tmp_path: Path) -> None:
    text = (
        f"{DEALER}---\n{SITE}devices:\n  - &d {{id: d, device_type: camera, zone_number: &z '1', name: *z}}\n"
    )
    assert resource(loaded(tmp_path, {"m.yaml": text}), "device:acme/hq/d").fields["name"] == "1"


DEFAULTS = """\
defaults:
  site: {timezone: America/New_York, address2: Suite 1, arming: {schedule: nights}}
"""
NIGHTS = "---\nkind: schedule\nid: nights\nwindows: []\n"


def test_defaults_stand_under_the_written_fields(tmp_path: Path) -> None:
    files = {"reconciler.yaml": DEFAULTS, "m.yaml": f"{DEALER}---\n{SITE}address2:\n{NIGHTS}"}
    site = resource(loaded(tmp_path, files), "site:acme/hq")
    assert site.fields["timezone"] == "Asia/Seoul"
    assert site.fields["address2"] is None
    assert site.fields["arming"] == {"schedule": "schedule:nights"}
    assert site.positions["arming.schedule"].file == "reconciler.yaml"
    assert site.positions["timezone"].file == "m.yaml"


def test_nested_defaults_are_merged_one_level(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "defaults: {site: {lifecycle: {protect: true}}}\n",
        "m.yaml": f"{DEALER}---\n{SITE}lifecycle: {{ignore: [name]}}\n",
    }
    site = resource(loaded(tmp_path, files), "site:acme/hq")
    assert site.lifecycle == Lifecycle(protect=True, ignore=frozenset({"name"}))


def test_a_required_field_may_come_from_the_defaults(tmp_path: Path) -> None:
    files = {"reconciler.yaml": DEFAULTS, "m.yaml": f"{DEALER}---\nkind: site\nid: hq\nname: H\n{NIGHTS}"}
    assert resource(loaded(tmp_path, files), "site:acme/hq").fields["timezone"] == "America/New_York"


def test_secret_files_are_relative_to_the_manifest_that_names_them(tmp_path: Path) -> None:
    webhook = "kind: webhook\nid: w\nurl: https://x.example\nevents: [a]\nsecret: {file: ../keys/hook}\n"
    project = loaded(tmp_path, {"feeds/m.yaml": webhook})
    assert project.resources[0].fields["secret"] == SecretRef("file", "keys/hook")


@pytest.mark.parametrize(
    ("ics", "says"),
    [
        ("", "not a whole iCalendar text"),
        ("<html>Please log in</html>", "not iCalendar"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\n", "not a whole iCalendar text"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\n", "it has no events"),
    ],
)
def test_a_calendar_file_that_tells_no_days_is_an_error_at_its_place(
    tmp_path: Path, ics: str, says: str
) -> None:
    calendar = "kind: calendar\nid: c\nclosed: away\nics: days.ics\n"
    with pytest.raises(ManifestError, match=says) as caught:
        loaded(tmp_path, {"m.yaml": calendar, "days.ics": ics})
    assert str(caught.value.source) == "m.yaml:4:6"


def test_holidays_of_nowhere_are_an_error_at_their_place(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="XX") as caught:
        loaded(tmp_path, {"m.yaml": "kind: calendar\nid: c\nclosed: away\nholidays: XX\n"})
    assert str(caught.value.source) == "m.yaml:4:11"


def test_a_calendar_file_is_attached(tmp_path: Path) -> None:
    event = "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261225\r\nEND:VEVENT"
    ics = f"BEGIN:VCALENDAR\r\n{event}\r\nEND:VCALENDAR\r\n"
    calendar = "kind: calendar\nid: c\nics: days.ics\nclosed: away\n"
    project = loaded(tmp_path, {"cal/m.yaml": calendar, "cal/days.ics": ics})
    value = project.resources[0].fields["ics"]
    assert isinstance(value, dict)
    assert value["file"] == "cal/days.ics"
    assert project.attachments == {"cal/days.ics": ics}
    changed = loaded(tmp_path, {"cal/days.ics": ics.replace("1225", "1226")})
    assert changed.digest != project.digest


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"m.yaml": f"# note\n{DEALER}\n---\n\n{SITE}"}, False),
        ({"m.yaml": SITE, "n.yaml": DEALER}, False),
        ({"m.yaml": f"{DEALER}---\n{SITE}address1: A\n"}, True),
        ({"m.yaml": f"{DEALER}---\n{SITE}address1:\n"}, True),
        ({"m.yaml": f"{DEALER}---\n{SITE}devices: []\n"}, True),
        ({"m.yaml": f"{DEALER}---\n{SITE}lifecycle: {{protect: true}}\n"}, True),
        ({"m.yaml": f"{DEALER}---\n{SITE}external_id: other\n"}, True),
        ({"reconciler.yaml": "safety: {max_delete_count: 3}\n"}, True),
        ({"reconciler.yaml": "environments: {embedded: {accept: named}}\n"}, True),
        ({"reconciler.yaml": "ownership: {external_id_prefix: x-}\n"}, True),
        ({"reconciler.yaml": "version: 1\n"}, False),
        ({"reconciler.yaml": "variables: {unused: 1}\n"}, False),
    ],
)
def test_the_digest_moves_with_what_decides_a_plan(
    tmp_path: Path,
    change: dict[str, str],
    moves: bool,  # noqa: FBT001
) -> None:
    before = loaded(tmp_path / "a", {"m.yaml": f"{DEALER}---\n{SITE}"})
    after = loaded(tmp_path / "b", {"m.yaml": f"{DEALER}---\n{SITE}", **change})
    assert (after.digest != before.digest) is moves


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "\ufeff"])
def test_an_empty_file_is_nothing_only_when_allowed(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match=r"no document|empty"):
        loaded(tmp_path, {"m.yaml": text})
    assert loaded(tmp_path, {}, allow_empty=True).resources == ()


def test_a_byte_order_mark_and_foreign_line_ends_are_no_matter(tmp_path: Path) -> None:
    text = "\ufeff" + f"{DEALER}---\n{SITE}".replace("\n", "\r\n")
    site = resource(loaded(tmp_path, {"m.yaml": text}), "site:acme/hq")
    assert site.fields["name"] == "HQ"
    assert site.positions["name"] == Source("m.yaml", 7, 7)


def test_schedule_warnings_name_the_place(tmp_path: Path) -> None:
    text = (
        'kind: calendar\nid: c\ndates: [2026-12-24]\nwindows: [{arm: "13:00", disarm: "24:00", mode: away}]\n'
        "---\nkind: schedule\nid: s\nwindows:\n"
        '  - {days: [mon, tue, wed, thu, fri, sat, sun], arm: "18:00", disarm: "08:00"}\ncalendars: [c]\n'
        "exceptions: [{date: 2026-12-25, windows: []}]\n"
    )
    (warning,) = loaded(tmp_path, {"m.yaml": text}).warnings
    assert warning.startswith("m.yaml:10:13: schedule:s: calendars.0: ")


def test_a_missing_directory_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none", env={})
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is not a directory"):
        load(tmp_path / "file", env={})


def test_a_directory_without_manifests_is_a_mistake(tmp_path: Path) -> None:
    write(
        tmp_path, {"reconciler.yaml": "version: 1\n", "notes.txt": "", ".git/x.yaml": "a", ".r/y.yaml": "b"}
    )
    with pytest.raises(ManifestError, match="no manifest"):
        load(tmp_path, env={})
    assert load(tmp_path, env={}, allow_empty=True).resources == ()


def test_one_mac_on_a_bridge_and_a_camera_is_no_mistake(tmp_path: Path) -> None:
    devices = (
        'devices:\n  - {id: a, device_type: bridge, zone_number: "1", mac: 001A2B3C4D5E}\n'
        '  - {id: b, device_type: camera, zone_number: "2", mac: 001A2B3C4D5E}\n'
    )
    assert site_of(tmp_path, devices).declares == {"device"}
