"""A small part of ``benchmarks/fuzz.py``, and what a longer run of it has found."""

from __future__ import annotations

import json
import random

import httpx
import pytest

from reconciler.chekt import wire
from reconciler.chekt.paging import Listing, read_all
from reconciler.chekt.transport import Answer
from reconciler.errors import ApiError, RemoteError
from reconciler.redaction import Redactor
from tests.hostile.fuzzing import TARGETS
from tests.hostile.plain import raw_characters


@pytest.mark.parametrize("target", TARGETS)
def test_only_our_own_errors_come_out(target: str) -> None:
    with TARGETS[target]() as read:
        for number in range(400):
            read(random.Random(f"tests {number}"))


@pytest.mark.parametrize("header", ['<//[x>; rel="next"', "<http://[::1>; rel=next"])
def test_a_link_that_is_no_url_is_no_link(header: str) -> None:
    def unexpected(endpoint: str, status: int, what: str) -> ApiError:
        return ApiError(what, status=status, endpoint=endpoint)

    answer = Answer("GET /sites", 200, [{"id": 1}], {"link": header, "x-total-count": "9" * 5000})
    assert read_all(Listing(("sites",), "live", frozenset(), unexpected), lambda _: answer) == [{"id": 1}]


def test_an_id_of_thousands_of_digits_stays_a_text() -> None:
    assert wire.wire_id("9" * 5000) == "9" * 5000
    assert [wire.wire_id(each) for each in ("7", "0", "07", "\u0667")] == [7, 0, "07", "\u0667"]


def test_half_a_character_is_no_part_of_a_path() -> None:
    with pytest.raises(RemoteError, match="cannot stand for site_id"):
        wire.path("/sites/{site_id}", {"site_id": "\ud800"})


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -2300"])
def test_a_date_that_no_clock_shows_is_no_date(date: str) -> None:
    assert wire.http_date(date) is None


@pytest.mark.parametrize("hidden", ["\ufeff", "\ud800", "\xad", "\u2066", "\U000e0041", "\x1b", "\x9b"])
def test_nothing_unseen_passes_in_the_words_of_a_server(hidden: str) -> None:
    said = json.dumps({"error": {"message": f"a{hidden}b", "code": f"c{hidden}"}})
    error = wire.server_error(httpx.Response(400, content=said), Redactor())
    assert not raw_characters(error.message + (error.code or ""))
