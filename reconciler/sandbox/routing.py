"""Routes: method and path template to the function that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Response

if TYPE_CHECKING:
    from reconciler.sandbox.call import Call

Access = Literal["open", "partner", "dealer", "app", "site_reader", "event", "any", "media"]
"""Who may call: ``partner`` an OAuth2 token, ``dealer`` an API key, ``app`` an app key, ``site_reader``
an app or a dealer, ``event`` a token or X-API-KEY, ``any`` a partner or a dealer, ``media`` a link."""

Answer: TypeAlias = "Callable[[Call], Response]"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``scope``: what the caller's token or app needs beside being known.

    ``admin``: an operation of the simulator itself, outside faults, limits and the request log.
    """

    method: str
    path: str
    answer: Answer
    access: Access = "open"
    scope: str | None = None
    admin: bool = False

    @property
    def writes(self) -> bool:
        return self.method != "GET"


class Router:
    """Finds the route of a request. Literal segments win over placeholders."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            self._add(route)
        for templates in self._by_length.values():
            templates.sort(key=lambda template: [step.startswith("{") for step in template[0]])

    def _add(self, route: Route) -> None:
        steps = tuple(route.path.strip("/").split("/"))
        templates = self._by_length.setdefault(len(steps), [])
        for known, methods in templates:
            if known == steps:
                methods.setdefault(route.method, route)
                return
        templates.append((steps, {route.method: route}))

    def match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route and its path values. Raises Refusal 404 or 405."""
        steps = tuple(path.removeprefix("/").split("/"))
        allowed: set[str] = set()
        for template, methods in self._by_length.get(len(steps), []):
            values = _values(template, steps)
            if values is None:
                continue
            route = methods.get(method)
            if route is not None:
                return route, values
            allowed |= methods.keys()
        if allowed:
            allow = ", ".join(sorted(allowed))
            raise Refusal(405, f"{method} is not allowed here; {allow} is", headers=(("Allow", allow),))
        raise Refusal(404, f"there is nothing at {path}")


def _values(template: tuple[str, ...], steps: tuple[str, ...]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for pattern, step in zip(template, steps, strict=True):
        if pattern.startswith("{"):
            if not step:
                return None
            values[pattern[1:-1]] = step
        elif pattern != step:
            return None
    return values
