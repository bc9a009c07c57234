"""Time zones come from the tzdata package, and local times are checked by round trip."""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
import zoneinfo

import pytest
import tzdata

from reconciler.arming.zones import Zone, tzdata_version, zone
from reconciler.errors import ManifestError
from tests.arming.minute_scan import NASTY_ZONES, load_zone

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001


def local_seconds(text: str) -> int:
    return int((dt.datetime.fromisoformat(text) - EPOCH).total_seconds())


def shown(found: Zone, instants: tuple[int, ...]) -> list[str]:
    return [found.local(dt.datetime.fromtimestamp(at, dt.UTC)).isoformat() for at in instants]


@pytest.mark.parametrize("name", NASTY_ZONES)
def test_offsets_agree_with_zoneinfo_at_random_instants(name: str) -> None:
    rng, tz, found = random.Random(name), load_zone(name), zone(name)
    instants = [rng.randrange(0, 4_102_444_800) for _ in range(300)]
    instants += [change.at + near for change in found.changes[-40:] for near in (-1, 0, 1)]
    for at in instants:
        utc = EPOCH + dt.timedelta(seconds=at)
        expected = tz.fromutc(utc.replace(tzinfo=tz)).replace(tzinfo=None) - utc
        assert dt.timedelta(seconds=found.offset_at(at)) == expected


@pytest.mark.parametrize("name", NASTY_ZONES)
def test_every_instant_is_an_occurrence_of_the_local_time_it_shows(name: str) -> None:
    rng, found = random.Random(name), zone(name)
    near = [change.at + rng.randint(-90_000, 90_000) for change in found.changes if change.at > 0]
    for at in near:
        occurrences = found.occurrences(at + found.offset_at(at))
        assert at in occurrences
        assert list(occurrences) == sorted(set(occurrences))
        assert len(occurrences) <= 2


@pytest.mark.parametrize(
    ("name", "local", "expected"),
    [
        ("America/New_York", "2024-11-03T00:59:59", ["2024-11-03T00:59:59-04:00"]),
        (
            "America/New_York",
            "2024-11-03T01:00:00",
            ["2024-11-03T01:00:00-04:00", "2024-11-03T01:00:00-05:00"],
        ),
        ("America/New_York", "2024-11-03T02:00:00", ["2024-11-03T02:00:00-05:00"]),
        ("America/New_York", "2024-03-10T02:00:00", []),
        ("America/New_York", "2024-03-10T03:00:00", ["2024-03-10T03:00:00-04:00"]),
        ("America/Nuuk", "2023-10-28T23:30:00", ["2023-10-28T23:30:00-02:00"]),
        ("Pacific/Apia", "2011-12-30T12:00:00", []),
        ("Africa/Monrovia", "1972-01-06T12:00:00", ["1972-01-06T12:00:00-00:44:30"]),
    ],
)
def test_a_local_time_is_shown_once_twice_or_never(name: str, local: str, expected: list[str]) -> None:
    found = zone(name)
    assert shown(found, found.occurrences(local_seconds(local))) == expected


def test_a_time_in_a_gap_stands_for_the_instant_of_the_change() -> None:
    found = zone("Pacific/Apia")
    for local in ("2011-12-30T00:00:00", "2011-12-30T23:59:59"):
        assert shown(found, (found.first(local_seconds(local)),)) == ["2011-12-31T00:00:00+14:00"]
        assert found.first(local_seconds(local)) == found.last(local_seconds(local))


def test_the_version_is_that_of_the_tzdata_package() -> None:
    assert tzdata_version() == tzdata.IANA_VERSION


def test_neither_the_system_nor_pythontzpath_decides(tmp_path: object) -> None:
    # The path holds a Seoul that is Honolulu; zoneinfo itself falls for it.
    program = (
        "import sys, zoneinfo, pathlib, tzdata\n"
        "here = pathlib.Path(sys.argv[1]); (here / 'Asia').mkdir()\n"
        "data = pathlib.Path(tzdata.__file__).parent / 'zoneinfo' / 'Pacific' / 'Honolulu'\n"
        "(here / 'Asia' / 'Seoul').write_bytes(data.read_bytes())\n"
        "zoneinfo.reset_tzpath([str(here)])\n"
        "from reconciler.arming.zones import zone\n"
        "import datetime as dt\n"
        "now = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)\n"
        "print(now.astimezone(zoneinfo.ZoneInfo('Asia/Seoul')).hour, zone('Asia/Seoul').local(now).hour)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["14", "9"]


def test_an_unknown_zone_is_an_error_that_names_the_release() -> None:
    with pytest.raises(ManifestError, match=r"'Mars/Olympus' .* tzdata") as caught:
        zone("Mars/Olympus")
    assert caught.value.hint


def test_the_zone_of_the_answer_is_not_the_systems() -> None:
    assert zone("Asia/Seoul").tz is not zoneinfo.ZoneInfo("Asia/Seoul")
