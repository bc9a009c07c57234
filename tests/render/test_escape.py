"""No value can forge what people read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.console import error_text
from reconciler.errors import ManifestError, Problem
from reconciler.escape import value_text, visible
from reconciler.model import Address, ChangedSince, FieldChange, Plan, Source
from reconciler.render import html, markdown, report, text
from reconciler.writes import Outcome
from tests.render.sample_plan import CHANGES, HOSTILE, PLAN, REPORT
from tests.render.test_html import Page

TROUBLE = st.text(
    alphabet=st.sampled_from("a\n\r\x1b\x9b\x00\x7f\u202e\u2066\u2028\u200b\ufeff\ud800`<>&\"'@|\\")
)


def hostile_plan(value: str) -> Plan:
    """A plan in which everything that comes from outside is ``value``."""
    change = replace(
        CHANGES[1],
        address=Address("site", (value, "x")),
        fields=(FieldChange(value, value, [value, {value: value}]),),
        reason=value,
        source=Source(value, 1, 1),
        steps=(value,),
    )
    return replace(
        PLAN,
        changes=(change,),
        warnings=(value,),
        unmanaged=(Address("site", (value,)),),
        environment=value,
        targets=(value,),
        changed_since=ChangedSince(value, "ab" * 20, (change.address,)),
    )


@given(TROUBLE)
def test_text_shows_every_hostile_value_in_its_own_line(value: str) -> None:
    lines = text.to_text(hostile_plan(value)).splitlines()
    calm = text.to_text(hostile_plan("a")).splitlines()
    assert len(lines) == len(calm)
    assert all(line.isprintable() for line in lines if line)


@given(TROUBLE)
def test_a_report_shows_every_hostile_message_in_its_own_line(value: str) -> None:
    outcome = REPORT.outcomes[1]
    hostile = Outcome(Address("site", (value,)), outcome.action, outcome.status, value)
    shown = report.to_text(replace(REPORT, outcomes=(hostile,)))
    assert len(shown.splitlines()) == 5
    assert "\x1b" not in shown


@given(TROUBLE.filter(len))
def test_html_holds_no_element_that_a_value_made(value: str) -> None:
    page, calm = Page(html.to_html(hostile_plan(value))), Page(html.to_html(hostile_plan("a")))
    marks = {"mark"}  # what two values have in common is no element of theirs
    assert [tag for tag, _ in page.tags if tag not in marks] == [
        tag for tag, _ in calm.tags if tag not in marks
    ]
    assert page.wrong == []


@given(st.text(alphabet="`~a\n@<|", min_size=1, max_size=30))
def test_markdown_keeps_values_inside_its_fences(value: str) -> None:
    plan = hostile_plan(value)
    page = markdown.fitted(plan) + "\n" + markdown.fitted(replace(plan, changes=()))
    outside, fence = [], ""
    for line in page.splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif match := re.match(r"(`{3,})diff$", line):
            fence = match[1]
        else:
            outside.append(re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", line))
    assert not fence
    assert "@" not in "".join(outside)
    assert "~" not in "".join(outside)


def test_the_sample_name_does_nothing_anywhere() -> None:
    shown = text.to_text(PLAN)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\n- delete site:acme/hq" not in shown
    assert "<script>alert" not in html.to_html(PLAN)
    assert HOSTILE not in markdown.fitted(PLAN)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", '"plain"'),
        ("\uac15\ub0a8 \u00e9", '"\uac15\ub0a8 \u00e9"'),
        ("a\nb", '"a\\nb"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\x9b", '"\\u009b"'),
        ("\u202e", '"\\u202e"'),
        ("\U000e0001", '"\\U000e0001"'),
        (None, "null"),
        ([1, True, {"b": 1, "a": None}], '[1, true, {"a": null, "b": 1}]'),
    ],
)
def test_values_are_shown_readably_and_in_one_line(value: object, shown: str) -> None:
    assert value_text(value) == shown  # type: ignore[arg-type]


def test_text_that_is_harmless_stays_as_it_is() -> None:
    assert visible("site:acme/\uac15\ub0a8 #1") == "site:acme/\uac15\ub0a8 #1"


@given(TROUBLE)
def test_an_error_on_the_terminal_shows_hostile_values_as_escapes(value: str) -> None:
    problem = Problem(value, Source(value, 1, 1), value, Address("site", (value, "x")))
    shown = error_text(ManifestError.of([problem, problem]))
    assert all(line.isprintable() for line in shown.split("\n"))
