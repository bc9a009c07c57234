"""Targets and excludes: globs over addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import PlanError
from reconciler.planning.scope import Scope, chain, parent_of
from tests.planning.world import at

KNOWN = [
    at(text)
    for text in (
        "dealer:acme",
        "site:acme/hq",
        "site:acme/branch",
        "device:acme/hq/door",
        "contact:acme/hq/john",
        "site:beta/hq",
        "webhook:feed",
    )
]


@pytest.mark.parametrize(
    ("glob", "covered"),
    [
        ("site:acme/hq", {"site:acme/hq", "device:acme/hq/door", "contact:acme/hq/john"}),
        ("site:acme/*", {"site:acme/hq", "site:acme/branch", "device:acme/hq/door", "contact:acme/hq/john"}),
        (
            "site:*/hq",
            {"site:acme/hq", "site:beta/hq", "device:acme/hq/door", "contact:acme/hq/john"},
        ),
        ("site:*", set()),  # * stops at /
        ("site:**", {str(each) for each in KNOWN if len(each.path) > 1}),
        ("device:**", {"device:acme/hq/door"}),
        ("device:acme/*", set()),
        ("device:acme/hq/*", {"device:acme/hq/door"}),
        ("dealer:acme", {str(each) for each in KNOWN if each.path[0] == "acme"}),
        ("*:acme/hq/*", {"device:acme/hq/door", "contact:acme/hq/john"}),
        ("w*:feed", {"webhook:feed"}),
        ("site:acme/h?", {"site:acme/hq", "device:acme/hq/door", "contact:acme/hq/john"}),
        ("*", set()),  # an address has a colon
        ("**", {str(each) for each in KNOWN}),
    ],
)
def test_a_glob_covers_what_it_matches_and_all_below_it(glob: str, covered: set[str]) -> None:
    assert {str(each) for each in KNOWN if Scope((glob,)).covers(each)} == covered


def test_without_targets_everything_is_covered_but_the_excludes() -> None:
    scope = Scope((), ("site:acme/hq",))
    assert {str(each) for each in KNOWN if not scope.covers(each)} == {
        "site:acme/hq",
        "device:acme/hq/door",
        "contact:acme/hq/john",
    }


def test_an_exclude_wins_over_a_target() -> None:
    scope = Scope(("site:acme/hq",), ("device:**",))
    assert [str(each) for each in KNOWN if scope.covers(each)] == ["site:acme/hq", "contact:acme/hq/john"]


@given(st.text(alphabet="[](){}.+^$|\\-éあ", min_size=1))
def test_only_stars_and_question_marks_are_special(name: str) -> None:
    assert Scope((f"site:acme/{name}",)).covers(at("site:acme/" + name))
    assert not Scope((f"site:acme/{name}",)).covers(at("site:acme/hq"))


@pytest.mark.parametrize(
    ("glob", "hint"),
    [
        ("site:acme/hk", "Did you mean site:acme/hq"),
        ("hq", "Did you mean site:acme/hq or site:beta/hq?"),
        ("device:acme/hq/dor", "Did you mean device:acme/hq/door?"),
        ("nothing:at/all", "kind:parents/id"),
    ],
)
def test_a_target_that_matches_nothing_names_what_is_near(glob: str, hint: str) -> None:
    with pytest.raises(PlanError, match="matches no resource") as caught:
        Scope((glob,)).check(KNOWN)
    assert hint in caught.value.hint


def test_every_unmatched_target_is_named_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        Scope(("site:x", "site:acme/hq", "site:y")).check(KNOWN)
    assert len(caught.value.problems) == 2


def test_parents_follow_the_address_with_or_without_a_dealer() -> None:
    assert [str(each) for each in chain(at("device:acme/hq/door"))] == [
        "device:acme/hq/door",
        "site:acme/hq",
        "dealer:acme",
    ]
    assert [str(each) for each in chain(at("device:hq/door"))] == ["device:hq/door", "site:hq"]
    assert parent_of(at("webhook:feed")) is None
