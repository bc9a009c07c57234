"""What the log shows of a message: enough to understand it, nothing that opens a door."""

from __future__ import annotations

import httpx
import pytest

from tests.chekt.conftest import KEY, TOKEN, Lab, in_turn


def shown(lab: Lab, body: str, **headers: str) -> str:
    """What is logged of a list that is answered with ``body``."""
    answer = httpx.Response(404, content=body.encode(), headers=headers)
    with lab.client(in_turn(answer), "dealer") as client, pytest.raises(Exception, match="404"):
        client.list("contact", ("5", "7"))
    return "\n".join(lab.lines)


@pytest.mark.parametrize(
    "body",
    [
        '{"secret": "their-own-value"}',
        '{"webhook": {"Client_Secret" : "their-own-value"}}',
        '{"access_token": "their-own-value", "x": 1}',
        '{"password": "their-own-\\"value"}',
        '{"apiKey": "their-own-value',
        '{"user_code": 4711}',
        f'{{"message": "you sent {KEY}"}}',
    ],
)
def test_secrets_in_a_body_are_masked_even_those_of_others(lab: Lab, body: str) -> None:
    text = shown(lab, body)
    assert "***" in text
    for secret in ("their-own", "4711", KEY):
        assert secret not in text


@pytest.mark.parametrize(
    "name", ["Set-Cookie", "X-Auth-Token", "X-CHeKT-Signature", "Proxy-Authorization", "X-Api-Key"]
)
def test_headers_that_carry_secrets_are_masked(lab: Lab, name: str) -> None:
    assert "their-own-value" not in shown(lab, "{}", **{name: "their-own-value"})


def test_what_is_needed_to_follow_a_request_stays(lab: Lab) -> None:
    text = shown(lab, '{"message": "no such site", "request_id": "r-17"}', **{"X-RateLimit-Remaining": "7"})
    for part in (
        "GET /ext/v1/",
        "404",
        "no such site",
        "r-17",
        "x-ratelimit-remaining: 7",
        "x-partner-trace-id: ",
    ):
        assert part in text


def test_bodies_are_shortened(lab: Lab) -> None:
    assert len(shown(lab, '{"message": "' + "x" * 100_000 + '"}')) < 4000


def test_a_token_request_is_told_without_its_body(lab: Lab) -> None:
    with lab.client(in_turn(httpx.Response(200, json=[]))) as client:
        client.list("site", ("5",))
    text = "\n".join(lab.lines)
    assert "POST /oauth/token: 200" in text
    assert TOKEN not in text
    assert "grant_type" not in text
