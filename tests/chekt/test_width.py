"""As many requests in flight as are of use, and no more."""

from __future__ import annotations

import threading

import httpx
import pytest

from reconciler.chekt.width import Width
from tests.chekt.conftest import Lab


def after(width: Width, times: int, seconds: float, waited: float = 0.0, per_second: float = 80.0) -> int:
    for _ in range(times):
        width.answered("GET", seconds, waited, lambda: per_second)
    return width.worth(64)


def test_steady_answers_raise_it_to_what_was_asked_for_at_most() -> None:
    width = Width()
    assert width.worth(64) == 8
    assert after(width, 3000, 0.02) == 64
    assert width.worth(16) == 16


@pytest.mark.parametrize(
    ("seconds", "per_second", "needed"), [(0.05, 80.0, 6), (0.5, 80.0, 42), (0.01, 16.0, 3)]
)
def test_waiting_for_tokens_lowers_it_to_what_the_rate_needs(
    seconds: float, per_second: float, needed: int
) -> None:
    width = Width()
    after(width, 3000, seconds)
    assert after(width, 60, seconds, 0.1, per_second) == pytest.approx(needed, abs=1)


def test_slow_answers_lower_it_but_not_to_one() -> None:
    width = Width()
    after(width, 3000, 0.05)
    assert after(width, 10, 1.0) < 64
    assert after(width, 200, 1.0) == 4


def test_each_refusal_halves_it() -> None:
    width = Width()
    for expected in (4, 2, 1, 1):
        width.refused()
        assert width.worth(64) == expected


def test_a_429_of_the_server_is_heeded(lab: Lab) -> None:
    answers = iter([httpx.Response(429, headers={"Retry-After": "1"}), httpx.Response(200, json=[])])
    with lab.client(lambda _request: next(answers)) as client:
        client.list("site", ("5",))
        assert client.transport.width.worth(64) <= 4


def test_threads_may_tell_it_at_once() -> None:
    width = Width()
    threads = [threading.Thread(target=after, args=(width, 200, 0.01)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 8 < width.worth(64) <= 64
