"""What is tried again and what is not, how long is waited, and what an error tells."""

from __future__ import annotations

import httpx
import pytest

from reconciler.errors import ApiError, AuthError, RemoteError
from reconciler.model import Address, JsonValue, Surface
from reconciler.writes import Write
from tests.chekt.conftest import KEY, TOKEN, Lab, Serve, always, in_turn

UPDATE = Write("update", Address("site", ("acme", "hq")), ("5",), "17", "hq", {"name": "New"}, "key-1")
OK = {"site_id": 17, "external_site_id": "hq", "name": "New"}
ENDPOINT = "/partner/v1/dealers/5/sites"


def error(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"message": "sorry"}, headers=headers)


def read(lab: Lab, *answers: httpx.Response | Exception) -> None:
    with lab.client(in_turn(*answers)) as client:
        client.list("site", ("5",))


EMPTY = httpx.Response(200, json=[])


@pytest.mark.parametrize(
    ("failure", "waits"),
    [
        (error(429, **{"Retry-After": "7"}), [7.0]),
        (error(503, **{"Retry-After": "3"}), [3.0]),
        (error(500), [1.0]),
        (error(408), [1.0]),
        (httpx.ReadTimeout("slow"), [1.0]),
        (httpx.ConnectError("refused"), [1.0]),
        (httpx.RemoteProtocolError("reset"), [1.0]),
    ],
)
def test_a_read_is_tried_again(lab: Lab, failure: httpx.Response | Exception, waits: list[float]) -> None:
    read(lab, failure, EMPTY)
    assert lab.clock.slept[:1] == waits
    assert sum(lab.clock.slept) < sum(waits) + 0.1


def test_retry_after_as_a_date_is_measured_against_the_servers_clock(lab: Lab) -> None:
    dates = {"Date": "Fri, 20 Nov 2026 10:00:00 GMT", "Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT"}
    read(lab, error(503, **dates), EMPTY)
    assert lab.clock.slept == [9.0]


@pytest.mark.parametrize("nonsense", ["soon", "", "nan", "inf", "-5"])
def test_an_unusable_retry_after_falls_back(lab: Lab, nonsense: str) -> None:
    read(lab, error(503, **{"Retry-After": nonsense}), EMPTY)
    assert lab.clock.slept[0] <= 1.0


def test_after_five_retries_the_last_error_is_raised(lab: Lab) -> None:
    with pytest.raises(ApiError) as caught:
        read(lab, *[error(500) for _ in range(6)])
    assert lab.clock.slept == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert caught.value.status == 500


def test_a_wait_beyond_reason_is_reported_instead_of_slept(lab: Lab) -> None:
    with pytest.raises(ApiError):
        read(lab, error(429, **{"Retry-After": "3600"}))
    assert lab.clock.slept == []


def outcome(lab: Lab, serve: Serve) -> tuple[str, str]:
    with lab.client(serve) as client:
        (result,) = client.write([UPDATE])
    kind = "unknown" if result.ambiguous else "failed" if result.error else "done"
    return kind, result.error or ""


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("closed"),
        httpx.DecodingError("bad gzip"),
        error(500),
        error(502),
        error(503, **{"Retry-After": "1"}),
        error(408),
        httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
        httpx.Response(200, text='{"site_id": 1', headers={"Content-Type": "application/json"}),
    ],
)
def test_an_ambiguous_write_is_sent_once_and_reported_as_unknown(
    lab: Lab, failure: httpx.Response | Exception
) -> None:
    assert outcome(lab, in_turn(failure))[0] == "unknown"
    assert lab.clock.slept == []


