"""``schedule diff``: what a change of manifests, or of time-zone data, does to transitions."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.schedule_cli.conftest import MANIFEST, Cli

Write = Callable[..., Path]
HQ = ("--target", "site:acme/hq")


@pytest.fixture
def compare(cli: Cli, write: Write) -> Callable[..., dict[str, Any]]:
    """The JSON of the difference that an edit of the manifest makes in two days."""

    def compared(old: str, new: str, *options: object) -> dict[str, Any]:
        before, after = write(name="before"), write(MANIFEST.replace(old, new), name="after")
        run = ("schedule", "diff", after, "--against", before, "--days", 2, "--format", "json", *options)
        result: dict[str, Any] = cli(*run).json
        return result

    return compared


def test_a_transition_at_another_time_has_moved(compare: Callable[..., dict[str, Any]]) -> None:
    """It has moved even where that carries it across the end."""
    found = compare('arm: "18:00"', 'arm: "19:30"', *HQ)
    assert found["moved"][-1] == {
        "target": "site:acme/hq",
        "partition": None,
        "at": "2026-11-22T10:30:00Z",
        "local": "2026-11-22T19:30:00+09:00",
        "from": "disarmed",
        "to": "armed_away",
        "reason": "schedule nights: window sun 19:30-08:00 away",
        "was": "2026-11-22T09:00:00Z",
        "was_local": "2026-11-22T18:00:00+09:00",
        "seconds": 5400,
    }
    assert [row["was"] for row in found["moved"]] == ["2026-11-20T09:00:00Z", "2026-11-22T09:00:00Z"]
    assert found["added"] == found["dropped"] == []


def test_added_and_dropped_transitions_are_whole_rows(compare: Callable[..., dict[str, Any]]) -> None:
    found = compare("2026-11-21, windows: []", '2026-11-21, windows: [{arm: "10:00", disarm: "11:00"}]', *HQ)
    assert [(row["at"], row["to"]) for row in found["added"]] == [
        ("2026-11-21T01:00:00Z", "armed_away"),
        ("2026-11-21T02:00:00Z", "disarmed"),
    ]
    assert found["dropped"] == found["moved"] == found["starts"] == []
    turned = compare("Nobody", "Somebody", *HQ)
    assert turned["summary"] == {"added": 0, "dropped": 0, "moved": 0, "kept": 2, "starts": 0}


def test_a_state_that_differs_at_the_beginning_is_told_even_without_transitions(
    compare: Callable[..., dict[str, Any]],
) -> None:
    found = compare("arming: {schedule: nights}\n", "", *HQ)
    assert found["starts"] == [
        {"target": "site:acme/hq", "partition": None, "before": "armed_away", "after": None}
    ]
    assert [row["at"] for row in found["dropped"]] == [
        "2026-11-20T23:00:00Z",
        "2026-11-22T09:00:00Z",
    ]


def test_the_text_reads_like_a_plan(cli: Cli, write: Write) -> None:
    before, after = write(name="before"), write(MANIFEST.replace('disarm: "08:00"', 'disarm: "07:00"'))
    shown = cli("schedule", "diff", after, "--against", before, "--days", 1, *HQ)
    assert shown.out == (
        "~ site:acme/hq  Sat 2026-11-21 08:00 +09:00 -> Sat 2026-11-21 07:00 +09:00  1:00 earlier  "
        "armed_away -> disarmed  schedule nights: window fri 18:00-07:00 away ends\n"
        "0 added, 0 dropped, 1 moved, 0 as before, from 2026-11-20T10:00:00Z to 2026-11-21T10:00:00Z.\n"
    )
    same = cli("schedule", "diff", before, "--against", before, "--days", 1)
    assert same.out == (
        "No difference from 2026-11-20T10:00:00Z to 2026-11-21T10:00:00Z: 5 transitions on both sides.\n"
    )


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of time-zone data in which Seoul keeps New York's time."""
    zones = resources.files("tzdata") / "zoneinfo"
    tree = tmp_path / "release" / "tzdata" / "zoneinfo"
    for name, source in (("Asia/Seoul", "America/New_York"), ("America/New_York", "America/New_York")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes((zones / source).read_bytes())
    (tree / "UTC").write_bytes((zones / "UTC").read_bytes())
    (tree / "tzdata.zi").write_text("# version 2031z\n# and more\n", encoding="utf-8")
    return tmp_path / "release"


def test_a_release_of_time_zone_data_shows_what_it_moves(cli: Cli, project: Path, release: Path) -> None:
    run = ("schedule", "diff", project, "--days", 1, "--format", "json", "--tzdata")
    found = cli(*run, release).json
    assert found["tzdata"]["after"] == "2031z"
    assert found["tzdata"]["before"] != "2031z"
    assert {row["target"] for row in found["added"] + found["dropped"] + found["moved"]} == {"site:acme/hq"}
    wheel = release.parent / "tzdata.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in release.rglob("*"):
            archive.write(file, file.relative_to(release))
    assert cli(*run, wheel).json == found
    assert cli(*run, release / "tzdata").json == found


def test_a_release_without_the_zone_or_none_at_all_is_an_error(
    cli: Cli, project: Path, release: Path, tmp_path: Path
) -> None:
    (release / "tzdata/zoneinfo/Asia/Seoul").unlink()
    assert "has no time zone Asia/Seoul" in cli("schedule", "diff", project, "--tzdata", release).err
    (release / "tzdata/zoneinfo/Asia/Seoul").write_bytes(b"TZif2 and no more")
    assert "has no time zone Asia/Seoul" in cli("schedule", "diff", project, "--tzdata", release).err
    assert "holds no release" in cli("schedule", "diff", project, "--tzdata", project).err
    assert "cannot be read" in cli("schedule", "diff", project, "--tzdata", project / "sites.yaml").err
    assert "holds no release" in cli("schedule", "diff", project, "--tzdata", tmp_path / "nowhere").err


def test_nothing_to_compare_with_is_an_error(cli: Cli, project: Path) -> None:
    found = cli("schedule", "diff", project)
    assert (found.code, found.out) == (1, "")
    assert "--against" in found.err
