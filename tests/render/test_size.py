"""A large plan still fits where it is shown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import Action, Address, Change, FieldChange, Plan
from reconciler.render.lines import duration
from reconciler.render.markdown import ELSEWHERE, LEAST, LIMIT, fitted
from tests.render.sample_plan import CHANGES, MANY, PLAN


def large(count: int, value: str) -> Plan:
    create = replace(CHANGES[4], fields=(FieldChange("name", None, value),))
    creates = [replace(create, address=Address("site", ("acme", f"s{n}"))) for n in range(count)]
    deletes = [Change(Address("site", ("acme", f"d{n}")), Action.DELETE) for n in range(count)]
    noise = tuple(f"warning {n} {value}" for n in range(count))
    unmanaged = tuple(Address("site", ("acme", f"u{n}")) for n in range(count))
    return replace(PLAN, changes=(*creates, *deletes), warnings=noise, unmanaged=unmanaged)


def broken(page: str) -> list[str]:
    """What is open at the end of ``page`` or closed without having been opened: fences and folds."""
    fence, folds, wrong = "", 0, []
    for line in page.splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif match := re.match(r"(`{3,})diff$", line):
            fence = match[1]
        else:
            folds += line.count("<details") - line.count("</details>")
            wrong += [line] if folds not in (0, 1) or line.startswith("```") else []
    return [*wrong, *([fence] if fence else []), *(["<details>"] if folds else [])]


def count_of(page: str) -> int:
    return len(re.findall(r"^(?:- delete |- )site:acme/d\d+", page, re.MULTILINE))


@pytest.mark.parametrize(
    ("count", "value"), [(3000, "Short"), (3, "x" * 70_000), (50, "`" * 3_000), (1, "x")]
)
@pytest.mark.parametrize("limit", [LIMIT, 20_000, 5_000, LEAST + 3 * len(ELSEWHERE)])
def test_markdown_stays_below_its_limit_and_whole(count: int, value: str, limit: int) -> None:
    page = fitted(large(count, value), limit)
    assert len(page) <= limit
    assert f"Delete ({count})" in page
    assert broken(page) == []


@settings(max_examples=60, deadline=None)
@given(limit=st.integers(LEAST + 3 * len(ELSEWHERE), 12_000), environment=st.text("`a\u202e", max_size=200))
def test_markdown_is_whole_at_every_cut(limit: int, environment: str) -> None:
    page = fitted(replace(MANY, environment=environment), limit)
    assert len(page) <= limit
    assert broken(page) == []


def test_updates_give_way_before_creates_and_deletes_last() -> None:
    whole = len(fitted(MANY))
    told: dict[str, int] = {}
    for limit in range(whole, LEAST + 3 * len(ELSEWHERE), -50):
        page = fitted(MANY, limit)
        for what in ("update site:", "create contact:", "- delete device:"):
            if what in page:
                told[what] = limit
    assert told["update site:"] > told["create contact:"] > told["- delete device:"]


@pytest.mark.parametrize("limit", [100_000, 70_000])
def test_no_delete_is_left_out_while_its_address_fits(limit: int) -> None:
    page = fitted(large(3000, "Short"), limit)
    assert count_of(page) == 3000
    assert page.index("Delete (3000)") < page.index("Create (3000)") if "Create (" in page else True


def test_deletes_that_do_not_fit_are_counted_by_kind_with_a_way_to_the_whole_plan() -> None:
    page = fitted(large(3000, "Short"), 20_000, report="[the report](https://ci.example.com/1)")
    assert count_of(page) == 0
    assert (
        "**3000 site**: too many to name here. All of them: [the report](https://ci.example.com/1)." in page
    )


def test_what_is_left_out_is_counted() -> None:
    page = fitted(large(3000, "Short"), 80_000)
    assert re.search(r"Not shown here: \d+ of Warnings, \d+ of Create, 3000 of Unmanaged", page)


def test_a_limit_that_cannot_hold_the_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        fitted(PLAN, 1_000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "under a second"),
        (0.9, "under a second"),
        (1.2, "2 s"),
        (59, "59 s"),
        (61, "2 min"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_is_rounded_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text
