"""Reading a list to its end, whatever envelope it comes in and however it is cut into pages.

A response may announce more in many ways: ``page.cursor`` / ``has_more``, ``total_count``, a ``Link``
header, or (the documentation's own dialect only) a page filled exactly to ``per_page``. Any of them is
followed. A bare array announces nothing and is complete by the facts (chekt-api/README.md section
3.2), so it costs one request, unless its length is one of the connection's ``page_sizes``: then
``page=2`` is asked for, and a server that does not know the parameter (it repeats the list or refuses)
is taken at its word.

A page that repeats, a total that is not reached, one id with two contents: each is an error. A list is
read whole or not at all, since what is missing from it would be created again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from reconciler.chekt import wire
from reconciler.chekt.transport import Answer
from reconciler.errors import ApiError
from reconciler.model import JsonValue

Object: TypeAlias = Mapping[str, JsonValue]
Query: TypeAlias = Mapping[str, str]
Fetch: TypeAlias = Callable[[Query], Answer]

_COUNT: Final = re.compile("[0-9]{1,18}")
_LARGEST_LIMIT: Final = 500_000
_EMPTY_PAGES: Final = 10
"""Pages in a row that may hold nothing and yet promise more."""
_NO_SUCH_PAGE: Final = (400, 404, 422)
_LINK_NEXT: Final = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_DIALECT_SIZES: Final = frozenset({20, 100})
"""Default and maximum of ``per_page`` on the documentation pages (chekt-api/README.md section 3.3)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is called, and what is known of its pages.

    ``names``: keys under which the array may stand. ``query``: goes along with every page. ``limit``: of
    the objects in one answer, where the list is known to take one; it is raised when it is reached.
    ``unexpected`` makes the error for an answer that is no list or no sound one, from endpoint, status and
    what is wrong.
    """

    names: tuple[str, ...]
    dialect: Literal["live", "page"]
    page_sizes: frozenset[int]
    unexpected: Callable[[str, int, str], ApiError]
    query: Query = field(default_factory=dict)
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class _Next:
    """The query of the next page; ``announced`` by the response, or only worth a probe."""

    query: Query
    announced: bool = True


def read_all(listing: Listing, fetch: Fetch) -> list[Object]:
    """Every object of a list, in the server's order, pages followed. Raises RemoteError."""
    if listing.limit is None:
        return _read(listing, fetch)
    limited = replace(listing, query={**listing.query, "limit": str(listing.limit)})
    objects = _read(limited, fetch)
    if len(objects) != listing.limit or listing.limit >= _LARGEST_LIMIT:
        return objects
    return read_all(replace(listing, limit=listing.limit * 10), fetch)


def _read(listing: Listing, fetch: Fetch) -> list[Object]:
    objects: dict[str, Object] = {}
    queries: list[Query] = []
    refused: Query | None = None
    empty = 0
    step: _Next | None = _Next(listing.query)
    while step is not None:
        try:
            answer = fetch(step.query)
        except ApiError as exc:
            if step.announced or exc.status not in _NO_SUCH_PAGE:
                raise
            if step.query == refused:
                break
            # That there is no such page decides over what is missing from the account: it is asked twice.
            refused = step.query
            continue
        queries.append(step.query)
        page = _objects(listing, answer)
        known = len(objects)
        objects.update((json.dumps(each, sort_keys=True), each) for each in page)
        repeats = bool(page) and len(objects) == known
        empty = 0 if page else empty + 1
        if repeats and not step.announced:
            break
        step = _following(listing, answer, len(page), len(objects), queries)
        if repeats or (step is not None and (step.query in queries or empty > _EMPTY_PAGES)):
            raise listing.unexpected(answer.endpoint, answer.status, "the list repeats itself and never ends")
    return list(objects.values())


def _objects(listing: Listing, answer: Answer) -> list[Object]:
    """The objects of one response, out of any envelope of chekt-api/README.md section 3.2."""
    array = wire.array(answer.body, listing.names)
    if array is None:
        what = f"expected an array, or one under data or {listing.names[0]}, received {_shape(answer.body)}"
        raise listing.unexpected(answer.endpoint, answer.status, what)
    objects = [entry for entry in array if wire.is_object(entry)]
    if len(objects) != len(array):
        raise listing.unexpected(
            answer.endpoint, answer.status, "expected objects in the list, received other values"
        )
    return objects


def _shape(body: JsonValue) -> str:
    if wire.is_object(body):
        return f"an object with the keys {', '.join(sorted(body)) or '(none)'}"
    return "an empty body" if body is None else f"a JSON {type(body).__name__}"


def _following(
    listing: Listing, answer: Answer, length: int, received: int, queries: list[Query]
) -> _Next | None:
    """Where the list goes on after a page of ``length`` objects, ``received`` different ones in all."""
    scopes = tuple(_scopes(answer.body))
    number = len(queries) + 1
    has_more = wire.truth(_first(scopes, "has_more"))
    cursor = wire.text_id(_first(scopes, "next_cursor", "cursor"))
    total = _whole(_first(scopes, "total_count", "total"), answer.headers.get("x-total-count"))
    per_page = _whole(_first(scopes, "per_page"), answer.headers.get("x-per-page"))
    link = _link(answer)
    by_number = {**listing.query, "page": str(number), **({"per_page": str(per_page)} if per_page else {})}
    if link is not None:
        return _Next(link)
    if has_more is False:
        return None
    by_cursor = {**listing.query, "cursor": cursor or ""}
    if cursor is not None and (has_more or by_cursor not in queries):
        return _Next(by_cursor)
    if has_more:
        return _Next(by_number)
    if total is not None:
        if received < total and not length:
            what = f"the list announces {total} objects and ends after {received}"
            raise listing.unexpected(answer.endpoint, answer.status, what)
        return _Next(by_number) if received < total else None
    return _probe(listing, answer, length, by_number, queries)


def _probe(
    listing: Listing, answer: Answer, length: int, by_number: Query, queries: list[Query]
) -> _Next | None:
    sizes = listing.page_sizes
    if listing.dialect == "page" and wire.is_object(answer.body):
        sizes |= _DIALECT_SIZES
    size = int(queries[-1].get("per_page", length))
    if length not in sizes or length < size:
        return None
    return _Next({"per_page": str(length), **by_number}, announced=False)


def _scopes(body: JsonValue) -> Iterator[Object]:
    """Every object of an envelope that may speak of pages."""
    if not wire.is_object(body):
        return
    yield body
    for name in ("page", "meta", "pagination", "data"):
        inner = body.get(name)
        if wire.is_object(inner):
            yield from _scopes(inner)


def _first(scopes: Sequence[Object], *names: str) -> JsonValue:
    return next((scope[name] for scope in scopes for name in names if scope.get(name) is not None), None)


def _whole(*values: JsonValue) -> int | None:
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and _COUNT.fullmatch(value):
            return int(value)
    return None


def _link(answer: Answer) -> Query | None:
    """The query of ``Link: <...>; rel="next"``: the path stays ours, so that no token leaves the host."""
    match = _LINK_NEXT.search(answer.headers.get("link", ""))
    try:
        return dict(parse_qsl(urlsplit(match[1]).query)) if match else None
    except ValueError:  # no URL: as good as no header
        return None
