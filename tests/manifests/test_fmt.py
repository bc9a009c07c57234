"""The canonical layout: the same meaning, the same comments, one way to write it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import ManifestError
from reconciler.manifests.core_yaml import read
from reconciler.manifests.layout import formatted, why_left
from reconciler.manifests.nodes import Page
from tests.manifests.strategies import Drawn, projects

ROOT = Path(__file__).parents[2]
OWN = sorted([*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("reconciler/cli/starter/*.yaml")])


@pytest.mark.parametrize("path", OWN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_our_own_examples_have_the_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(path.name, text) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("id: a\nkind: site\nname:   b\n", "kind: site\nid: a\nname: b\n"),
        ("# top\nid: a\n# of kind\nkind: site\n", "# top\n# of kind\nkind: site\nid: a\n"),
        (
            "kind: site\n# of name\nname: b   # why\n# of id\nid: a\n",
            "kind: site\n# of id\nid: a\n# of name\nname: b   # why\n",
        ),
        (
            "kind: site\nid: a\ntimezone: no\nname: '001'\n",
            'kind: site\nid: a\nname: "001"\ntimezone: "no"\n',
        ),
        ("kind: site\nid: it's\nname: 'a\"b'\n", "kind: site\nid: it's\nname: 'a\"b'\n"),
        (
            "kind: site\nid: a\ndevices:\n- { zone_number: '001',id: x }\n-   id: y\n    # z\n    name: z\n",
            'kind: site\nid: a\ndevices:\n  - {id: x, zone_number: "001"}\n  - id: y\n    # z\n    name: z\n',
        ),
        (
            "\n\nkind: site\n\n\n\nid: a\n\n---\n\n# b\nkind: app\nid: b",
            "kind: site\n\nid: a\n---\n# b\nkind: app\nid: b\n",
        ),
        (
            "kind: site\nid: a\naddress1: |\n     one\n       two\nname: >-\n    x\n\n    y\n",
            "kind: site\nid: a\nname: >-\n  x\n\n  y\naddress1: |\n  one\n    two\n",
        ),
        (
            "kind: site\nid: a\ndevices:\n  - {id: x}\n  # - {id: old}\narming: {schedule: s}\nname: n\n",
            "kind: site\nid: a\nname: n\ndevices:\n  - {id: x}\n  # - {id: old}\narming: {schedule: s}\n",
        ),
        ("kind: schedule\r\nid: a\r\nwindows: []\r\n", "kind: schedule\nid: a\nwindows: []\n"),
        ("kind: site\nid: a\nunknown: 1\nname: b\n", "kind: site\nid: a\nname: b\nunknown: 1\n"),
        ("# only a comment\n", "# only a comment\n"),
        (
            "version: 1\ndefaults:\n    site: {timezone: UTC}\n",
            "version: 1\ndefaults:\n  site: {timezone: UTC}\n",
        ),
        (
            "kind: site\nname: |2-\n     deeper\n    text\nid: a\n",
            "kind: site\nid: a\nname: |2-\n     deeper\n    text\n",
        ),
        ("name: >1+\n  a\n\n\nkind: site\n", "kind: site\nname: >2+\n   a\n\n\n"),
        ("kind: site\nname: |+\n   a\n\n---\nkind: app\n", "kind: site\nname: |+\n  a\n\n---\nkind: app\n"),
        (
            "devices:\n-  # first\n   # more\n  id: a\n-\n  id: b\n-  # third\n  # more\n  c\n",
            "devices:\n  # first\n  # more\n  - id: a\n  - id: b\n  # third\n  # more\n  - c\n",
        ),
        (
            "id: a\nkind: # why\n   # how\n   site # what\n",
            "kind:  # why\n  # how\n  site  # what\nid: a\n",
        ),
    ],
)
def test_layout(before: str, after: str) -> None:
    assert formatted("a.yaml", before) == after
    assert formatted("a.yaml", after) == after


@pytest.mark.parametrize(
    "text",
    [
        "id:   a\nkind: &k site\n",
        "%YAML 1.2\n---\nid:   a\nkind: site\n",
        "id:   a\nkind: !!str site\n",
        "id:   a\nkind: site\n...\n",
        "--- {id:   a, kind: site}\n",
    ],
    ids=["anchor", "directive", "tag", "end mark", "beside its marker"],
)
def test_what_is_not_understood_in_full_is_left_as_it_is(text: str) -> None:
    assert formatted("a.yaml", text) == text
    assert why_left(text)


def test_broken_yaml_is_the_usual_error() -> None:
    with pytest.raises(ManifestError) as caught:
        formatted("a.yaml", "kind: site\nid: [\n")
    assert caught.value.source is not None
    assert caught.value.source.file == "a.yaml"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=projects(max_sites=2), seed=st.integers(0, 2**32))
def test_any_document_with_comments_keeps_them_and_its_meaning(drawn: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    for name, text in drawn.files(chance).items():
        if not name.endswith((".yaml", ".yml")):
            continue
        commented = with_comments(text, chance)
        if read(Page.of(name, commented)).problems:
            continue  # the comment has broken a text that goes over several lines
        once = formatted(name, commented)
        assert formatted(name, once) == once
        for comment in re.findall(r"#c[0-9]+c", commented):
            assert once.count(comment) == commented.count(comment)


def with_comments(text: str, chance: random.Random) -> str:
    """``text`` with comments above some lines and behind some."""
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if chance.random() < 0.2:
            lines.append(" " * chance.randrange(6) + f"#c{2 * number}c")
        behind = f"  #c{2 * number + 1}c" if chance.random() < 0.2 and line.strip() else ""
        lines.append(line + behind)
    return "\n".join(lines)