@pytest.mark.parametrize(
    "failure",
    [error(429, **{"Retry-After": "2"}), httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")],
)
def test_a_write_that_was_not_executed_is_repeated_under_its_key(
    lab: Lab, failure: httpx.Response | Exception
) -> None:
    assert outcome(lab, in_turn(failure, httpx.Response(200, json=OK)))[0] == "done"
    assert [request.headers["Idempotency-Key"] for request in lab.seen] == ["key-1", "key-1"]


@pytest.mark.parametrize("status", [301, 400, 403, 404, 409, 422])
def test_a_refused_write_is_reported_and_not_repeated(lab: Lab, status: int) -> None:
    kind, message = outcome(lab, in_turn(error(status)))
    assert kind == "failed"
    assert str(status) in message
    assert "sorry" in message


def test_an_idempotency_conflict_is_a_failure(lab: Lab) -> None:
    body = {"error": {"code": "idempotency_conflict", "message": "key reused"}}
    kind, message = outcome(lab, always(409, json=body))
    assert (kind, "idempotency_conflict" in message) == ("failed", True)


def test_one_trace_id_goes_with_every_request_of_a_run(lab: Lab) -> None:
    with lab.client(always(200, json=[])) as client:
        client.list("site", ("5",))
        client.write([UPDATE])
    assert {request.headers["x-partner-trace-id"] for request in lab.seen} == {client.trace_id}
    assert all(request.headers["User-Agent"].startswith("chekt-reconciler/") for request in lab.seen)
    assert "Idempotency-Key" not in lab.seen[0].headers
    assert "Content-Type" not in lab.seen[0].headers
    assert lab.seen[1].headers["Content-Type"] == "application/json"


def test_both_timeouts_are_set(lab: Lab) -> None:
    with lab.client(always(200, json=[]), connect_timeout=3.0, read_timeout=9.0) as client:
        client.list("site", ("5",))
    timeout = lab.seen[0].extensions["timeout"]
    assert (timeout["connect"], timeout["read"], timeout["write"]) == (3.0, 9.0, 9.0)


@pytest.mark.parametrize(
    ("body", "message", "code", "field"),
    [
        (
            {"error": {"code": "bad", "message": "Wrong", "field": "name", "request_id": "r-1"}},
            "Wrong",
            "bad",
            "name",
        ),
        (
            {"error": "ValidationError", "message": "Wrong", "details": {"field": "name", "required": True}},
            "Wrong",
            "ValidationError",
            "name",
        ),
        ({"error": {"message": "Wrong", "detail": {"a": 1}}}, 'Wrong ({"a": 1})', None, None),
        ({"message": "Wrong"}, "Wrong", None, None),
        ({"error": "Wrong"}, "Wrong", "Wrong", None),
        ({"surprise": True}, '{"surprise"', None, None),
        ([], "[]", None, None),
    ],
)
def test_the_four_error_shapes_are_read(
    lab: Lab, body: JsonValue, message: str, code: str | None, field: str | None
) -> None:
    with pytest.raises(ApiError) as caught:
        read(lab, httpx.Response(400, json=body))
    assert message in caught.value.message
    assert (caught.value.server_code, caught.value.field) == (code, field)
    assert caught.value.status == 400
    assert caught.value.endpoint == f"GET {ENDPOINT}"
    assert caught.value.trace_id


def test_an_error_page_is_named_not_quoted(lab: Lab) -> None:
    page = "<!DOCTYPE html><html><title>502 Bad Gateway</title>" + "<p>" * 5000
    with pytest.raises(ApiError) as caught:
        read(lab, httpx.Response(404, html=page))
    assert "an HTML page, titled '502 Bad Gateway'" in caught.value.message


def test_server_text_is_one_bounded_line_without_escapes(lab: Lab) -> None:
    with pytest.raises(ApiError) as caught:
        read(lab, httpx.Response(400, json={"message": "a\x1b[31m\n::error::b" + "x" * 9999}))
    assert "\n" not in caught.value.message
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(200, html="<html>login</html>"), "received text/html"),
        (httpx.Response(200, text="[{", headers={"Content-Type": "application/json"}), "does not parse"),
        (httpx.Response(200, text="[NaN]", headers={"Content-Type": "application/json"}), "does not parse"),
        (httpx.Response(200, content=b"[\xff]"), "not UTF-8"),
        (httpx.Response(200, text="[" * 100_000), "nested too deeply"),
        (httpx.Response(200), "an empty body"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example.com"}), "302"),
    ],
)
def test_a_success_that_is_no_list_says_what_was_expected_where(
    lab: Lab, answer: httpx.Response, says: str
) -> None:
    with pytest.raises(ApiError) as caught:
        read(lab, answer)
    assert says in caught.value.message
    assert ENDPOINT in caught.value.message


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_an_auth_error(lab: Lab, status: int) -> None:
    client = lab.client(always(status, json={"message": "no"}), "dealer")
    with client, pytest.raises(AuthError, match=f"answered {status}: no"):
        client.list("contact", ("5", "17"))
    assert len(lab.seen) == 1


@pytest.mark.parametrize(("surface", "secret"), [("partner", TOKEN), ("dealer", KEY)])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_nothing_shown_holds_a_credential(lab: Lab, surface: Surface, secret: str, status: int) -> None:
    client = lab.client(always(status, json={"message": f"you sent {secret}"}), surface)
    with client, pytest.raises(RemoteError) as caught:
        client.list("contact", ("5", "17"))
    assert "you sent ***" in caught.value.message
    shown = f"{caught.value!r} {caught.value.to_json()} {lab.lines} {client.connection!r} {client!r}"
    assert "planted" not in shown
    assert lab.lines
