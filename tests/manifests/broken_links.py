"""References, repeated identities and schedules that are wrong."""

from __future__ import annotations

from tests.manifests.broken import SITE, one, schedule, site

LINKS = (
    one(
        "station that does not exist",
        site("monitoring_station: centrl\n"),
        "m.yaml:5:21",
        'no monitoring station "centrl"',
        '"central"',
    ),
    one(
        "schedule that does not exist",
        site("arming: {schedule: weeknight}\n"),
        "m.yaml:5:20",
        'no schedule "weeknight"',
        '"weeknights"',
    ),
    one(
        "schedule of a partition",
        site("arming: {partitions: {1: weeknights, 2: nights}}\n"),
        "m.yaml:5:41",
        'arming.partitions.2: there is no schedule "nights"',
        '"weeknights"',
    ),
    one(
        "calendar that does not exist",
        schedule("windows: []\ncalendars: [kr-holiday]\n"),
        "m.yaml:4:13",
        'no calendar "kr-holiday"',
        '"kr-holidays"',
    ),
    one("dealer that does not exist", site("dealer: acne\n"), "m.yaml:5:9", 'no dealer "acne"', '"acme"'),
    one("dealer null", site("dealer:\n"), "m.yaml:5:8", "dealer: null", "Remove dealer"),
    one(
        "no dealer at all",
        SITE,
        "m.yaml:1:1",
        "a site stands under a dealer",
        "kind: dealer",
        base__yaml="kind: calendar\nid: c\ndates: []\nclosed: away\n",
    ),
    one(
        "several dealers",
        SITE,
        "m.yaml:1:1",
        "several: acme, beta",
        "Add dealer",
        d__yaml=(
            "kind: dealer\nid: beta\ndealer_id: 7\n---\nkind: monitoring_station\nid: x\n"
            "dealer: beta\nname: X\n"
        ),
        base__yaml="kind: dealer\nid: acme\ndealer_id: 12345\n",
    ),
    one(
        "device without a site",
        'kind: device\nid: d\ndevice_type: camera\nzone_number: "1"\n',
        "m.yaml:1:1",
        "a device stands under a site",
        "Declare a site",
    ),
    one(
        "site that does not exist",
        SITE + '---\nkind: device\nid: d\nsite: hqq\ndevice_type: camera\nzone_number: "1"\n',
        "m.yaml:8:7",
        'no site "hqq"',
        '"hq"',
    ),
    one(
        "station of another dealer",
        "kind: site\nid: hq\ndealer: beta\nname: A\ntimezone: Asia/Seoul\nmonitoring_station: central\n",
        "m.yaml:6:21",
        "belongs to another dealer: acme/central",
        "own dealer",
        base__yaml=(
            "kind: dealer\nid: acme\ndealer_id: 1\nmonitoring_stations: [{id: central, name: C}]\n"
            "---\nkind: dealer\nid: beta\ndealer_id: 2\n"
        ),
    ),
    one(
        "site named by an ambiguous id",
        'kind: device\nid: d\nsite: hq\ndevice_type: camera\nzone_number: "1"\n',
        "m.yaml:3:7",
        '"hq" names several: a/hq, b/hq',
        "whole path",
        base__yaml=(
            "kind: dealer\nid: a\ndealer_id: 1\nsites: [{id: hq, name: A, timezone: Asia/Seoul}]\n"
            "---\nkind: dealer\nid: b\ndealer_id: 2\n"
            "sites: [{id: hq, name: A, timezone: Asia/Seoul}]\n"
        ),
    ),
    one(
        "one address twice",
        SITE + "---\n" + SITE,
        "m.yaml:7:5",
        "site:acme/hq is written twice; the other one stands at m.yaml:2:5",
        "another id",
    ),
    one("one address in two files", SITE, "m.yaml:2:5", "stands at l.yaml:2:5", "another id", l__yaml=SITE),
    one(
        "one device twice",
        site(
            'devices:\n  - {id: d, device_type: camera, zone_number: "1"}\n'
            '  - {id: d, device_type: camera, zone_number: "2"}\n'
        ),
        "m.yaml:7:10",
        "device:acme/hq/d is written twice",
        "another id",
    ),
    one(
        "one external id twice",
        SITE + "---\nkind: site\nid: b\nexternal_id: hq\nname: B\ntimezone: Asia/Seoul\n",
        "m.yaml:8:14",
        'external_id: "hq" is already the external id of site:acme/hq at m.yaml:2:5',
        "one object",
    ),
    one(
        "one webhook url twice",
        (
            "kind: webhook\nid: a\nurl: https://x.example/\nevents: [a]\nsecret: {env: S}\n---\n"
            "kind: webhook\nid: b\nurl: HTTPS://X.example/\nevents: [a]\nsecret: {env: S}\n"
        ),
        "m.yaml:9:6",
        "is already the url of webhook:a at m.yaml:3:6",
        "one object",
    ),
    one(
        "one dealer twice",
        "kind: dealer\nid: b\ndealer_id: 12345\n",
        "m.yaml:3:12",
        "dealer_id: 12345 is already dealer:acme at base.yaml:3:12",
        "Correct one",
        base__yaml="kind: dealer\nid: acme\ndealer_id: 12345\n",
    ),
    one(
        "one MAC on two bridges",
        site(
            "devices:\n"
            '  - {id: a, device_type: bridge, zone_number: "1", mac: "00:1A:2B:3C:4D:5E"}\n'
            '  - {id: b, device_type: bridge, zone_number: "2", mac: 001a2b3c4d5e}\n'
        ),
        "m.yaml:7:57",
        "already the bridge device:acme/hq/a at m.yaml:6:57",
        "One bridge",
    ),
    one(
        "arming in a partner-triggered project",
        site("arming: {schedule: weeknights}\n"),
        "m.yaml:5:1",
        "partner_triggered",
        "forbids mixing",
        reconciler__yaml="arming_model: partner_triggered\n",
    ),
)

