"""GitHub's REST API over httpx: pages followed, rate limits waited for, server errors tried again.

Facts: docs.github.com, "Best practices for using the REST API" and "Using pagination in the REST API".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from reconciler import __version__
from reconciler.errors import GitHubError

_ATTEMPTS = 5
_BACKOFF = (1.0, 2.0, 4.0, 8.0)
"""Seconds before the second attempt and those after it."""

_PATIENCE = 120.0
"""Seconds a step waits for a rate limit, all its requests together; beyond that it goes on without."""

_PAGE = 100


class GitHub:
    """One token's view of ``repository`` (``owner/name``).

    Every method raises GitHubError; its ``status`` is None where no answer came.
    """

    def __init__(
        self,
        *,
        api_url: str,
        graphql_url: str,
        repository: str,
        token: str,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._home = f"{api_url}/repos/{repository}"
        self._graphql_url = graphql_url
        self._sleep = sleep
        self._patience = _PATIENCE
        self._client = httpx.Client(
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "User-Agent": f"chekt-reconciler/{__version__}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=httpx.Timeout(30.0, connect=10.0),
            transport=transport,
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        """The JSON at ``path`` under the repository."""
        return self._json(self._request("GET", self._home + path))

    def pages(self, path: str, **query: str) -> Iterator[Any]:
        """Every entry of the list at ``path``, all pages."""
        url: str | None = self._home + path
        params: dict[str, str] | None = {**query, "per_page": str(_PAGE)}
        while url is not None:
            response = self._request("GET", url, params=params)
            yield from self._json(response)
            url, params = response.links.get("next", {}).get("url"), None

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create at ``path``. Not sent again unless GitHub said that it did nothing: a repeat makes two."""
        return self._json(self._request("POST", self._home + path, body=body, again=False))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change what is at ``path``."""
        return self._json(self._request("PATCH", self._home + path, body=body))

    def delete(self, path: str) -> None:
        """Delete what is at ``path``; fine when somebody else has done so."""
        try:
            self._request("DELETE", self._home + path)
        except GitHubError as exc:
            if exc.status != 404:
                raise

    def graphql(self, query: str, **variables: str) -> Any:
        """The ``data`` of a GraphQL query."""
        body = {"query": query, "variables": variables}
        answer = self._json(self._request("POST", self._graphql_url, body=body))
        if answer.get("errors") or not answer.get("data"):
            told = "; ".join(str(each.get("message")) for each in answer.get("errors") or [])
            raise GitHubError(f"GitHub refused a query: {told or 'no data'}")
        return answer["data"]

    def login(self) -> str:
        """Who the token writes as: a person's login, or a bot's with ``[bot]`` at its end."""
        return str(self.graphql("query { viewer { login } }")["viewer"]["login"])

    def _request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> httpx.Response:
        """One answered request. ``again``: whether it may be sent twice after no or a broken answer."""
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                response = self._client.request(method, url, params=params, json=body)
            except httpx.HTTPError as exc:
                if last or not again:
                    raise GitHubError(f"{method} {_short(url)}: no answer from GitHub: {exc}") from exc
                self._sleep(_BACKOFF[attempt])
                continue
            if response.is_success:
                return response
            wait = self._wait(response, attempt, again=again)
            if wait is None or last:
                raise _refused(method, url, response)
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, response: httpx.Response, attempt: int, *, again: bool) -> float | None:
        """Seconds until the request is worth sending again, None where it is not."""
        limited = _rate_limited(response)
        if not limited and (response.status_code < 500 or not again):
            return None
        seconds = _told(response) if limited else None
        if seconds is None:
            seconds = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
        if seconds > self._patience:
            return None
        self._patience -= seconds
        return seconds

    @staticmethod
    def _json(response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as exc:
            raise GitHubError(
                f"{_short(str(response.url))}: what came from GitHub is not JSON", status=response.status_code
            ) from exc


def _rate_limited(response: httpx.Response) -> bool:
    """Whether a 403 or 429 is a rate limit, the secondary ones included, and not a missing right."""
    if response.status_code == 429:
        return True
    return response.status_code == 403 and (
        "retry-after" in response.headers
        or response.headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in response.text.lower()
        or "abuse" in response.text.lower()
    )


def _told(response: httpx.Response) -> float | None:
    """The wait that GitHub asks for, in seconds."""
    after = response.headers.get("retry-after", "")
    if after.isdecimal():
        return float(after)
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(float(reset) - time.time(), 1.0)
    return None


def _refused(method: str, url: str, response: httpx.Response) -> GitHubError:
    try:
        told = str(response.json().get("message", ""))
    except (ValueError, AttributeError):
        told = response.reason_phrase
    hint = ""
    if response.status_code in (401, 403):
        hint = "Give the job the permission it lacks, such as `pull-requests: write` or `issues: write`."
    return GitHubError(
        f"{method} {_short(url)}: GitHub answered {response.status_code}: {told}",
        status=response.status_code,
        hint=hint,
    )


def _short(url: str) -> str:
    return httpx.URL(url).path
