"""Lists are read to their end: every way of announcing more is followed, nothing is read for ever."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import ApiError
from reconciler.model import JsonObject, JsonValue
from tests.chekt.conftest import Lab, Serve, always


def sites(first: int, count: int) -> list[JsonValue]:
    return [{"site_id": n, "name": f"Site {n}"} for n in range(first, first + count)]


def number(request: httpx.Request, name: str, default: int) -> int:
    return int(request.url.params.get(name, default))


def by_cursor(total: int, size: int) -> Serve:
    def serve(request: httpx.Request) -> httpx.Response:
        start = number(request, "cursor", 0)
        more = start + size < total
        page = {"cursor": start + size if more else None, "has_more": more}
        return httpx.Response(200, json={"data": sites(start, min(size, total - start)), "page": page})

    return serve


def by_total(total: int, size: int) -> Serve:
    def serve(request: httpx.Request) -> httpx.Response:
        start = (number(request, "page", 1) - 1) * size
        body = {"sites": sites(start, max(0, min(size, total - start))), "total_count": total}
        return httpx.Response(200, json={"data": body, "meta": {"timestamp": "now"}})

    return serve


def by_link(total: int, size: int) -> Serve:
    def serve(request: httpx.Request) -> httpx.Response:
        start = number(request, "offset", 0)
        link = f'<https://api.example.com{request.url.path}?offset={start + size}>; rel="next"'
        headers = {"Link": link} if start + size < total else {}
        return httpx.Response(200, json=sites(start, min(size, total - start)), headers=headers)

    return serve


def by_header_total(total: int, size: int) -> Serve:
    def serve(request: httpx.Request) -> httpx.Response:
        start = (number(request, "page", 1) - 1) * size
        page = sites(start, max(0, min(size, total - start)))
        return httpx.Response(200, json=page, headers={"X-Total-Count": str(total)})

    return serve


def by_has_more_alone(total: int, size: int) -> Serve:
    def serve(request: httpx.Request) -> httpx.Response:
        start = (number(request, "page", 1) - 1) * size
        page = {"data": sites(start, max(0, min(size, total - start))), "has_more": start + size < total}
        return httpx.Response(200, json=page)

    return serve


def silent(total: int, limit: int) -> Serve:
    """A bare array that is cut without a word; ``page`` and ``per_page`` are honoured."""

    def serve(request: httpx.Request) -> httpx.Response:
        size = min(number(request, "per_page", limit), limit)
        start = (number(request, "page", 1) - 1) * size
        return httpx.Response(200, json=sites(start, max(0, min(size, total - start))))

    return serve


def ids(lab: Lab, serve: Serve, **changes: object) -> list[str]:
    with lab.client(serve, **changes) as client:  # type: ignore[arg-type]
        return [live.remote_id for live in client.list("site", ("5",))]


@pytest.mark.parametrize("way", [by_cursor, by_total, by_link, by_header_total, by_has_more_alone])
@given(total=st.integers(0, 25), size=st.integers(1, 7))
@settings(max_examples=25, deadline=None)
def test_every_announced_page_is_read_and_none_besides(way: object, total: int, size: int) -> None:
    lab = Lab()
    assert ids(lab, way(total, size)) == [str(n) for n in range(total)]  # type: ignore[operator]
    assert len(lab.seen) == max(1, -(-total // size))


@pytest.mark.parametrize(("total", "requests"), [(49, 1), (50, 2), (51, 2), (100, 3), (101, 3)])
def test_a_list_cut_in_silence_is_found_where_the_size_of_a_page_is_known(
    lab: Lab, total: int, requests: int
) -> None:
    read = ids(lab, silent(total, 50), page_sizes=frozenset({50}))
    assert read == [str(n) for n in range(total)]
    assert len(lab.seen) == requests


@pytest.mark.parametrize("answer", [None, 400, 404, 422])
def test_a_server_that_knows_no_pages_is_taken_at_its_word(lab: Lab, answer: int | None) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if answer is not None and "page" in request.url.params:
            return httpx.Response(answer, json={"message": "unknown parameter"})
        return httpx.Response(200, json=sites(0, 50))

    assert len(ids(lab, serve, page_sizes=frozenset({50}))) == 50
    assert len(lab.seen) == (2 if answer is None else 3)


def test_a_page_is_missing_only_when_the_server_says_so_twice(lab: Lab) -> None:
    """What is not in a list is made anew: one wrong answer must not take half of an account away."""
    refusals = [404]

    def serve(request: httpx.Request) -> httpx.Response:
        first = number(request, "page", 1) == 1
        if not first and refusals:
            return httpx.Response(refusals.pop(), json={"message": "no such page"})
        return httpx.Response(200, json=sites(0, 50) if first else sites(50, 7))

    assert len(ids(lab, serve, page_sizes=frozenset({50}))) == 57


def test_a_probe_that_fails_otherwise_fails_the_list(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if "page" in request.url.params:
            return httpx.Response(403, json={"message": "no"})
        return httpx.Response(200, json=sites(0, 50))

    with pytest.raises(Exception, match="403"):
        ids(lab, serve, page_sizes=frozenset({50}))


@pytest.mark.parametrize(("total", "requests"), [(19, 1), (20, 2), (21, 2), (40, 3)])
def test_the_dialect_of_the_pages_fills_pages_of_twenty(lab: Lab, total: int, requests: int) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        start = (number(request, "page", 1) - 1) * 20
        contacts = [{"contact_id": n} for n in range(start, min(start + 20, total))]
        return httpx.Response(200, json={"data": {"contacts": contacts}})

    with lab.client(serve, "dealer", dialect="page") as client:
        assert len(client.list("contact", ("5", "1"))) == total
    assert len(lab.seen) == requests


@pytest.mark.parametrize(
    ("total", "limits"), [(3, ["500"]), (499, ["500"]), (500, ["500", "5000"]), (700, ["500", "5000"])]
)
def test_the_sites_of_a_dealer_are_asked_for_as_the_live_client_does(
    lab: Lab, total: int, limits: list[str]
) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=sites(0, min(total, number(request, "limit", 20))))

    with lab.client(serve, "dealer") as client:
        assert len(client.list("site", ("5",))) == total
    assert [request.url.params["limit"] for request in lab.seen] == limits


def test_a_server_that_ignores_the_limit_is_asked_once(lab: Lab) -> None:
    with lab.client(always(200, json=sites(0, 700)), "dealer") as client:
        assert len(client.list("site", ("5",))) == 700
    assert len(lab.seen) == 1


ENDLESS: list[JsonObject] = [
    {"data": sites(0, 3), "page": {"cursor": "same", "has_more": True}},
    {"data": sites(0, 3), "has_more": True},
    {"data": sites(0, 3), "total_count": 10},
    {"data": [], "has_more": True, "cursor": "same"},
]


@pytest.mark.parametrize("body", ENDLESS)
def test_a_server_that_repeats_itself_is_an_error_not_a_loop(lab: Lab, body: JsonObject) -> None:
    with pytest.raises(ApiError, match="repeats itself"):
        ids(lab, always(200, json=body))
    assert len(lab.seen) <= 3


@pytest.mark.parametrize("moving", [True, False])
def test_empty_pages_that_promise_more_are_followed_for_a_while(lab: Lab, moving: bool) -> None:  # noqa: FBT001
    def serve(request: httpx.Request) -> httpx.Response:
        here = number(request, "cursor" if moving else "page", 0)
        page = {"cursor": here + 1 if moving else None, "has_more": True}
        return httpx.Response(200, json={"data": [], "page": page})

    with pytest.raises(ApiError, match="repeats itself"):
        ids(lab, serve)
    assert len(lab.seen) == 11


def test_pages_that_go_round_in_a_circle_are_an_error(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        here = number(request, "cursor", 0)
        page = {"cursor": (here + 1) % 4 + 1, "has_more": True}
        return httpx.Response(200, json={"data": sites(here % 2 * 10, 3), "page": page})

    with pytest.raises(ApiError, match="repeats itself"):
        ids(lab, serve)


def test_a_total_that_is_never_reached_is_an_error(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        body = sites(0, 3) if number(request, "page", 1) == 1 else []
        return httpx.Response(200, json={"data": body, "total_count": 10})

    with pytest.raises(ApiError, match="announces 10 objects and ends after 3"):
        ids(lab, serve)


def test_a_failure_on_a_later_page_fails_the_whole_list(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if "cursor" in request.url.params:
            return httpx.Response(404, json={"message": "gone"})
        return httpx.Response(200, json={"data": sites(0, 3), "page": {"cursor": "c", "has_more": True}})

    with pytest.raises(ApiError, match="404"):
        ids(lab, serve)


def test_a_link_to_another_host_never_gets_the_token(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.example.com"
        if request.url.params:
            return httpx.Response(200, json=sites(3, 1))
        headers = {"Link": '<https://evil.example.net/steal?page=2>; rel="next"'}
        return httpx.Response(200, json=sites(0, 3), headers=headers)

    assert len(ids(lab, serve)) == 4
    assert {request.url.path for request in lab.seen} == {"/partner/v1/dealers/5/sites"}


def test_an_object_that_moves_to_the_next_page_meanwhile_counts_once(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if "page" in request.url.params:
            return httpx.Response(200, json={"data": sites(2, 2), "total_count": 4})
        return httpx.Response(200, json={"data": sites(0, 3), "total_count": 4})

    assert ids(lab, serve) == ["0", "1", "2", "3"]


def test_an_object_that_counts_twice_does_not_hide_that_another_is_missing(lab: Lab) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        start = {1: 0, 2: 2}.get(number(request, "page", 1))
        page = [] if start is None else sites(start, 3 - start // 2)
        return httpx.Response(200, json={"data": page, "total_count": 5})

    with pytest.raises(ApiError, match="announces 5 objects and ends after 4"):
        ids(lab, serve)


def test_softly_deleted_objects_are_not_there(lab: Lab) -> None:
    gone: list[JsonValue] = [
        {"site_id": 8, "is_deleted": 1},
        {"site_id": 9, "deleted_at": "2026-01-01"},
        {"site_id": 1, "is_deleted": 0, "deleted_at": None},
    ]
    assert ids(lab, always(200, json=gone)) == ["1"]
