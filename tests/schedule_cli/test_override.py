"""``override``: orders that stand above the schedule, with their author, end and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.schedule_cli.conftest import MANIFEST, Cli

SET = ("--state", "disarmed", "--until", "+2h", "--reason", "Stocktaking")


def test_an_override_is_set_listed_and_cleared(cli: Cli, project: Path) -> None:
    line = (
        "disarmed     site:acme/hq  until Fri 2026-11-20 21:00 +09:00 (2026-11-20T12:00:00Z): "
        "Stocktaking (guard, 2026-11-20T10:00:00Z)\n"
    )
    made = cli("override", "set", "site:acme/hq", project, *SET)
    assert (made.code, made.out, made.err) == (0, line, "")
    assert cli("override", "list", project).out == line
    assert cli("override", "clear", "site:acme/hq", project).code == 0
    assert cli("override", "list", project).out == "No override is in force.\n"


def test_json_lists_all_that_is_known(cli: Cli, project: Path) -> None:
    cli("override", "set", "site:acme/depot", project, "--partition", 2, *SET)
    assert cli("override", "list", project, "--format", "json").json == {
        "environment": "embedded",
        "overrides": [
            {
                "target": "site:acme/depot",
                "partition": 2,
                "state": "disarmed",
                "until": "2026-11-20T12:00:00Z",
                "reason": "Stocktaking",
                "made_by": "guard",
                "created_at": "2026-11-20T10:00:00Z",
            }
        ],
    }


def test_a_new_override_replaces_the_one_in_force(cli: Cli, project: Path) -> None:
    cli("override", "set", "site:acme/hq", project, *SET)
    cli("override", "set", "site:acme/hq", project, *SET[2:], "--state", "armed_stay")
    (one,) = cli("override", "list", project, "--format", "json").json["overrides"]
    assert one["state"] == "armed_stay"


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("site:acme/hg", SET, "did you mean site:acme/hq "),
        ("site:acme/free", SET, "no schedule arms site:acme/free"),
        ("site:acme/hq", ("--partition", 1, *SET), "leave --partition out"),
        ("site:acme/depot", ("--partition", 3, *SET), "write one of 2, 10"),
        ("dealer:acme", SET, "is no site"),
        ("hq", SET, "is not an address"),
        ("site:acme/hq", ("--state", "open", *SET[2:]), "armed_stay"),
        ("site:acme/hq", ("--until", "now", *SET[:2], *SET[4:]), "has passed"),
        ("site:acme/hq", ("--until", "2026-11-20T21:00", *SET[:2], *SET[4:]), "has no offset"),
        ("site:acme/hq", ("--reason", "  ", *SET[:4]), "--reason is empty"),
        ("site:acme/hq", SET[:4], "--reason"),
    ],
)
def test_a_mistake_is_refused_with_the_way_out(
    cli: Cli, project: Path, target: str, options: tuple[object, ...], said: str
) -> None:
    made = cli("override", "set", target, project, *options)
    assert (made.code, made.out) == (1, "")
    assert said in made.err
    assert cli("override", "list", project).out == "No override is in force.\n"


def test_clearing_what_is_not_there_is_an_error(cli: Cli, project: Path) -> None:
    cli("override", "set", "site:acme/depot", project, "--partition", 2, *SET)
    cleared = cli("override", "clear", "site:acme/depot", project)
    assert cleared.code == 1
    assert "no override is in force for site:acme/depot" in cleared.err
    assert cli("override", "clear", "site:acme/depot", project, "--partition", 2).code == 0


def test_the_override_of_a_site_that_left_can_still_be_cleared(cli: Cli, project: Path) -> None:
    cli("override", "set", "site:acme/hq", project, *SET)
    (project / "sites.yaml").write_text(MANIFEST.replace("id: hq", "id: annex"), encoding="utf-8")
    assert "[no schedule arms it]" in cli("override", "list", project).out
    assert cli("override", "clear", "site:acme/hq", project).code == 0


def test_a_reason_cannot_drive_the_terminal(cli: Cli, project: Path) -> None:
    made = cli("override", "set", "site:acme/hq", project, *SET[:4], "--reason", "\x1b[31mred")
    assert "\x1b" not in made.out
