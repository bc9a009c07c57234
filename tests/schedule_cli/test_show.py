"""``schedule show``: what should be armed, why, and until when."""

# ruff: noqa: E501 - lines as they are printed

from __future__ import annotations

from pathlib import Path

from tests.schedule_cli.conftest import Cli

TEXT = """\
2026-11-20T10:00:00Z: 2 of 3 armed (tzdata {tzdata})
armed_away   site:acme/depot partition 2  until Fri 2026-11-20 08:00 -05:00 (2026-11-20T13:00:00Z), then disarmed
             schedule nights: window thu 18:00-08:00 away
disarmed     site:acme/depot partition 10  until Fri 2026-11-20 13:00 +00:00 (2026-11-20T13:00:00Z), then armed_stay
             schedule stay: outside its windows
armed_away   site:acme/hq  until Sat 2026-11-21 08:00 +09:00 (2026-11-20T23:00:00Z), then disarmed
             schedule nights: window fri 18:00-08:00 away
"""


def test_the_text_says_state_end_and_reason(cli: Cli, project: Path) -> None:
    shown = cli("schedule", "show", project)
    release = cli("schedule", "show", project, "--format", "json").json["tzdata"]
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == TEXT.format(tzdata=release)


def test_json_has_both_times_and_the_revision(cli: Cli, project: Path) -> None:
    shown = cli("schedule", "show", project, "--target", "site:acme/hq", "--format", "json").json
    (hq,) = shown["targets"]
    assert len(hq.pop("revision")) == 12
    assert shown["at"] == "2026-11-20T10:00:00Z"
    assert hq == {
        "target": "site:acme/hq",
        "partition": None,
        "state": "armed_away",
        "reason": "schedule nights: window fri 18:00-08:00 away",
        "local": "2026-11-20T19:00:00+09:00",
        "until": "2026-11-20T23:00:00Z",
        "until_local": "2026-11-21T08:00:00+09:00",
        "then": "disarmed",
        "timezone": "Asia/Seoul",
        "schedule": "nights",
    }


def test_an_override_counts_and_is_named(cli: Cli, project: Path) -> None:
    cli(
        "override",
        "set",
        "site:acme/hq",
        project,
        "--state",
        "disarmed",
        "--until",
        "+2h",
        "--reason",
        "Stock",
    )
    (hq,) = cli("schedule", "show", project, "-t", "site:acme/hq", "--format", "json").json["targets"]
    assert (hq["state"], hq["until"], hq["then"]) == ("disarmed", "2026-11-20T12:00:00Z", "armed_away")
    assert hq["reason"] == "override until 2026-11-20T12:00:00Z: Stock"


def test_a_partitions_own_override_stands_above_its_sites(cli: Cli, project: Path) -> None:
    order = ("override", "set", "site:acme/depot", project, "--until", "+2h", "--reason", "x", "--state")
    cli(*order, "armed_night", "--partition", 10)
    cli(*order, "armed_away")
    shown = cli("schedule", "show", project, "-t", "site:acme/depot", "--format", "json").json["targets"]
    assert [one["state"] for one in shown] == ["armed_away", "armed_night"]


def test_asking_leaves_no_trace(cli: Cli, project: Path) -> None:
    cli("schedule", "show", project)
    cli("schedule", "transitions", project, "--with-overrides")
    cli("override", "list", project)
    assert [path.name for path in project.iterdir()] == ["sites.yaml"]


def test_a_target_that_matches_no_site_is_an_error_with_a_near_name(cli: Cli, project: Path) -> None:
    shown = cli("schedule", "show", project, "--target", "site:acme/hg")
    assert shown.code == 1
    assert "matches no resource" in shown.err
    assert "site:acme/hq" in shown.err


def test_a_site_without_a_schedule_is_said_to_have_none(cli: Cli, project: Path) -> None:
    shown = cli("schedule", "show", project, "--target", "site:acme/free")
    assert (shown.code, shown.out.splitlines()[0][:36]) == (0, "2026-11-20T10:00:00Z: 0 of 0 armed (")
    assert "No site here has a schedule" in shown.err


def test_a_time_outside_the_known_years_is_an_error(cli: Cli, project: Path) -> None:
    shown = cli("schedule", "show", project, "--at", "2101-01-01", "--format", "json")
    assert (shown.code, shown.json["error"]["code"]) == (1, "invalid_config")


def test_a_time_without_offset_is_an_error(cli: Cli, project: Path) -> None:
    shown = cli("schedule", "show", project, "--at", "2026-11-20T10:00")
    assert shown.code == 1
    assert "has no offset" in shown.err
