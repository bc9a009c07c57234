"""Templates that cannot be rendered, or render to something wrong."""

from __future__ import annotations

from tests.manifests.broken import SITE, one

TEMPLATES = (
    one(
        "undefined variable",
        SITE,
        "t.yaml.j2:2:8",
        "the variable place is not defined",
        "--var place=",
        t__yaml__j2="kind: site\nid: {{ place }}\n",
    ),
    one(
        "undefined attribute",
        SITE,
        "t.yaml.j2:1:11",
        "not defined",
        "Check the name",
        reconciler__yaml="variables: {places: {a: 1}}\n",
        t__yaml__j2="{{ places.hq }}\n",
    ),
    one(
        "template syntax",
        SITE,
        "t.yaml.j2:2:1",
        "template is not valid",
        "brackets",
        t__yaml__j2="kind: site\n{% for a %}\n",
    ),
    one(
        "block that is not closed",
        SITE,
        "t.yaml.j2:2:1",
        "template is not valid",
        "closed",
        t__yaml__j2="{% if true %}\nkind: site\n",
    ),
    one(
        "a way out of the sandbox",
        SITE,
        "t.yaml.j2:2:1",
        "not allowed in a template",
        "project only",
        t__yaml__j2="kind: site\n{{ ''.__class__.__mro__ }}\n",
    ),
    one(
        "loop without end",
        SITE,
        "t.yaml.j2:2:1",
        "steps",
        "smaller",
        t__yaml__j2=(
            "kind: site\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\n"
        ),
    ),
    one(
        "text that fills the memory",
        SITE,
        "t.yaml.j2:1:1",
        "number this large",
        "smaller",
        t__yaml__j2="{{ 'a' * 10 ** 12 }}\n",
    ),
    one(
        "recursion",
        SITE,
        "t.yaml.j2:2:1",
        "calls itself without end",
        "end",
        t__yaml__j2="{% macro again() %}\n{{ again() }}{% endmacro %}\n{{ again() }}\n",
    ),
    one(
        "template that yields nothing",
        SITE,
        "t.yaml.j2:1:1",
        "template yields no document",
        "--allow-empty",
        t__yaml__j2="{% if false %}\nkind: site\n{% endif %}\n",
    ),
    one(
        "include outside",
        SITE,
        "t.yaml.j2:1:1",
        "cannot be included",
        "text file of the project",
        t__yaml__j2="{% include '../secrets.yaml' %}\n",
    ),
    one(
        "include that is missing",
        SITE,
        "t.yaml.j2:1:1",
        "cannot be included",
        "text file of the project",
        t__yaml__j2="{% include 'none.j2' %}\n",
    ),
    one(
        "table that is missing",
        SITE,
        "t.yaml.j2:1:1",
        "table: none.csv: this file cannot be read",
        "CSV",
        t__yaml__j2="{% for x in table('none.csv') %}{% endfor %}\n",
    ),
    one(
        "division by zero",
        SITE,
        "t.yaml.j2:2:1",
        "division by zero",
        "Correct the expression",
        t__yaml__j2="kind: site\n{{ 1 / 0 }}\n",
    ),
    one(
        "rendered field misspelt",
        SITE,
        "t.yaml.j2:8:1",
        "tiemzone: no such field",
        '"timezone"',
        t__yaml__j2=(
            "{# a comment\n   over lines #}\n{% for n in range(1) %}\n---\nkind: site\n"
            "id: site-{{ n }}\nname: N\ntiemzone: Asia/Seoul\n{% endfor %}\n"
        ),
        reconciler__yaml="defaults: {site: {timezone: Asia/Seoul}}\n",
    ),
    one(
        "rendered value",
        SITE,
        "t.yaml.j2:4:11",
        "'Asia/Soul' is no IANA",
        '"Asia/Seoul"',
        t__yaml__j2="kind: site\nid: s\nname: N\ntimezone: {{ 'Asia/Soul' }}\n",
    ),
    one(
        "rendered YAML that is not valid",
        SITE,
        "t.yaml.j2:3:7",
        "mapping values",
        "quotes",
        t__yaml__j2="kind: site\nid: s\nname: {{ 'a: b' }}\n",
    ),
    one(
        "a problem in an included file",
        SITE,
        "parts/tail.j2:2:1",
        "adress1: no such field",
        '"address1"',
        t__yaml__j2="kind: site\nid: s\n{% include 'parts/tail.j2' %}\n",
        **{"parts/tail__j2": "name: N\nadress1: A\ntimezone: Asia/Seoul\n"},
    ),
)
