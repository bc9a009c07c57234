"""What YAML itself forbids, and files that cannot be read."""

from __future__ import annotations

from tests.manifests.broken import SITE, one, site

READING = (
    one("tab as indentation", "kind: site\n\tid: hq\n", "m.yaml:2:1", "a tab", "Indent with spaces"),
    one("tab after a colon", site("address1:\tA\n"), "m.yaml:5:10", "a tab", "spaces"),
    one("tab in an empty list", site("devices: [\t]\n"), "m.yaml:5:11", "a tab", "spaces"),
    one(
        "duplicate key",
        site("name: Other\n"),
        "m.yaml:5:1",
        "name: written twice; the first one stands at m.yaml:3:1",
        "Keep one",
    ),
    one(
        "duplicate key of a child",
        site("contacts:\n  - {id: a, first_name: A, last_name: B, id: b}\n"),
        "m.yaml:6:42",
        "id: written twice; the first one stands at m.yaml:6:6",
        "Keep one",
    ),
    one("merge key", site("<<: {address1: A}\n"), "m.yaml:5:1", "merge keys", "Write the fields out"),
    one(
        "alias that is not defined",
        site("address1: *nowhere\n"),
        "m.yaml:5:11",
        "*nowhere is not defined above",
        "quotes",
    ),
    one(
        "anchor inside itself",
        site("arming: &a\n  schedule: *a\n"),
        "m.yaml:6:13",
        "*a stands inside itself",
        "anchor",
    ),
    one("unclosed quote", site('address1: "abc\n'), "m.yaml:6:1", "not valid YAML", "quotes"),
    one("unclosed bracket", site("devices: [a\n"), "m.yaml:6:1", "not valid YAML", "bracket"),
    one("colon in a plain text", site("address1: a: b\n"), "m.yaml:5:12", "mapping values", "quotes"),
    one("bad indentation", "kind: site\n  id: hq\n", "m.yaml:2:5", "mapping values", "indentation"),
    one(
        "text that begins with @",
        site("address1: @home\n"),
        "m.yaml:5:11",
        "cannot start any token",
        "quotes",
    ),
    one("control character", site("address1: a\x07b\n"), "m.yaml:5:12", "U+0007", "Remove it"),
    one("line separator", site("address1: a\u2028b\n"), "m.yaml:5:12", "U+2028", "\\u2028"),
    one(
        "foreign tag",
        site("address1: !!python/name:os.system x\n"),
        "m.yaml:5:11",
        "!!python/name:os.system",
        "Leave the tag out",
    ),
    one("tag that does not fit", site("address1: !!int x\n"), "m.yaml:5:11", "!!int", "Leave the tag out"),
    one("key that is null", site("~: x\n"), "m.yaml:5:1", "key is not a text", "quotes"),
    one("key that is a list", site("? [a]\n: x\n"), "m.yaml:5:3", "key is not a text", "field name"),
    one(
        "number of thousands of digits",
        site(f"address1: {'9' * 5000}\n"),
        "m.yaml:5:11",
        "too long",
        "quotes",
    ),
    one("huge value", site(f"address1: {'a' * 70000}\n"), "m.yaml:5:11", "70000 characters", "Shorten"),
    one(
        "deep nesting", site(f"address1: {'[' * 70}{']' * 70}\n"), "m.yaml:5:74", "deeper than 64", "Flatten"
    ),
    one(
        "empty document",
        SITE + "---\n---\nkind: calendar\nid: c\ndates: []\nclosed: away\n",
        "m.yaml:5:1",
        "document is empty",
        "--allow-empty",
    ),
    one("trailing document marker", SITE + "---\n", "m.yaml:5:1", "document is empty", "--allow-empty"),
    one("empty file", "", "m.yaml:1:1", "no document", "--allow-empty"),
    one("only comments", "# nothing\n", "m.yaml:1:1", "no document", "--allow-empty"),
    one("list instead of a mapping", "- kind: site\n", "m.yaml:1:1", "a document is a mapping", "Begin with"),
    one("text instead of a mapping", "hello\n", "m.yaml:1:1", "a document is a mapping", "Begin with"),
    one("not UTF-8", SITE, "l.yaml:2:7", "not UTF-8", "UTF-8", l__yaml=b"kind: app\nname: \xff\n"),
    one(
        "a second settings file",
        SITE,
        "sub/reconciler.yaml:1:1",
        "one reconciler.yaml, at its root",
        "project of its own",
        **{"sub/reconciler__yaml": "version: 1\n"},
    ),
)
