"""``listen`` blocks that are wrong."""

from __future__ import annotations

from tests.manifests.broken import SITE, Broken

_WEBHOOK = (
    "kind: webhook\nid: feed\nurl: https://hooks.example.com/x\nevents: [site.armed]\nsecret: {env: S}\n"
)


def _listen(name: str, endpoint: str, place: str, message: str, hint: str) -> Broken:
    """A case with one endpoint ``e``, whose fields begin at line 1, column 27, and one problem."""
    settings = f"listen: {{endpoints: {{e: {{{endpoint}}}}}}}\n"
    files: dict[str, str | bytes] = {"reconciler.yaml": settings, "w.yaml": _WEBHOOK}
    return Broken(f"listen: {name}", SITE, ((place, message, hint),), files)


_APP = "path: /a, system: app, secrets: [{env: A}]"
_DEALER = "path: /a, system: dealer, allow: [203.0.113.0/24]"

LISTEN = (
    _listen("no system", "path: /a", "reconciler.yaml:1:25", "system: required", "Add system"),
    _listen("strange system", "path: /a, system: apps", "reconciler.yaml:1:44", '"apps"', '"app"'),
    _listen(
        "path without a slash",
        "path: a, system: app, secrets: [{env: A}]",
        "reconciler.yaml:1:32",
        '"a" is not allowed',
        "/chekt/app",
    ),
    _listen(
        "a secret as it is",
        "path: /a, system: app, secrets: [hunter2]",
        "reconciler.yaml:1:59",
        "never written",
        "{env: NAME}",
    ),
    _listen(
        "no secret", "path: /a, system: app", "reconciler.yaml:1:25", "deliveries are signed", "Add secrets."
    ),
    _listen(
        "no secret of a partner",
        "path: /a, system: partner",
        "reconciler.yaml:1:25",
        "deliveries are signed",
        "secrets or webhook",
    ),
    _listen(
        "a log that is switched off",
        f"{_DEALER}, consumers: {{j: {{log: false}}}}",
        "reconciler.yaml:1:98",
        "false is not allowed",
        "Allowed: true.",
    ),
    _listen(
        "open to anybody",
        "path: /a, system: dealer",
        "reconciler.yaml:1:25",
        "anybody",
        "secret_path or allow",
    ),
    _listen(
        "an unsigned system with a secret",
        f"{_DEALER}, secrets: [{{env: A}}]",
        "reconciler.yaml:1:25",
        "not signed",
        "Leave out secrets",
    ),
    _listen(
        "encodings elsewhere",
        f"{_DEALER}, encodings: [hex]",
        "reconciler.yaml:1:25",
        "do not go together",
        "system: app",
    ),
    _listen(
        "a window without a timestamp",
        f"{_APP}, signed: body, window: 5m",
        "reconciler.yaml:1:25",
        "no timestamp",
        "Leave out window",
    ),
    _listen(
        "a webhook that is not declared",
        "path: /a, system: partner, webhook: fed",
        "reconciler.yaml:1:62",
        'no webhook "fed"',
        '"feed"',
    ),
    _listen(
        "no network",
        "path: /a, system: dealer, allow: [203.0.113.1/24]",
        "reconciler.yaml:1:60",
        "host bits set",
        "203.0.113.0/24",
    ),
    _listen(
        "a consumer that does nothing",
        f"{_APP}, consumers: {{c: {{}}}}",
        "reconciler.yaml:1:85",
        "do not go together",
        "command, forward and log",
    ),
    _listen(
        "a consumer that does two things",
        f"{_APP}, consumers: {{c: {{log: true, command: [ls]}}}}",
        "reconciler.yaml:1:85",
        "do not go together",
        "command, forward and log",
    ),
    _listen(
        "a command as one text",
        f"{_APP}, consumers: {{c: {{command: ls -l}}}}",
        "reconciler.yaml:1:95",
        '"ls -l" is not a list',
        "Write a list",
    ),
    _listen(
        "forwarded in the clear",
        f"{_APP}, consumers: {{c: {{forward: 'http://crm.example.com/x'}}}}",
        "reconciler.yaml:1:95",
        "plain http is refused",
        "https://",
    ),
    _listen(
        "a secret for a command",
        f"{_APP}, consumers: {{c: {{command: [ls], secret: {{env: S}}}}}}",
        "reconciler.yaml:1:85",
        "do not go together",
        "goes with forward",
    ),
    _listen(
        "no attempt",
        f"{_APP}, consumers: {{c: {{log: true, attempts: 0}}}}",
        "reconciler.yaml:1:107",
        "0 is not allowed",
        "at least 1",
    ),
    Broken(
        "listen: an address by name",
        SITE,
        (("reconciler.yaml:2:12", '"here:1" is not allowed', "127.0.0.1:8788"),),
        {"reconciler.yaml": "listen:\n  address: here:1\n  endpoints:\n    a: {path: /a, system: app, "
         "secrets: [{env: A}]}\n"},
    ),
    Broken(
        "listen: two endpoints with one path",
        SITE,
        (("reconciler.yaml:1:9", "two endpoints have one path", "Give each its own"),),
        {"reconciler.yaml": f"listen: {{endpoints: {{a: {{{_APP}}}, b: {{{_APP}}}}}}}\n"},
    ),
    Broken(
        "listen: no endpoint",
        SITE,
        (("reconciler.yaml:1:21", "must not be empty", "Write a value"),),
        {"reconciler.yaml": "listen: {endpoints: {}}\n"},
    ),
)  # fmt: skip
