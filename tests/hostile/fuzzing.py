"""Inputs made by mutating a corpus of right ones, and the readers they go through.

Only a ReconcilerError (or a ``Problem``, for a template) may come out of a reader.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx

from reconciler.chekt import objects, paging, wire
from reconciler.chekt.transport import Answer
from reconciler.errors import ApiError, ReconcilerError, RemoteError
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import surfaces
from reconciler.manifests import load
from reconciler.manifests.templates import Templates
from reconciler.planning.digest import digest
from reconciler.redaction import Redactor
from reconciler.render import render_plan
from reconciler.render.json import from_json, to_json
from tests.hostile.plain import raw_characters
from tests.render.sample_plan import EMPTY, PLAN

Reader = Callable[[random.Random], None]

EXAMPLES = Path(__file__).parents[2] / "examples"

_PIECES = (
    *("---\n", "- ", ": ", "? ", "{", "}", "[", "]", ",", "\n", "\n  ", "    ", '"', "'", "|\n", ">\n"),
    *("&a ", "*a", "<<: ", "!!int ", "!!set ", "!x ", "%YAML 1.1\n", "#", "\t", "\r", "\x00", "\x1b[2J"),
    *("\u202e", "\u2066", "\u200b", "\ufeff", "\x85", "\u2028", "\ue000", "\ud7ff", "\U000e0041", "é"),
    *(
        "null",
        "~",
        "true",
        "no",
        "001",
        "0x" + "f" * 70,
        "1e999",
        ".inf",
        "-.nan",
        "9" * 70,
        "18:00",
        "24:00",
    ),
    *(
        "2026-02-30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "../..",
        "/dev/zero",
        "*",
        "**",
    ),
    *(
        '"\\ud800"',
        '"\\u0000"',
        '"\\u202e"',
        "\\",
        "kind: ",
        "id: ",
        "site",
        "dealer",
        "devices: ",
        "secret: ",
    ),
    *("{{ ", " }}", "{% for a in range(9) %}", "{% endfor %}", "{% set x = ", " %}", "''.__class__", "|join"),
    *("NaN", "Infinity", "1E400", '{"a": 1, "a": 2}', "[" * 70, "{" * 70, "- " * 70),
)
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        2**63,
        10**70,
        -(10**309),
        1e308,
        "",
        " ",
        "x",
        "\x1b]8;;x\x07",
        "\u202e",
    ),
    *("\ud800", "9" * 5000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "Asia/Seoul", "***"),
    *([], {}, [[]], {"": None}, [None], {"data": []}, {"data": {"data": {}}}, {"has_more": True}, {"id": []}),
)
_WORDS = ("data", "error", "message", "id", "page", "total", "next_cursor", "per_page", "request_id", "code")
_HEADERS = (
    *(("Content-Type", "application/json"), ("Content-Type", "text/html"), ("Content-Type", "\x00")),
    *(("Retry-After", each) for each in ("1", "-1", "nan", "1e999", "Mon, 01 Jan 0001 00:00:00 +2300", "x")),
    *(("Date", each) for each in ("Mon, 01 Jan 0001 00:00:00 +2300", "Fri, 20 Nov 2026 09:00:00 GMT", "9")),
    *(("Link", each) for each in ('<//[x>; rel="next"', '<?page=2>; rel="next"', "<http://[::1>; rel=next")),
    *(
        ("X-Total-Count", "9" * 5000),
        ("X-Per-Page", "\u00b2".encode().decode("latin-1")),
        ("X-Per-Page", "20"),
    ),
)


def mutated(rng: random.Random, text: str, corpus: Sequence[str]) -> str:
    """``text`` with one to six pieces put in, taken out, repeated, or taken from another text."""
    for _ in range(rng.randrange(1, 7)):
        begin = rng.randrange(len(text) + 1)
        end = min(len(text), begin + int(rng.expovariate(0.1)))
        match rng.randrange(6):
            case 0:
                text = text[:begin] + rng.choice(_PIECES) + text[begin:]
            case 1:
                text = text[:begin] + text[end:]
            case 2:
                text = text[:end] + text[begin:end] * rng.randrange(1, 5) + text[end:]
            case 3:
                other = rng.choice(corpus)
                start = rng.randrange(len(other) + 1)
                text = text[:begin] + other[start : start + 80] + text[end:]
            case 4:
                text = (
                    text[:begin] + chr(rng.choice((rng.randrange(256), rng.randrange(0xD800)))) + text[end:]
                )
            case _:
                text = text[:begin] + rng.choice(_PIECES) + text[end:]
    return text[:20_000]


def grown(rng: random.Random, value: Any) -> Any:
    """A JSON value with one to four entries somewhere in it exchanged, added or removed."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.randrange(1, 5)):
        node = value
        while isinstance(node, (dict, list)) and node and rng.random() < 0.8:
            key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
            inner = node[key]
            if not isinstance(inner, (dict, list)) or not inner:
                break
            node = inner
        if isinstance(node, dict):
            key = rng.choice([*node, *_WORDS])
            if rng.random() < 0.2:
                node.pop(key, None)
            else:
                node[key] = deepcopy(rng.choice([*_VALUES, *node.values()]))
        elif isinstance(node, list):
            node.insert(rng.randrange(len(node) + 1), deepcopy(rng.choice([*_VALUES, *node])))
    return value


