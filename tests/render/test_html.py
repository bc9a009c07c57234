"""The plan's page: one file that asks for nothing, whole without its script, and open to everyone."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Action, Address, Change, FieldChange, Plan
from reconciler.render import html
from reconciler.render.highlight import pieces
from reconciler.render.html_style import DARK, LIGHT
from tests.render.sample_plan import CHANGES, EMPTY, MANY, PLAN

VOID = {"meta", "input", "br"}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "for", "role", "type", "value"),
    *(
        "checked",
        "placeholder",
        "autocomplete",
        "spellcheck",
        "datetime",
        "href",
        "scope",
        "open",
        "tabindex",
    ),
    *("style", "title", "data-action", "aria-label", "aria-labelledby", "aria-live", "aria-hidden"),
}


class Page(HTMLParser):
    """A page taken apart: tags with attributes, the text, and elements that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.words: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            self.raw[self._open[-1]] = data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def values(self, attribute: str) -> list[str]:
        return [str(attributes[attribute]) for _, attributes in self.tags if attribute in attributes]

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def of(plan: Plan) -> Page:
    return Page(html.to_html(plan))


@pytest.mark.parametrize("plan", [PLAN, MANY, EMPTY])
def test_the_page_allows_itself_its_style_and_its_own_script_only(plan: Plan) -> None:
    page = of(plan)
    policy = next(str(each["content"]) for each in page.having("meta") if "http-equiv" in each)
    digest = base64.b64encode(hashlib.sha256(page.raw["script"].encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert len(page.having("script")) == 1
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= ATTRIBUTES
    assert all(target.startswith("#") for target in page.values("href"))
    assert "url(" not in page.raw["style"]
    assert "@import" not in page.raw["style"]
    assert page.wrong == []


def test_without_its_script_the_page_shows_every_change_and_no_control_that_does_nothing() -> None:
    page = of(PLAN)
    for change in PLAN.changes:
        assert str(change.address) in page.text
        assert change.reason in page.text
        assert str(change.source or "") in page.text
        assert all(field.path in page.text for field in change.fields)
    assert "hidden" not in {attribute for _, attributes in page.tags for attribute in attributes}
    style = page.raw["style"]
    assert ".chip input, .query { display: none; }" in style
    assert ".live .query { display: block;" in style


def test_every_change_has_an_anchor_that_a_link_names() -> None:
    odd = replace(CHANGES[1], address=Address("site", ("acme", 'a b"<\u202e\uac15')))
    page = of(replace(PLAN, changes=(*CHANGES, odd)))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w:/@.~%-]+", each, re.ASCII) for each in ids)
    assert "device:acme/hq/door" in ids
    assert {target.removeprefix("#") for target in page.values("href")} <= set(ids)
    assert sum(tag == "article" for tag, _ in page.tags) == 8


def test_what_takes_something_away_comes_first() -> None:
    page = of(PLAN)
    actions = [str(each["data-action"]) for each in page.having("article")]
    assert actions == ["delete", "replace", "create", "update", "manual", "update", "adopt"]
    going = page.text.index("Deleted or replaced (2)")
    assert page.text.index("Warnings (1)") < going < page.text.index("no manifest declares it any more")


def test_a_large_plan_opens_only_the_groups_that_lose_something() -> None:
    create, delete = CHANGES[4], CHANGES[2]
    many = [replace(create, address=Address("contact", ("acme", f"s{n}", "john"))) for n in range(400)]
    page = of(replace(PLAN, changes=(*many, delete)))
    groups = page.having("details")
    assert ["open" in each for each in groups] == [True, *[False] * 400]
    assert groups[0]["class"] == "group grave"


def test_secrets_are_masked_whatever_the_plan_holds() -> None:
    leak = FieldChange("secret", "hunter2", "hunter3", secret=True)
    page = html.to_html(replace(PLAN, changes=(replace(CHANGES[5], fields=(leak,)),)))
    assert "hunter" not in page
    assert "<del>***</del>" in page


def test_the_page_can_be_used_by_ear_and_by_keyboard() -> None:
    page = of(PLAN)
    tags = [tag for tag, _ in page.tags]
    assert [tag for tag in tags if re.fullmatch("h[1-6]", tag)][:4] == ["h1", "h2", "h2", "h2"]
    assert tags.count("main") == tags.count("h1") == 1
    assert tags.index("header") < tags.index("form") < tags.index("main")
    assert {"role": "search", "aria-label": "Choose changes", "class": "choose"} in page.having("form")
    assert page.having("output")[0]["aria-live"] == "polite"
    labelled = tags.count("label")
    assert labelled == tags.count("input")
    for name in page.values("aria-labelledby"):
        assert name in page.values("id")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


INKS = {
    **dict.fromkeys(
        ("soft", "link", "delete", "replace", "manual", "update", "create", "adopt"),
        ("page", "card", "grave"),
    ),
    "ink": ("page", "card", "grave", "warn", "old", "new", "old-mark", "new-mark"),
}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *(pair for ink, grounds in INKS.items() for pair in product([ink], grounds)),
        ("delete", "old"),
        ("create", "new"),
    ],
)
def test_text_has_the_contrast_of_wcag_aa(theme: dict[str, str], ink: str, ground: str) -> None:
    dark, light = sorted((luminance(theme[ink]), luminance(theme[ground])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ('"Old name"', '"New name"', '"[Old] name"', '"[New] name"'),
        ('"camera"', '"bridge"', '["camera"]', '["bridge"]'),
        (
            '["alarm.created", "device.online"]',
            '["alarm.created", "device.offline"]',
            '["alarm.created", "device.[online]"]',
            '["alarm.created", "device.[offline]"]',
        ),
        (
            '["alarm.created"]',
            '["alarm.created", "device.offline"]',
            '["alarm.created"]',
            '["alarm.created"[, "device.offline"]]',
        ),
        ('"1"', "[1, 2]", '["1"]', "[[1, 2]]"),
    ],
)
def test_only_what_moved_is_marked(before: str, after: str, old: str, new: str) -> None:
    def shown(found: tuple[tuple[str, bool], ...]) -> str:
        return "".join(f"[{text}]" if moved else text for text, moved in found)

    left, right = pieces(before, after)
    assert (shown(left), shown(right)) == (old, new)


@given(st.text("ab, "), st.text("ab, "))
def test_the_pieces_of_a_value_are_the_value(before: str, after: str) -> None:
    left, right = pieces(before, after)
    assert "".join(text for text, _ in left) == before
    assert "".join(text for text, _ in right) == after


def test_values_of_a_novel_are_not_compared_for_ever() -> None:
    left, _ = pieces("word " * 100_000, "other " * 100_000)
    assert len(left) == 1


def test_an_empty_plan_says_so_and_offers_nothing_to_choose() -> None:
    page = of(EMPTY)
    assert "No changes." in page.text
    assert page.having("form") == []


def test_a_manual_change_lists_its_steps() -> None:
    change = Change(Address("app", ("acme", "ai")), Action.MANUAL, steps=("Open it.", "Attest it."))
    assert "<li>Open it.</li><li>Attest it.</li>" in html.to_html(replace(PLAN, changes=(change,)))
