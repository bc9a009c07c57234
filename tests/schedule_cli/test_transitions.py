"""``schedule transitions``: real changes of state, exact to the byte where programs read them."""

# ruff: noqa: E501 - lines as they are printed

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ical.calendar_stream import IcsCalendarStream

from tests.schedule_cli.conftest import MANIFEST, Cli

SPAN = ("--from", "2026-11-20T09:00:00Z", "--to", "2026-11-21T18:00:00Z")

LINES = """\
{"target": "site:acme/hq", "partition": null, "at": "2026-11-20T09:00:00Z", "local": "2026-11-20T18:00:00+09:00", \
"from": "disarmed", "to": "armed_away", "reason": "schedule nights: window fri 18:00-08:00 away"}
{"target": "site:acme/depot", "partition": 2, "at": "2026-11-20T13:00:00Z", "local": "2026-11-20T08:00:00-05:00", \
"from": "armed_away", "to": "disarmed", "reason": "schedule nights: window thu 18:00-08:00 away ends"}
{"target": "site:acme/depot", "partition": 10, "at": "2026-11-20T13:00:00Z", "local": "2026-11-20T13:00:00+00:00", \
"from": "disarmed", "to": "armed_stay", "reason": "schedule stay: window fri 13:00-23:00 stay"}
{"target": "site:acme/depot", "partition": 2, "at": "2026-11-20T23:00:00Z", "local": "2026-11-20T18:00:00-05:00", \
"from": "disarmed", "to": "armed_away", "reason": "schedule nights: window fri 18:00-08:00 away"}
{"target": "site:acme/depot", "partition": 10, "at": "2026-11-20T23:00:00Z", "local": "2026-11-20T23:00:00+00:00", \
"from": "armed_stay", "to": "disarmed", "reason": "schedule stay: window fri 13:00-23:00 stay ends"}
{"target": "site:acme/hq", "partition": null, "at": "2026-11-20T23:00:00Z", "local": "2026-11-21T08:00:00+09:00", \
"from": "armed_away", "to": "disarmed", "reason": "schedule nights: window fri 18:00-08:00 away ends"}
{"target": "site:acme/depot", "partition": 2, "at": "2026-11-21T13:00:00Z", "local": "2026-11-21T08:00:00-05:00", \
"from": "armed_away", "to": "disarmed", "reason": "schedule nights: window fri 18:00-08:00 away ends"}
"""

TEXT = """\
2026-11-20T09:00:00Z  Fri 2026-11-20 18:00 +09:00  site:acme/hq  disarmed -> armed_away      \
schedule nights: window fri 18:00-08:00 away
2026-11-20T23:00:00Z  Sat 2026-11-21 08:00 +09:00  site:acme/hq  armed_away -> disarmed      \
schedule nights: window fri 18:00-08:00 away ends
"""


def test_json_lines_are_exactly_what_is_promised(cli: Cli, project: Path) -> None:
    listed = cli("schedule", "transitions", project, *SPAN, "--format", "jsonl")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out == LINES


def test_the_first_instant_counts_and_the_end_does_not(cli: Cli, project: Path) -> None:
    one = ("schedule", "transitions", project, "-t", "site:acme/hq", "--format", "jsonl")
    until = cli(*one, "--from", "2026-11-20T09:00:00Z", "--to", "2026-11-20T23:00:00Z")
    assert [row["at"] for row in until.rows] == ["2026-11-20T09:00:00Z"]
    assert cli(*one, "--from", "2026-11-20T09:00:00Z", "--to", "2026-11-20T09:00:00Z").out == ""


def test_text_is_for_people(cli: Cli, project: Path) -> None:
    assert cli("schedule", "transitions", project, *SPAN, "-t", "site:acme/hq").out == TEXT


def test_json_says_the_span_and_the_time_zone_data(cli: Cli, project: Path) -> None:
    document = cli("schedule", "transitions", project, *SPAN, "--format", "json").json
    rows = cli("schedule", "transitions", project, *SPAN, "--format", "jsonl").rows
    assert document.pop("tzdata")
    assert document == {
        "from": "2026-11-20T09:00:00Z",
        "to": "2026-11-21T18:00:00Z",
        "transitions": rows,
        "warnings": [],
    }