@contextmanager
def loader() -> Iterator[Reader]:
    """Manifests and settings through the whole loader."""
    corpus = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*/*.yaml"))]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)

        def read(rng: random.Random) -> None:
            text = rng.choice(corpus)
            documents = text.split("\n---\n")
            if len(documents) > 3:
                begin = rng.randrange(len(documents) - 2)
                text = "\n---\n".join(documents[begin : begin + 3])
            file = directory / ("reconciler.yaml" if rng.random() < 0.15 else "m.yaml")
            content = mutated(rng, text, corpus).encode("utf-8", "surrogatepass")
            if rng.random() < 0.05:
                at = rng.randrange(len(content) + 1)
                content = content[:at] + rng.randbytes(3) + content[at:]
            file.write_bytes(content)
            with suppress(ReconcilerError):
                load(directory, env={}, allow_empty=rng.random() < 0.5)
            file.unlink()

        yield read


@contextmanager
def templates() -> Iterator[Reader]:
    """Templates through the renderer."""
    corpus = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*/*.j2"))]
    corpus += [
        "{% macro m(a, b=2) %}{{ a ~ b }}{% endmacro %}{% for n in range(9) %}{{ m(n) }}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for n in 'ab' %}{% set ns.x = ns.x + n %}{% endfor %}{{ ns.x }}",
        "{{ rows | map(attribute='id') | join(',') }}{{ '%s-%d' | format('a', 3) }}{{ '{0:>9}'.format(1) }}",
        "{{ 'abc' * 3 }}{{ 2 ** 9 }}{{ 'abc' | replace('b', 'c') }}{{ [1, 2] | sum }}{{ 'a'.join('bc') }}",
        "{% include 'x.j2' %}{% import 'x.j2' as x %}{% raw %}{{{% endraw %}{# c #}{{ table('sites.csv') }}",
    ]
    variables = {"rows": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}], "region": "west"}
    with tempfile.TemporaryDirectory() as name:
        Path(name, "x.j2").write_text("x: {{ region }}\n", encoding="utf-8")
        Path(name, "sites.csv").write_text("id,name\na,A\n", encoding="utf-8")
        renderer = Templates(Path(name), variables)

        def read(rng: random.Random) -> None:
            renderer.render("t.yaml.j2", mutated(rng, rng.choice(corpus), corpus))

        yield read


@contextmanager
def plan() -> Iterator[Reader]:
    """Saved plans, edited as text or as JSON and signed anew; one that is accepted is printed too."""
    corpus = [to_json(PLAN), to_json(EMPTY)]
    contents = [json.loads(text) for text in corpus]

    def read(rng: random.Random) -> None:
        if rng.random() < 0.4:
            text = mutated(rng, rng.choice(corpus), corpus)
        else:
            content = grown(rng, rng.choice(contents))
            content.pop("digest", None)
            text = json.dumps({**content, "digest": digest(content)})
        with suppress(ReconcilerError):
            accepted = from_json(text)
            for output in ("text", "markdown", "html"):
                raw = raw_characters(render_plan(accepted, output))
                assert not raw, f"{output} prints {raw}"

    yield read


