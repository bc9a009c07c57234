"""A strict stand-in for the part of GitHub's API that a job uses, on a socket."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

REPOSITORY = "acme/sites"
BOT = "github-actions[bot]"
TOKEN = "ghs_of-the-job"
READ_ONLY = "ghs_of-a-fork"
PERSON = "ghp_of-a-maintainer"

_LONGEST = 65_536


@dataclass(slots=True)
class Post:
    """A comment or an issue. ``editor``: who last changed it, None when nobody has."""

    id: int
    thread: int
    login: str
    body: str
    editor: str | None = None
    title: str = ""
    state: str = "open"

    @property
    def node_id(self) -> str:
        return f"IC_{self.id}"


@dataclass(slots=True)
class Fault:
    """The answer to the next ``times`` requests that match; ``after``: they are carried out all the same."""

    pattern: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "a fault"
    times: int = 1
    after: bool = False


class Refused(Exception):  # noqa: N818  it is an answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class FakeGitHub:
    """The service. Its state is open to tests; every change is made under one lock."""

    def __init__(self) -> None:
        self.comments: list[Post] = []
        self.issues: list[Post] = []
        self.pulls: dict[int, dict[str, Any]] = {}
        self.merged: dict[str, list[int]] = {}
        self.tokens = {
            TOKEN: (BOT, {"issues", "pull-requests"}),
            READ_ONLY: (BOT, set()),
            PERSON: ("maintainer", {"issues", "pull-requests"}),
        }
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.latency = 0.0
        self.before: Callable[[str], None] = lambda _: None
        self.url = ""
        self._next = 1000
        self._lock = threading.RLock()

    def comment(self, thread: int, body: str, login: str = BOT) -> Post:
        """Somebody comments."""
        with self._lock:
            self._next += 1
            post = Post(self._next, thread, login, body)
            self.comments.append(post)
            return post

    def open_pull(self, number: int, head: str, branch: str = "change", owner: str = "acme") -> None:
        self.pulls[number] = {
            "number": number,
            "state": "open",
            "merged_at": None,
            "merge_commit_sha": None,
            "base": {"ref": "main", "repo": {"full_name": REPOSITORY}},
            "head": {"sha": head, "ref": branch, "label": f"{owner}:{branch}"},
        }

    def merge(self, number: int, sha: str) -> None:
        self.pulls[number] |= {
            "state": "closed",
            "merged_at": "2026-11-20T09:00:00Z",
            "merge_commit_sha": sha,
        }
        self.merged.setdefault(sha, []).append(number)

    def bodies(self, thread: int) -> list[str]:
        return [post.body for post in self.comments if post.thread == thread]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length)) if length else None
        time.sleep(self.latency)
        self.before(f"{method} {path}")
        headers: dict[str, str] = {}
        fault = self._fault(f"{method} {path}")
        try:
            if fault is not None and not fault.after:
                headers = fault.headers
                raise Refused(fault.status, fault.message)
            with self._lock:
                self.requests.append(f"{method} {path}")
                status, content, headers = self._answer(environ, method, path, body)
            if fault is not None:
                raise Refused(fault.status, fault.message)
        except Refused as exc:
            status, content = exc.status, {"message": exc.message}
        data = b"" if content is None else json.dumps(content).encode()
        named = {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(data)),
            **headers,
        }
        start_response(f"{status} Answer", list(named.items()))
        return [data]

    def _fault(self, call: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times and re.search(fault.pattern, call):
                    fault.times -= 1
                    return fault
        return None

    def _answer(self, environ: Any, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise Refused(401, "Bad credentials")
        login, rights = self.tokens[token]
        if path == "/graphql":
            return 200, self._graphql(body, login), {}
        if environ.get("HTTP_ACCEPT") != "application/vnd.github+json":
            raise Refused(415, "Unsupported Accept")
        home = f"/repos/{REPOSITORY}"
        if not path.startswith(home):
            raise Refused(404, "Not Found")
        query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        for name, pattern in _ROUTES.items():
            verb, route = pattern
            match = re.fullmatch(route, path.removeprefix(home))
            if match and verb == method:
                return getattr(self, f"_{name}")(login, rights, query, body, *match.groups())  # type: ignore[no-any-return]
        raise Refused(404, "Not Found")

    def _graphql(self, body: Any, login: str) -> Any:
        if "viewer" in body["query"]:
            return {"data": {"viewer": {"login": login}}}
        found = next((p for p in self.comments if p.node_id == body["variables"]["id"]), None)
        if found is None:
            return {"data": {"node": None}, "errors": [{"message": "Could not resolve to a node"}]}
        return {"data": {"node": {"editor": found.editor and _actor(found.editor)}}}

    def _list_comments(self, _l: str, _r: set[str], query: dict[str, str], _b: Any, number: str) -> Any:
        found = [self._comment_json(p) for p in self.comments if p.thread == int(number)]
        return self._page(f"/issues/{number}/comments", found, query)

    def _create_comment(self, login: str, rights: set[str], _q: Any, body: Any, number: str) -> Any:
        _need(rights, "issues", "pull-requests")
        return 201, self._comment_json(self.comment(int(number), _text(body), login)), {}

    def _edit_comment(self, login: str, rights: set[str], _q: Any, body: Any, number: str) -> Any:
        _need(rights, "issues", "pull-requests")
        post = self._found(self.comments, number)
        post.body, post.editor = _text(body), login
        return 200, self._comment_json(post), {}

    def _delete_comment(self, _l: str, rights: set[str], _q: Any, _b: Any, number: str) -> Any:
        _need(rights, "issues", "pull-requests")
        self.comments.remove(self._found(self.comments, number))
        return 204, None, {}

    def _list_issues(self, _l: str, _r: set[str], query: dict[str, str], _b: Any) -> Any:
        assert query.get("state", "open") == "open"
        found = [self._issue_json(p) for p in self.issues if p.state == "open"]
        pulls = [
            {"number": n, "node_id": f"PR_{n}", "user": {"login": BOT}, "body": "", "pull_request": {}}
            for n, p in self.pulls.items()
            if p["state"] == "open"
        ]
        return self._page("/issues", [*pulls, *found], query)

    def _create_issue(self, login: str, rights: set[str], _q: Any, body: Any) -> Any:
        _need(rights, "issues")
        self._next += 1
        post = Post(self._next, self._next, login, _text(body), title=body["title"])
        self.issues.append(post)
        return 201, self._issue_json(post), {}

    def _edit_issue(self, login: str, rights: set[str], _q: Any, body: Any, number: str) -> Any:
        _need(rights, "issues")
        post = self._found(self.issues, number)
        post.body = _text(body) if "body" in body else post.body
        post.state, post.editor = body.get("state", post.state), login
        return 200, self._issue_json(post), {}

    def _pulls_of(self, _l: str, _r: set[str], query: dict[str, str], _b: Any, sha: str) -> Any:
        return self._page(f"/commits/{sha}/pulls", [self.pulls[n] for n in self.merged.get(sha, [])], query)

    def _list_pulls(self, _l: str, _r: set[str], query: dict[str, str], _b: Any) -> Any:
        assert query["state"] == "open"
        found = [
            p for p in self.pulls.values() if p["state"] == "open" and p["head"]["label"] == query["head"]
        ]
        return self._page("/pulls", found, query)

    def _page(self, path: str, found: list[Any], query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        size, page = min(int(query.get("per_page", "30")), 100), int(query.get("page", "1"))
        shown = found[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(found):
            following = urlencode({**query, "page": page + 1})
            headers["Link"] = f'<{self.url}/repos/{REPOSITORY}{path}?{following}>; rel="next"'
        return 200, shown, headers

    @staticmethod
    def _found(posts: list[Post], number: str) -> Post:
        for post in posts:
            if post.id == int(number):
                return post
        raise Refused(404, "Not Found")

    @staticmethod
    def _comment_json(post: Post) -> Any:
        return {"id": post.id, "node_id": post.node_id, "user": {"login": post.login}, "body": post.body}

    @staticmethod
    def _issue_json(post: Post) -> Any:
        user = {"login": post.login}
        return {
            "number": post.id,
            "node_id": f"I_{post.id}",
            "user": user,
            "body": post.body,
            "state": post.state,
        }


_ROUTES = {
    "list_comments": ("GET", r"/issues/(\d+)/comments"),
    "create_comment": ("POST", r"/issues/(\d+)/comments"),
    "edit_comment": ("PATCH", r"/issues/comments/(\d+)"),
    "delete_comment": ("DELETE", r"/issues/comments/(\d+)"),
    "list_issues": ("GET", r"/issues"),
    "create_issue": ("POST", r"/issues"),
    "edit_issue": ("PATCH", r"/issues/(\d+)"),
    "pulls_of": ("GET", r"/commits/([0-9a-f]+)/pulls"),
    "list_pulls": ("GET", r"/pulls"),
}


def _actor(login: str) -> dict[str, str]:
    """Somebody as GraphQL spells them: a bot's login stands there without its ending."""
    kind = "Bot" if login.endswith("[bot]") else "User"
    return {"__typename": kind, "login": login.removesuffix("[bot]")}


def _need(rights: set[str], *one_of: str) -> None:
    if not rights & set(one_of):
        raise Refused(403, "Resource not accessible by integration")


def _text(body: Any) -> str:
    text = body["body"]
    assert isinstance(text, str)
    if not text or len(text.encode("utf-16-le")) // 2 > _LONGEST:
        raise Refused(422, f"body is too long (maximum is {_LONGEST} characters)")
    return text


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return


@contextmanager
def served() -> Iterator[FakeGitHub]:
    """The service on a free port of the loopback."""
    fake = FakeGitHub()
    with make_server("127.0.0.1", 0, fake, server_class=_Threaded, handler_class=_Quiet) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()
