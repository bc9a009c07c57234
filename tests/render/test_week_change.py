"""The arming weeks that a plan changes, drawn and in words."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import jsonschema
import pytest

from reconciler.arming.before import Before
from reconciler.arming.weekly import WeekChange, week_changes
from reconciler.errors import StalePlanError
from reconciler.model import Address, Plan, Resource, Source, ToldWeek
from reconciler.planning.digest import changes_digest
from reconciler.render import html, markdown, week_words
from reconciler.render.json import from_json, to_json
from reconciler.render.schema import plan_schema
from tests.render.sample_plan import NOW, PLAN
from tests.render.test_html import Page
from tests.render.test_size import broken


def world(arm: str, zone: str = "Asia/Seoul") -> list[Resource]:
    def made(kind: str, *path: str, **fields: object) -> Resource:
        return Resource(Address(kind, path), fields, path[-1], Source("x.yaml", 1, 1))  # type: ignore[arg-type]

    week = [{"days": ["mon", "fri"], "arm": arm, "disarm": "08:00"}]
    schedule = made("schedule", "nights", windows=week)
    sites = [
        made("site", "acme", f"s{n}", timezone=zone, arming={"schedule": "schedule:nights"}) for n in range(5)
    ]
    return [schedule, *sites]


def change(old: str = "18:00", new: str = "19:30", was: str = "Asia/Seoul") -> WeekChange:
    (found,) = week_changes(Before(tuple(world(old, was)), frozenset(), {}), world(new), {}, NOW)
    return found


def telling(*changes: WeekChange) -> Plan:
    return replace(PLAN, weeks=tuple(map(week_words.told, changes)))


def test_the_page_draws_both_weeks_marks_what_differs_and_says_it() -> None:
    page = Page(html.to_html(PLAN, [change()]))
    drawn = [each for each in page.having("div") if each.get("class") == "bars"]
    assert len(drawn) == 14
    assert drawn[0]["aria-label"] == "before: disarmed 00:00 to 18:00, armed away 18:00 to 24:00"
    assert drawn[1]["aria-label"] == "after: disarmed 00:00 to 19:30, armed away 19:30 to 24:00"
    marks = [each["style"] for each in page.having("i") if each.get("class") == "moved"]
    assert marks == ["left:75.0000%;width:6.2500%"] * 4
    assert "18:00 to 19:30: armed away before, disarmed after (Fri 20, Mon 23 Nov)" in page.text
    assert "site:acme/s0, site:acme/s1, site:acme/s2 and 2 more" in page.text
    assert page.wrong == []


def test_markdown_draws_a_day_of_each_sort_in_letters() -> None:
    page = markdown.fitted(telling(change()))
    night = "- Fri 20 Nov ....................................AAAAAAAAAAAA\n"
    assert night + "+ Fri 20 Nov .......................................AAAAAAAAA\n" in page
    assert "- Mon 23 Nov" not in page
    assert broken(page) == []


def test_a_saved_plan_tells_of_its_weeks_and_merging_agrees_to_the_changes_alone() -> None:
    plan = telling(change())
    assert from_json(to_json(plan)) == plan
    assert "weeks" not in json.loads(to_json(PLAN))
    assert changes_digest(plan) == changes_digest(PLAN)
    jsonschema.validate(json.loads(to_json(plan)), plan_schema())
    with pytest.raises(StalePlanError, match="changed after it was written"):
        from_json(to_json(plan).replace("armed away before", "disarmed before"))


def test_what_a_foreign_plan_tells_of_a_week_ends_no_line_and_no_fence() -> None:
    week = ToldWeek("```\n# title", "<b>", "```", ("a\nb",), ("````",))
    page = markdown.fitted(replace(PLAN, weeks=(week,)))
    assert "\n# title" not in page
    assert broken(page) == []


def test_weeks_give_way_to_what_is_deleted() -> None:
    many = [change(new=f"19:{minute:02d}") for minute in range(60)]
    page = markdown.fitted(telling(*many), 5_000)
    assert len(page) <= 5_000
    assert "through DELETE" in page
    assert "more are not shown" in page
    assert broken(page) == []


def test_another_time_zone_is_named_with_the_clock_that_is_shown() -> None:
    moved = change(new="18:00", was="Asia/Kolkata")
    title = "schedule nights, clock of Asia/Seoul (time zone Asia/Kolkata -> Asia/Seoul)"
    assert week_words.title(moved) == title
    assert week_words.sentences(moved) == [
        "18:00 to 21:30: disarmed before, armed away after (Fri 20, Mon 23 Nov)",
        "08:00 to 11:30: armed away before, disarmed after (Sat 21, Tue 24 Nov)",
    ]


def test_what_is_not_known_is_said_and_not_drawn() -> None:
    page = Page(html.to_html(PLAN, [replace(change(), before=None, unknown="nobody told", differences=())]))
    assert "When they were armed before is not known: nobody told." in page.text
    assert "before" not in [each.get("aria-label", "")[:6] for each in page.having("div")]  # type: ignore[index]


def test_a_week_without_a_difference_says_so() -> None:
    same = replace(change(), differences=())
    assert "No hour of the next year differs." in Page(html.to_html(PLAN, [same])).text
    assert week_words.letters(same) == []


def test_more_weeks_than_a_page_takes_are_counted() -> None:
    many = [change(new=f"19:{minute:02d}") for minute in range(45)]
    assert "5 more weeks are not drawn" in html.to_html(PLAN, many)


def test_days_of_two_months_name_both() -> None:
    later = replace(change(), first=dt.date(2026, 11, 27))
    moved = [one._replace(start=one.start + 7 * 86400, end=one.end + 7 * 86400) for one in later.differences]
    told = replace(later, differences=tuple(moved), first=dt.date(2026, 11, 27))
    assert week_words.sentences(told) == [
        "18:00 to 19:30: armed away before, disarmed after (Fri 27, Mon 30 Nov)"
    ]