SCHEDULES = (
    one(
        "window that starts where it ends",
        schedule('windows: [{days: [mon], arm: "08:00", disarm: "08:00"}]\n'),
        "m.yaml:3:11",
        "same time",
        "whole day",
    ),
    one(
        "window at 24:00",
        schedule('windows: [{days: [mon], arm: "24:00", disarm: "08:00"}]\n'),
        "m.yaml:3:30",
        '"24:00" is not allowed',
        "23:59",
    ),
    one(
        "time without a leading zero",
        schedule('windows: [{days: [mon], arm: 8:00, disarm: "09:00"}]\n'),
        "m.yaml:3:30",
        '"8:00" is not allowed',
        "two digits",
    ),
    one(
        "day misspelt",
        schedule('windows: [{days: [monday], arm: "08:00", disarm: "09:00"}]\n'),
        "m.yaml:3:19",
        '"monday" is not allowed',
        '"mon"',
    ),
    one(
        "no days",
        schedule('windows: [{days: [], arm: "08:00", disarm: "09:00"}]\n'),
        "m.yaml:3:18",
        "must not be empty",
        "",
    ),
    one(
        "date that does not exist",
        schedule("windows: []\nexceptions: [{date: 2026-02-30, windows: []}]\n"),
        "m.yaml:4:21",
        '"2026-02-30" is not allowed',
        "date that exists",
    ),
    one(
        "mode misspelt",
        schedule('windows: [{days: [mon], arm: "08:00", disarm: "09:00", mode: awya}]\n'),
        "m.yaml:3:62",
        '"awya" is not allowed',
        '"away"',
    ),
    one(
        "manual change",
        schedule("windows: []\nmanual_change: never\n"),
        "m.yaml:4:16",
        '"never" is not allowed',
        "respect_until_next",
    ),
    one(
        "duration",
        schedule("windows: []\nmanual_change: {rearm_after: 30}\n"),
        "m.yaml:4:30",
        "manual_change.rearm_after: 30 without quotes",
        '"30"',
    ),
    one(
        "windows that overlap and disagree",
        schedule(
            'windows:\n  - {days: [mon], arm: "08:00", disarm: "12:00"}\n'
            '  - {days: [mon], arm: "11:00", disarm: "13:00", mode: stay}\n'
        ),
        "m.yaml:5:5",
        "stands at m.yaml:4:5",
        "same mode",
    ),
    one(
        "two calendars of one kind of day",
        "kind: calendar\nid: c\nholidays: KR\ndates: []\nclosed: away\n",
        "m.yaml:1:1",
        "these fields do not go together",
        "one of holidays, dates or ics",
    ),
    one(
        "country",
        "kind: calendar\nid: c\nholidays: Korea\nclosed: away\n",
        "m.yaml:3:11",
        '"Korea" is not allowed',
        "KR",
    ),
)
