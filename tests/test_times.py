"""An instant is written in UTC, wherever it was meant."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from reconciler.times import spoken_utc, utc_text

SEOUL = timezone(timedelta(hours=9))
EVENING = datetime(2026, 11, 20, 18, 0, 5, tzinfo=SEOUL)


@pytest.mark.parametrize(
    ("micro", "precision", "text"),
    [
        (0, "seconds", "2026-11-20T09:00:05Z"),
        (999_999, "seconds", "2026-11-20T09:00:05Z"),
        (1_500, "milliseconds", "2026-11-20T09:00:05.001Z"),
        (1_500, "auto", "2026-11-20T09:00:05.001500Z"),
        (0, "auto", "2026-11-20T09:00:05Z"),
    ],
)
def test_for_programs_as_precise_as_asked(micro: int, precision: str, text: str) -> None:
    assert utc_text(EVENING.replace(microsecond=micro), precision) == text  # type: ignore[arg-type]


def test_for_people_to_the_second() -> None:
    assert utc_text(EVENING) == "2026-11-20T09:00:05Z"
    assert spoken_utc(EVENING) == "2026-11-20 09:00:05 UTC"
