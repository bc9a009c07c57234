"""The page of week grids: self-contained, safe with hostile names, readable without colours."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.schedule_cli.conftest import MANIFEST, Cli

VOID = {"meta"}


class Outline(HTMLParser):
    """Checks that every element is closed in order; collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def labels(self) -> list[str]:
        """What a screen reader says of every day."""
        return [attrs["aria-label"] or "" for _, attrs in self.tags if "aria-label" in attrs]


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


@pytest.fixture
def page(cli: Cli) -> Callable[..., str]:
    """The page of a project."""

    def made(project: Path, *options: object) -> str:
        result = cli("schedule", "transitions", project, "--format", "html", *options)
        assert result.code == 0, result.err
        return result.out

    return made


def test_every_day_is_told_in_words(page: Callable[..., str], project: Path) -> None:
    labels = outline(
        page(project, "--from", "2026-11-20", "--to", "2026-11-23", "-t", "site:acme/hq")
    ).labels()
    assert labels == [
        "Fri 20 Nov: armed away 00:00 to 08:00, disarmed 08:00 to 18:00, armed away 18:00 to 24:00",
        "Sat 21 Nov: armed away 00:00 to 08:00, disarmed 08:00 to 24:00",
        "Sun 22 Nov: disarmed 00:00 to 18:00, armed away 18:00 to 24:00",
    ]


def test_exceptions_calendars_and_overrides_are_marked(
    cli: Cli, page: Callable[..., str], project: Path
) -> None:
    order = ("--state", "armed_stay", "--until", "+2h", "--reason", "Stocktaking")
    cli("override", "set", "site:acme/hq", project, *order)
    text = "".join(outline(page(project, "--from", "2026-11-20", "--to", "+8d", "--with-overrides")).text)
    assert "exception" in text
    assert "calendar feast" in text
    assert "19:00 to 21:00 armed_stay: override until 2026-11-20T12:00:00Z: Stocktaking" in text
    assert "Stocktaking" not in page(project, "--from", "2026-11-20")


@pytest.mark.parametrize(
    ("zone", "first", "note", "label"),
    [
        ("America/New_York", "2026-11-01", "clocks go back 02:00 to 01:00, a day of 25 h", "Sun 1 Nov: "),
        ("America/New_York", "2026-03-08", "clocks go forward 02:00 to 03:00, a day of 23 h", "Sun 8 Mar: "),
        (
            "Australia/Lord_Howe",
            "2026-10-04",
            "clocks go forward 02:00 to 02:30, a day of 23 h 30 min",
            "Sun 4",
        ),
        ("Pacific/Apia", "2011-12-30", "clocks skip this date", "Fri 30 Dec: no such day"),
    ],
)
def test_days_of_clock_changes_say_so(
    page: Callable[..., str], write: Callable[..., Path], zone: str, first: str, note: str, label: str
) -> None:
    project = write(MANIFEST.replace("Asia/Seoul", zone))
    parsed = outline(page(project, "--from", first, "--to", "+1d", "-t", "site:acme/hq"))
    assert note in "".join(parsed.text)
    (said,) = parsed.labels()
    assert said.startswith(label)


def test_the_bars_of_a_day_fill_it_whatever_its_length(page: Callable[..., str], project: Path) -> None:
    made = page(project, "--from", "2026-10-30", "--to", "+4d", "-t", "site:acme/depot")
    for day in re.findall(r'role="img".*?</div>', made):
        bars = re.findall(r'class="bar [^>]*left:([\d.]+)%;width:([\d.]+)%', day)
        edge = 0.0
        for left, width in bars:
            assert float(left) == pytest.approx(edge, abs=0.001)
            edge = float(left) + float(width)
        assert edge == pytest.approx(100, abs=0.001)


def test_nothing_is_fetched_and_nothing_runs(page: Callable[..., str], project: Path) -> None:
    made = page(project)
    parsed = outline(made)
    assert not re.search(r"https?:|//|url\(|@import", made.replace("<!doctype html>", ""))
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in parsed.tags}
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on") or name == "src"]
    assert "default-src 'none'" in made


def test_hostile_names_are_only_text(page: Callable[..., str], write: Callable[..., Path]) -> None:
    name = "</h2><script>alert(1)</script>\\u202e&\\\"'"
    project = write(
        MANIFEST.replace("name: Headquarters", f'name: "{name}"')
        .replace("id: nights", 'id: "<b>&\\"x"')
        .replace(": nights", ': "<b>&\\"x"')
    )
    parsed = outline(page(project))
    assert "script" not in {tag for tag, _ in parsed.tags}
    known = {"lang", "charset", "http-equiv", "content", "name", "class", "style", "title", "role", "scope"}
    assert {name for _, attrs in parsed.tags for name in attrs} <= known | {"aria-hidden", "aria-label"}
    text = "".join(parsed.text)
    assert "</h2><script>alert(1)</script>\\u202e&\"'" in text
    assert '<b>&"x' in text


def test_many_sites_share_cards_and_the_page_stays_small(
    page: Callable[..., str], write: Callable[..., Path]
) -> None:
    site = (
        "\n---\nkind: site\nid: s{0}\ndealer: acme\nname: Shop {0}\ntimezone: {1}\n"
        "arming: {{schedule: nights}}\n"
    )
    zones = ("Asia/Seoul", "Europe/Paris", "America/Chicago")
    many = MANIFEST + "".join(site.format(number, zones[number % 3]) for number in range(600))
    made = page(write(many), "--to", "+28d")
    parsed = outline(made)
    assert sum(tag == "article" for tag, _ in parsed.tags) == 5
    assert "201 sites and partitions armed alike" in "".join(parsed.text)
    assert len(made) < 400_000


def test_more_groups_than_a_page_holds_are_counted(
    page: Callable[..., str], write: Callable[..., Path]
) -> None:
    pair = (
        "\n---\nkind: schedule\nid: w{0}\nwindows: [{{days: [mon], arm: '{1:02d}:{2:02d}', disarm: '23:30'}}]"
        "\n---\nkind: site\nid: s{0}\ndealer: acme\nname: Shop {0}\ntimezone: UTC\n"
        "arming: {{schedule: w{0}}}\n"
    )
    many = MANIFEST + "".join(pair.format(number, number // 60, number % 60) for number in range(60))
    made = page(write(many), "--to", "+60d")
    assert sum(tag == "article" for tag, _ in outline(made).tags) == 25
    assert "38 more sites and partitions in 38 groups are not drawn" in made


def test_a_span_longer_than_a_quarter_is_refused(cli: Cli, project: Path) -> None:
    refused = cli("schedule", "transitions", project, "--format", "html", "--to", "+93d")
    assert (refused.code, refused.out) == (1, "")
    assert "at most 92 days" in refused.err
