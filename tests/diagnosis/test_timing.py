"""What cut-off dates tell of two clocks."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.chekt.probe import Seen
from reconciler.diagnosis.check import Result
from reconciler.diagnosis.timing import clock_check, offset

NOW = 1_790_000_000.0


def _answer(sent_at: float, there: float, back: float, ahead: float) -> Seen:
    """An answer of a server whose clock is ``ahead`` seconds, dated when the request arrived."""
    date = formatdate(math.floor(sent_at + there + ahead), usegmt=True)
    return Seen("/", 200, None, {"date": date}, sent_at, sent_at + there + back)


_TIMES = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0, 2), st.floats(0, 2)).map(
        lambda each: (NOW + each[0], *each[1:])
    ),
    min_size=1,
    max_size=8,
)


@given(_TIMES, st.floats(-30, 30))
def test_the_true_offset_is_always_within_what_is_told(
    samples: list[tuple[float, float, float]], ahead: float
) -> None:
    found = offset([_answer(*sample, ahead) for sample in samples])
    assert found is not None
    assert not found.torn
    assert found.least - 1e-6 <= ahead <= found.most + 1e-6
    assert found.samples == len(samples)


@pytest.mark.parametrize(
    ("ahead", "result", "says"),
    [
        (0.0, Result.OK, "the same as ours"),
        (3.5, Result.OK, "ahead of ours"),
        (-3.5, Result.OK, "behind ours"),
        (5.3, Result.WARNING, "nothing is disarmed"),
        (
            7.0,
            Result.FAILED,
            "6.9 to 7.5 s ahead of ours, by 4 answers; beyond 5 s nothing is disarmed by schedule",
        ),
        (-7.0, Result.FAILED, "behind ours"),
    ],
)
def test_the_five_second_rule(ahead: float, result: Result, says: str) -> None:
    check = clock_check([_answer(NOW + 0.5 * k, 0.05, 0.05, ahead) for k in range(4)])
    assert (check.result, says in check.seen) == (result, True), check
    assert bool(check.to_do) == (result is not Result.OK)


def test_slow_answers_tell_nothing_and_say_so() -> None:
    check = clock_check([_answer(NOW, 10.0, 10.0, 0.0)])
    assert (check.result, "took too long" in check.seen) == (Result.UNKNOWN, True)


def test_machines_that_disagree_are_told_of() -> None:
    check = clock_check([_answer(NOW, 0.01, 0.01, 0.0), _answer(NOW, 0.01, 0.01, 4.0)])
    assert (check.result, "disagree" in check.seen) == (Result.WARNING, True)


def test_no_date_is_no_verdict() -> None:
    assert clock_check([Seen("/", 200)]).result is Result.UNKNOWN
