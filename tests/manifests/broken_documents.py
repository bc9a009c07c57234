"""Documents whose kind, id or fields are wrong."""

from __future__ import annotations

from tests.manifests.broken import one, site

EXPLODING = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in ("ab", "bc", "cd", "de", "ef")
)

DOCUMENTS = (
    one("anchors that explode", EXPLODING, "m.yaml:4:36", "explode", "template"),
    one("kind missing", "id: hq\n", "m.yaml:1:1", "does not say its kind", "site"),
    one("kind misspelt", "kind: sit\nid: hq\n", "m.yaml:1:7", '"sit" is no kind', 'Did you mean "site"?'),
    one("kind null", "kind:\nid: hq\n", "m.yaml:1:6", "null is no kind", "Allowed"),
    one("kind a number", "kind: 1\nid: hq\n", "m.yaml:1:7", "1 is no kind", "Allowed"),
    one("id missing", "kind: site\nname: A\ntimezone: Asia/Seoul\n", "m.yaml:1:1", "id: required", "Add id"),
    one("id null", "kind: site\nid: ~\nname: A\ntimezone: Asia/Seoul\n", "m.yaml:2:5", "id: null", "Add id"),
    one(
        "id a number",
        "kind: site\nid: 007\nname: A\ntimezone: Asia/Seoul\n",
        "m.yaml:2:5",
        "id: 007 without quotes",
        '"007"',
    ),
    one(
        "id with a slash",
        "kind: site\nid: a/b\nname: A\ntimezone: Asia/Seoul\n",
        "m.yaml:2:5",
        '"a/b" is not allowed',
        "without /",
    ),
    one(
        "unknown field",
        site("adress1: A\n"),
        "m.yaml:5:1",
        "adress1: no such field",
        'Did you mean "address1"?',
    ),
    one(
        "field of another kind",
        site("mac: 001A2B3C4D5E\n"),
        "m.yaml:5:1",
        "mac: no such field",
        "A device has it",
    ),
    one(
        "field that CHeKT sets",
        site("is_activated: true\n"),
        "m.yaml:5:1",
        "is_activated: no such field",
        "CHeKT sets",
    ),
    one(
        "wire name of the external id",
        site("external_site_id: X\n"),
        "m.yaml:5:1",
        "external_site_id",
        "Write external_id",
    ),
    one(
        "arming model of one site",
        site("arming_model: partner_triggered\n"),
        "m.yaml:5:1",
        "one model holds for the whole project",
        "reconciler.yaml",
    ),
    one(
        "required field missing",
        "kind: site\nid: hq\ntimezone: Asia/Seoul\n",
        "m.yaml:1:1",
        "name: required",
        "Add name",
    ),
    one(
        "required field null",
        "kind: site\nid: hq\nname:\ntimezone: Asia/Seoul\n",
        "m.yaml:3:6",
        "name: null would clear",
        "Write a value",
    ),
    one(
        "required field empty",
        'kind: site\nid: hq\nname: ""\ntimezone: Asia/Seoul\n',
        "m.yaml:3:7",
        "name: must not be empty",
        "Write a value",
    ),
    one(
        "unknown time zone",
        "kind: site\nid: hq\nname: A\ntimezone: Asia/Soul\n",
        "m.yaml:4:11",
        "'Asia/Soul' is no IANA time zone",
        '"Asia/Seoul"',
    ),
    one(
        "text without quotes: number",
        site("account_number: 0123\n"),
        "m.yaml:5:17",
        "0123 without quotes is a number",
        '"0123"',
    ),
    one(
        "text without quotes: float",
        site("account_number: 1.50\n"),
        "m.yaml:5:17",
        "1.50 without quotes",
        '"1.50"',
    ),
    one(
        "text without quotes: true",
        site("address1: true\n"),
        "m.yaml:5:11",
        "true without quotes is true or false",
        '"true"',
    ),
    one(
        "text that is a list", site("address1: [a]\n"), "m.yaml:5:11", "a list is not a text", "Write a text"
    ),
    one(
        "zone number without quotes",
        site("devices:\n  - {id: d, device_type: camera, zone_number: 001}\n"),
        "m.yaml:6:47",
        "zone_number: 001 without quotes",
        '"001"',
    ),
    one(
        "zone number out of form",
        site("devices:\n  - {id: d, device_type: camera, zone_number: A1}\n"),
        "m.yaml:6:47",
        '"A1" is not allowed',
        "zone number",
    ),
    one(
        "additional zones without quotes",
        site(
            'devices:\n  - {id: d, device_type: camera, zone_number: "1", additional_zone_numbers: [002]}\n'
        ),
        "m.yaml:6:78",
        "additional_zone_numbers.0: 002 without quotes",
        '"002"',
    ),
    one(
        "enum misspelt",
        site('devices:\n  - {id: d, device_type: camrea, zone_number: "1"}\n'),
        "m.yaml:6:26",
        '"camrea" is not allowed',
        'Did you mean "camera"?',
    ),
    one(
        "MAC too short",
        site('devices:\n  - {id: d, device_type: camera, zone_number: "1", mac: "001A"}\n'),
        "m.yaml:6:57",
        '"001A" is not allowed',
        "twelve hex digits",
    ),
    one(
        "phone without country",
        site("contacts:\n  - {id: c, first_name: A, last_name: B, phone_number: 555-0123}\n"),
        "m.yaml:6:56",
        '"555-0123" is not allowed',
        "country code",
    ),
    one(
        "email",
        site("contacts:\n  - {id: c, first_name: A, last_name: B, email: nobody}\n"),
        "m.yaml:6:49",
        '"nobody" is not allowed',
        "email address",
    ),
    one(
        "name too long",
        site(f"contacts:\n  - {{id: c, first_name: {'A' * 46}, last_name: B}}\n"),
        "m.yaml:6:25",
        "longer than 45",
        "Shorten",
    ),
    one(
        "security type",
        site("security_type: 5\n"),
        "m.yaml:5:16",
        "security_type: 5 is not allowed",
        "1 to 4",
    ),
    one(
        "number out of range", site("site_id: 0\n"), "m.yaml:5:10", "site_id: 0 is not allowed", "at least 1"
    ),
    one(
        "number in quotes",
        site('site_id: "7"\n'),
        "m.yaml:5:10",
        '"7" is not a whole number',
        "without quotes",
    ),
    one(
        "schedule and partitions",
        site("arming: {schedule: weeknights, partitions: {1: weeknights}}\n"),
        "m.yaml:5:9",
        "arming: these fields do not go together",
        "Write either schedule or partitions",
    ),
    one(
        "partition as a text",
        site('arming: {partitions: {"1": weeknights}}\n'),
        "m.yaml:5:23",
        "as a name",
        "without quotes",
    ),
    one(
        "arming of the wrong type",
        site("arming: weeknights\n"),
        "m.yaml:5:9",
        '"weeknights" is not a mapping',
        "mapping",
    ),
    one(
        "permission misspelt",
        "kind: app\nid: a\npermissions: [device:read]\n",
        "m.yaml:3:15",
        '"device:read" is not allowed',
        '"devices:read"',
    ),
    one(
        "network",
        "kind: app\nid: a\npermissions: []\nip_allow_list: [203.0.113.0/99]\n",
        "m.yaml:4:17",
        "ip_allow_list.0",
        "network",
    ),
    one(
        "unknown field inside a field",
        "kind: app\nid: a\npermissions: []\nwebhook: {url: https://x.example, event: []}\n",
        "m.yaml:4:35",
        "webhook.event: no such field",
        '"events"',
    ),
)
