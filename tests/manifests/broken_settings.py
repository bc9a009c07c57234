"""Settings that are wrong, and several mistakes at once."""

from __future__ import annotations

from tests.manifests.broken import SITE, Broken, one, site

SETTINGS = (
    one(
        "setting misspelt",
        SITE,
        "reconciler.yaml:1:1",
        "saftey: no such field",
        '"safety"',
        reconciler__yaml="saftey: {}\n",
    ),
    one(
        "version",
        SITE,
        "reconciler.yaml:1:10",
        "version: 2 is not allowed",
        "1",
        reconciler__yaml="version: 2\n",
    ),
    one(
        "percent out of range",
        SITE,
        "reconciler.yaml:1:30",
        "safety.max_delete_percent: 130 is not allowed",
        "at most 100",
        reconciler__yaml="safety: {max_delete_percent: 130}\n",
    ),
    one(
        "limit in quotes",
        SITE,
        "reconciler.yaml:1:28",
        '"10" is not a whole number',
        "without quotes",
        reconciler__yaml='safety: {max_delete_count: "10"}\n',
    ),
    one(
        "limit null",
        SITE,
        "reconciler.yaml:1:28",
        "null would clear",
        "Write a value",
        reconciler__yaml="safety: {max_delete_count: }\n",
    ),
    one(
        "surface misspelt",
        SITE,
        "reconciler.yaml:2:47",
        '"partnr" is not allowed',
        '"partner"',
        reconciler__yaml="environments:\n  p: {base_url: https://api.example, surface: partnr}\n",
    ),
    one(
        "plain http",
        SITE,
        "reconciler.yaml:2:17",
        "plain http is refused",
        "https://",
        reconciler__yaml="environments:\n  p: {base_url: http://api.example}\n",
    ),
    one(
        "base url with a user",
        SITE,
        "reconciler.yaml:2:17",
        "no user",
        "only",
        reconciler__yaml="environments:\n  p: {base_url: 'https://me:secret-word@api.example'}\n",
    ),
    one(
        "environment setting misspelt",
        SITE,
        "reconciler.yaml:2:38",
        "environments.p.acept: no such field",
        '"accept"',
        reconciler__yaml="environments:\n  p: {base_url: https://api.example, acept: named}\n",
    ),
    one(
        "api key written out",
        SITE,
        "reconciler.yaml:2:64",
        "never written",
        "{env: NAME}",
        reconciler__yaml=(
            "environments:\n"
            "  p: {base_url: https://api.example, dealers: {acme: {api_key: hunter2-hunter2}}}\n"
        ),
    ),
    one(
        "default of an unknown kind",
        SITE,
        "reconciler.yaml:1:12",
        "defaults.sites: no such kind",
        '"site"',
        reconciler__yaml="defaults: {sites: {timezone: Asia/Seoul}}\n",
    ),
    one(
        "default of an unknown field",
        SITE,
        "reconciler.yaml:1:19",
        "defaults.site.tiemzone",
        '"timezone"',
        reconciler__yaml="defaults: {site: {tiemzone: Asia/Seoul}}\n",
    ),
    one(
        "default with a wrong value, told once",
        SITE.replace("timezone: Asia/Seoul\n", "") + "---\nkind: site\nid: b\nname: B\n",
        "reconciler.yaml:1:29",
        "'Asia/Soul' is no IANA",
        '"Asia/Seoul"',
        reconciler__yaml="defaults: {site: {timezone: Asia/Soul}}\n",
    ),
    one(
        "endpoint of an unknown kind",
        SITE,
        "reconciler.yaml:1:27",
        "endpoints.sit",
        "METHOD /path",
        reconciler__yaml="endpoints: {sit: {update: 'PUT /x'}}\n",
    ),
    one(
        "endpoint without a method",
        SITE,
        "reconciler.yaml:1:28",
        "endpoints.site.update",
        "METHOD /path",
        reconciler__yaml="endpoints: {site: {update: '/partner'}}\n",
    ),
    one(
        "settings that are a list",
        SITE,
        "reconciler.yaml:1:1",
        "settings are a mapping",
        "version: 1",
        reconciler__yaml="- version: 1\n",
    ),
    one(
        "two settings documents",
        SITE,
        "reconciler.yaml:3:1",
        "second document",
        "one document",
        reconciler__yaml="version: 1\n---\nversion: 1\n",
    ),
    one(
        "settings that are not YAML",
        SITE,
        "reconciler.yaml:1:10",
        "not valid YAML",
        "",
        reconciler__yaml="version: ]\n",
    ),
    one(
        "duplicate setting",
        SITE,
        "reconciler.yaml:2:1",
        "version: written twice",
        "Keep one",
        reconciler__yaml="version: 1\nversion: 1\n",
    ),
    one(
        "plan lifetime",
        SITE,
        "reconciler.yaml:1:16",
        '"1d" is not allowed',
        "duration",
        reconciler__yaml="plan_lifetime: 1d\n",
    ),
)

MANY = (
    Broken(
        "all problems of all files, in the order of file and place",
        "kind: site\nid: hq\nname:\ntimezone: Asia/Soul\ncolour: red\n",
        (
            ("a.yaml:1:1", "kind", "Add kind"),
            ("m.yaml:3:6", "name: null", ""),
            ("m.yaml:4:11", "time zone", "Seoul"),
            ("m.yaml:5:1", "colour", ""),
            ("z.yaml:1:8", "not valid YAML", ""),
        ),
        {"a.yaml": "id: x\n", "z.yaml": "kind: [}\n"},
    ),
    Broken(
        "nothing is called missing while a file is unread",
        site("monitoring_station: elsewhere\narming: {schedule: elsewhere}\n"),
        (("z.yaml:1:8", "not valid YAML", ""),),
        {"z.yaml": "kind: [}\n"},
    ),
    Broken(
        "two wrong fields of two inline children",
        site(
            "devices:\n  - {id: a, device_type: camera, zone_number: 1}\n"
            '  - {id: b, device_type: cam, zone_number: "2"}\n'
        ),
        (("m.yaml:6:47", "zone_number: 1 without", '"1"'), ("m.yaml:7:26", '"cam"', '"camera"')),
    ),
    Broken(
        "nothing is called missing while a document is no resource",
        "kind: sit\nid: hq\nname: HQ\ntimezone: Asia/Seoul\n",
        (("m.yaml:1:7", '"sit" is no kind', '"site"'),),
        {"d.yaml": 'kind: device\nid: d\nsite: hq\ndevice_type: camera\nzone_number: "1"\n'},
    ),
    Broken(
        "nothing is called missing while a document has no id",
        "kind: site\nname: HQ\ntimezone: Asia/Seoul\n",
        (("m.yaml:1:1", "id: required", "Add id"),),
        {"d.yaml": 'kind: device\nid: d\nsite: hq\ndevice_type: camera\nzone_number: "1"\n'},
    ),
)