def test_overrides_count_only_when_asked_for(cli: Cli, project: Path) -> None:
    order = ("--state", "disarmed", "--until", "2026-11-20T12:00Z", "--reason", "Stock")
    cli("override", "set", "site:acme/hq", project, *order)
    one = ("schedule", "transitions", project, *SPAN, "-t", "site:acme/hq", "--format", "jsonl")
    assert [row["at"] for row in cli(*one).rows] == ["2026-11-20T09:00:00Z", "2026-11-20T23:00:00Z"]
    counted = [(row["at"], row["to"]) for row in cli(*one, "--with-overrides").rows]
    assert counted == [
        ("2026-11-20T09:00:00Z", "armed_away"),
        ("2026-11-20T10:00:00Z", "disarmed"),
        ("2026-11-20T12:00:00Z", "armed_away"),
        ("2026-11-20T23:00:00Z", "disarmed"),
    ]


@pytest.mark.parametrize("output_format", ["text", "jsonl", "ics", "html"])
def test_a_window_that_the_clock_skips_is_a_warning_on_stderr(
    cli: Cli, write: Callable[..., Path], output_format: str
) -> None:
    skipped = MANIFEST.replace('[fri], arm: "13:00", disarm: "23:00"', '[sun], arm: "02:00", disarm: "02:30"')
    project = write(skipped.replace("timezone: UTC\nwindows", "timezone: America/New_York\nwindows"))
    span = ("--from", "2026-03-01", "--to", "2026-03-15", "--format", output_format)
    listed = cli("schedule", "transitions", project, *span)
    assert listed.code == 0
    assert listed.err == (
        "Warning: schedule stay: window sun 02:00-02:30 stay: vanishes on 2026-03-08, "
        "since clocks in America/New_York skip all of it\n"
    )


def test_the_end_before_the_beginning_is_an_error(cli: Cli, project: Path) -> None:
    listed = cli("schedule", "transitions", project, "--from", "2026-11-20", "--to", "2026-11-19")
    assert (listed.code, listed.out) == (1, "")
    assert "lies before --from" in listed.err


def test_broken_manifests_are_reported_with_their_place(cli: Cli, write: Callable[..., Path]) -> None:
    project = write(MANIFEST.replace("Asia/Seoul", "Asia/Soul"))
    listed = cli("schedule", "transitions", project, "--format", "json")
    assert listed.code == 1
    assert listed.json["error"]["source"] == {"file": "sites.yaml", "line": 10, "column": 11}


def test_another_library_reads_the_calendar_as_the_armed_spans(cli: Cli, project: Path) -> None:
    text = cli("schedule", "transitions", project, *SPAN, "--format", "ics").out
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    calendar = IcsCalendarStream.calendar_from_ics(text)
    spans = {(event.summary, event.start, event.end) for event in calendar.events}
    utc = dt.UTC
    assert spans == {
        (
            "site:acme/hq armed_away",
            dt.datetime(2026, 11, 20, 9, tzinfo=utc),
            dt.datetime(2026, 11, 20, 23, tzinfo=utc),
        ),
        (
            "site:acme/depot partition 2 armed_away",
            dt.datetime(2026, 11, 20, 9, tzinfo=utc),
            dt.datetime(2026, 11, 20, 13, tzinfo=utc),
        ),
        (
            "site:acme/depot partition 2 armed_away",
            dt.datetime(2026, 11, 20, 23, tzinfo=utc),
            dt.datetime(2026, 11, 21, 13, tzinfo=utc),
        ),
        (
            "site:acme/depot partition 10 armed_stay",
            dt.datetime(2026, 11, 20, 13, tzinfo=utc),
            dt.datetime(2026, 11, 20, 23, tzinfo=utc),
        ),
    }
    assert len({event.uid for event in calendar.events}) == len(calendar.events)


def test_hostile_names_survive_in_the_calendar(cli: Cli, write: Callable[..., Path]) -> None:
    project = write(MANIFEST.replace("id: nights", 'id: "a;b,c"').replace(": nights", ': "a;b,c"'))
    text = cli("schedule", "transitions", project, *SPAN, "-t", "site:acme/hq", "--format", "ics").out
    (event,) = IcsCalendarStream.calendar_from_ics(text).events
    assert event.description == "schedule a;b,c: window fri 18:00-08:00 away"


def test_the_same_question_has_the_same_bytes_in_another_process(project: Path) -> None:
    """Hash seeds differ, and NO_COLOR changes nothing since nothing is coloured."""
    command = [sys.executable, "-m", "reconciler", "schedule", "transitions", str(project), *SPAN]
    outputs = {
        subprocess.run(
            [*command, "--format", "jsonl"],
            env={"PYTHONHASHSEED": seed, "PATH": "", **extra},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed, extra in (("1", {}), ("2", {"NO_COLOR": "1"}))
    }
    assert outputs == {LINES}