@contextmanager
def wired() -> Iterator[Reader]:
    """Bodies and headers of answers through everything that reads them."""
    bodies: list[Any] = [
        {"data": [{"site_id": 1, "site_name": "A", "time_zone": "UTC"}], "has_more": False, "total": 1},
        [{"id": 1, "device_type": 2, "mac_address": "00:11:22:33:44:55"}],
        {"error": {"message": "m", "code": "c", "detail": "d", "request_id": "r"}},
        {"error": "invalid_token", "error_description": "x", "details": {"field": "name"}},
        {"page": {"next_cursor": "c", "per_page": 20}, "data": {"sites": []}},
        {"webhook_id": "w", "url": "https://hooks.example.com", "events": ["site.armed"], "secret": "s"},
    ]
    texts = [json.dumps(each) for each in bodies]
    redactor = Redactor()
    bindings = [
        (kind, binding)
        for surface in ("partner", "dealer")
        for kind in REGISTRY.values()
        if (binding := surfaces(surface, sandbox=True).binding(kind.name)) is not None
    ]

    def answer(rng: random.Random) -> httpx.Response:
        content = (
            mutated(rng, rng.choice(texts), texts)
            if rng.random() < 0.4
            else json.dumps(grown(rng, rng.choice(bodies)))
        ).encode("utf-8", "surrogatepass")
        chosen = [
            (name.encode(), value.encode("latin-1")) for name, value in rng.sample(_HEADERS, rng.randrange(3))
        ]
        return httpx.Response(rng.choice((200, 201, 400, 404, 422, 500)), headers=chosen, content=content)

    def unexpected(endpoint: str, status: int, what: str) -> ApiError:
        return ApiError(what, status=status, endpoint=endpoint)

    def read(rng: random.Random) -> None:
        response = answer(rng)
        body = wire.json_or_none(response)
        error = wire.server_error(response, redactor)
        for shown in (error.message, error.code, error.field, error.request_id):
            assert not raw_characters(shown or ""), shown
        wire.retry_after(response, 0.0)
        wire.http_date(response.headers.get("Date"))
        kind, binding = rng.choice(bindings)
        for raw in _objects(body):
            for value in raw.values():
                wire.truth(value)
                wire.moment(value)
                wire.wire_id(wire.text_id(value) or "")
                with suppress(RemoteError):
                    wire.path("/sites/{site_id}", {"site_id": wire.text_id(value) or ""})
            objects.is_gone(raw)
            objects.decode(kind, binding, raw, {})
        _read_pages(rng, answer, unexpected)

    yield read


def _objects(body: Any) -> list[Mapping[str, Any]]:
    found = [wire.single(body, ("site", "data")), *(wire.array(body, ("sites",)) or ())]
    return [each for each in found if isinstance(each, Mapping)]


def _read_pages(
    rng: random.Random,
    answer: Callable[[random.Random], httpx.Response],
    unexpected: Callable[[str, int, str], ApiError],
) -> None:
    """One list of up to twenty pages, each one any answer."""
    left = iter(range(20))

    def fetch(query: Mapping[str, str]) -> Answer:
        if next(left, None) is None or rng.random() < 0.1:
            raise unexpected("GET /sites", 404, "no such page")
        response = answer(rng)
        return Answer("GET /sites", 200, wire.json_or_none(response), response.headers)

    listing = paging.Listing(("sites",), rng.choice(("live", "page")), frozenset({20, 100}), unexpected)
    with suppress(ReconcilerError):
        paging.read_all(listing, fetch)


TARGETS = {"loader": loader, "templates": templates, "plan": plan, "wire": wired}
SHARES = {"loader": 25, "templates": 10, "plan": 30, "wire": 35}
"""Of a hundred inputs, by target: what is dear to read gets fewer."""
