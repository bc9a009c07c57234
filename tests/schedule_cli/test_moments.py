"""Times on the command line: with an offset, a date, now, or so much later."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.cli.moments import moment
from reconciler.errors import ConfigError

NOW = datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=UTC)

READ = {
    "now": NOW,
    "NOW": NOW,
    "2026-11-20T18:00+09:00": datetime(2026, 11, 20, 9, tzinfo=UTC),
    "2026-11-20T09:00:00Z": datetime(2026, 11, 20, 9, tzinfo=UTC),
    "2026-11-20 09:00Z": datetime(2026, 11, 20, 9, tzinfo=UTC),
    "2026-11-20": datetime(2026, 11, 20, tzinfo=UTC),
    "+90s": datetime(2026, 11, 20, 10, 1, 30, 250_000, tzinfo=UTC),
    "+30m": datetime(2026, 11, 20, 10, 30, 0, 250_000, tzinfo=UTC),
    "+2h": datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC),
    "+7d": datetime(2026, 11, 27, 10, 0, 0, 250_000, tzinfo=UTC),
    "+1w": datetime(2026, 11, 27, 10, 0, 0, 250_000, tzinfo=UTC),
}


@pytest.mark.parametrize("text", READ)
def test_a_time_is_read_as_one_instant(text: str) -> None:
    assert moment("--at", text, NOW) == READ[text]


def test_so_much_later_counts_from_the_other_time() -> None:
    start = datetime(2027, 1, 1, tzinfo=UTC)
    assert moment("--to", "+1d", NOW, after=start) == datetime(2027, 1, 2, tzinfo=UTC)


def test_a_time_without_an_offset_is_refused_since_zones_differ() -> None:
    with pytest.raises(ConfigError, match="has no offset from UTC") as caught:
        moment("--at", "2026-11-20T18:00", NOW)
    assert "2026-11-20T18:00+09:00" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-11-31",
        "2026-11-20T25:00Z",
        "+2",
        "+-2h",
        "-2h",
        "+999999w",
        "0001-01-01T00:00+09:00",
    ],
)
def test_what_is_no_time_is_an_error_that_names_the_option(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--until "):
        moment("--until", text, NOW)
