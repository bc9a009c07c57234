"""Inline children, lifecycles, external ids and secrets that are wrong."""

from __future__ import annotations

from tests.manifests.broken import one, site

CHILDREN = (
    one("devices null", site("devices:\n"), "m.yaml:5:9", "devices: null is not a list", "devices: []"),
    one(
        "devices a mapping",
        site("devices: {id: a}\n"),
        "m.yaml:5:10",
        "devices: a mapping is not a list",
        "Write a list",
    ),
    one(
        "a device that is a text",
        site("devices: [front]\n"),
        "m.yaml:5:11",
        'devices.0: "front" is not a device',
        "mapping",
    ),
    one(
        "kind on an inline child",
        site("contacts:\n  - {kind: contact, id: c, first_name: A, last_name: B}\n"),
        "m.yaml:6:6",
        "kind: a contact written under its site",
        "Remove kind",
    ),
    one(
        "parent on an inline child",
        site("contacts:\n  - {site: hq, id: c, first_name: A, last_name: B}\n"),
        "m.yaml:6:6",
        "site: a contact written under its site",
        "Remove site",
    ),
    one(
        "inline id missing",
        site("contacts:\n  - {first_name: A, last_name: B}\n"),
        "m.yaml:6:5",
        "id: required",
        "Add id",
    ),
    one(
        "lifecycle a text",
        site("lifecycle: protect\n"),
        "m.yaml:5:12",
        '"protect" is not a mapping',
        "protect: true",
    ),
    one(
        "lifecycle field misspelt",
        site("lifecycle: {protected: true}\n"),
        "m.yaml:5:13",
        "lifecycle.protected: no such field",
        '"protect"',
    ),
    one(
        "protect in quotes",
        site('lifecycle: {protect: "yes"}\n'),
        "m.yaml:5:22",
        "is not true or false",
        "without quotes",
    ),
    one(
        "protect as YAML 1.1",
        site("lifecycle: {protect: yes}\n"),
        "m.yaml:5:22",
        '"yes" is not true or false',
        "true or false",
    ),
    one(
        "ignored field that does not exist",
        site("lifecycle: {ignore: [name, acount_number]}\n"),
        "m.yaml:5:28",
        'no field "acount_number"',
        '"account_number"',
    ),
    one(
        "external id a number",
        site("external_id: 12\n"),
        "m.yaml:5:14",
        "external_id: 12 without quotes",
        '"12"',
    ),
    one(
        "external id null",
        site("external_id:\n"),
        "m.yaml:5:13",
        "null is not an external id",
        "leave it out",
    ),
    one(
        "external id of a webhook",
        "kind: webhook\nid: w\nexternal_id: x\nurl: https://x.example\nevents: [a]\nsecret: {env: S}\n",
        "m.yaml:3:1",
        "identified by its url",
        "Remove external_id",
    ),
    one(
        "external id of a dealer",
        "kind: dealer\nid: d\nexternal_id: x\ndealer_id: 1\n",
        "m.yaml:3:1",
        "identified by its external_dealer_id",
        "write external_dealer_id",
        base__yaml="kind: calendar\nid: c\ndates: []\nclosed: away\n",
    ),
)

SECRETS = (
    one(
        "secret written out",
        "kind: webhook\nid: w\nurl: https://x.example\nevents: [a]\nsecret: hunter2-hunter2\n",
        "m.yaml:5:9",
        "secret: a secret is never written",
        "{env: NAME}",
    ),
    one(
        "secret null",
        "kind: webhook\nid: w\nurl: https://x.example\nevents: [a]\nsecret:\n",
        "m.yaml:5:8",
        "secret: null",
        "{env: NAME}",
    ),
    one(
        "secret in two places",
        "kind: webhook\nid: w\nurl: https://x.example\nevents: [a]\nsecret: {env: A, file: b}\n",
        "m.yaml:5:9",
        "one place",
        "{env: NAME}",
    ),
    one(
        "secret in an unknown place",
        "kind: webhook\nid: w\nurl: https://x.example\nevents: [a]\nsecret: {vault: hunter2-hunter2}\n",
        "m.yaml:5:9",
        "env, file or keyring",
        "{env: NAME}",
    ),
    one(
        "keyring without a service",
        "kind: webhook\nid: w\nurl: https://x.example\nevents: [a]\nsecret: {keyring: hunter2-hunter2}\n",
        "m.yaml:5:9",
        "SERVICE/NAME",
        "{env: NAME}",
    ),
    one(
        "calendar file missing",
        "kind: calendar\nid: c\nics: none.ics\nclosed: away\n",
        "m.yaml:3:6",
        "ics: none.ics: this file cannot be read: No such file",
        "Create the file",
    ),
    one(
        "calendar file outside",
        "kind: calendar\nid: c\nics: ../x.ics\nclosed: away\n",
        "m.yaml:3:6",
        "outside the project",
        "project directory",
    ),
)
