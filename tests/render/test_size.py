"""A large plan still fits where it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model import Action, Address, Change, FieldChange, Plan
from reconciler.render.lines import duration
from reconciler.render.markdown import LIMIT, to_markdown
from tests.render.sample_plan import CHANGES, PLAN


def large(count: int, value: str) -> Plan:
    create = replace(CHANGES[4], fields=(FieldChange("name", None, value),))
    creates = [replace(create, address=Address("site", ("acme", f"s{n}"))) for n in range(count)]
    deletes = [Change(Address("site", ("acme", f"d{n}")), Action.DELETE) for n in range(count)]
    noise = tuple(f"warning {n} {value}" for n in range(count))
    unmanaged = tuple(Address("site", ("acme", f"u{n}")) for n in range(count))
    return replace(PLAN, changes=(*creates, *deletes), warnings=noise, unmanaged=unmanaged)


@pytest.mark.parametrize(
    ("count", "value"), [(3000, "Short"), (3, "x" * 70_000), (50, "`" * 3_000), (1, "x")]
)
def test_markdown_stays_below_the_limit_of_a_comment(count: int, value: str) -> None:
    page = to_markdown(large(count, value))
    assert len(page) <= LIMIT
    assert f"Delete ({count})" in page
    assert page.count("<details") == page.count("</details>")


def test_markdown_says_how_many_changes_it_leaves_out_and_shows_deletes_first() -> None:
    page = to_markdown(large(3000, "Short"))
    assert "more are not shown here" in page
    assert page.index("Delete (3000)") < page.index("Create (3000)")
    assert "site:acme/d0" in page


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
