"""One text of ours in a place where many may write: found again, edited, never two.

A post carries its name and a stamp in hidden lines: which run wrote it, for which commit, and the digest of
the plan it shows. Runs race for the same post; all of them agree that the oldest stays and that the newest
run's text goes into it. That run puts it there itself: none copies what stands in a post, since whoever may
edit comments could have written that, and in our name it would count as ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.errors import GitHubError
from reconciler.github.api import GitHub

LIMIT = 65_000
"""Size, as ``size`` measures it, of the longest text sent: GitHub takes 65,536 characters."""

_ROUNDS = 6
"""Looks at the place before giving up on it: every look but the first follows somebody else's move."""

_STAMP = re.compile(r"<!-- head=([0-9a-f]*) run=(\d+)\.(\d+) digest=((?:sha256:[0-9a-f]{64})?) -->")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The hidden line. ``digest``: of the changes shown, empty where there is nothing to agree to."""

    head: str
    run: tuple[int, int]
    digest: str = ""

    def __str__(self) -> str:
        return f"<!-- head={self.head} run={self.run[0]}.{self.run[1]} digest={self.digest} -->"


@dataclass(frozen=True, slots=True)
class Post:
    """One of our posts. ``node_id``: its name in GraphQL."""

    id: int
    node_id: str
    stamp: Stamp
    text: str


class Board(Protocol):
    """The place: the comments of a pull request, the issues of a repository."""

    def ours(self, marker: str) -> Sequence[Post]:
        """Our posts that begin with ``marker``, oldest first."""
        ...

    def write(self, text: str) -> None:
        """A new post."""
        ...

    def edit(self, post: int, text: str) -> None:
        """Another text for ``post``."""
        ...

    def discard(self, post: int) -> None:
        """Take away a post that is one too many."""
        ...


def size(text: str) -> int:
    """An upper bound of what GitHub may count: UTF-16 units, with a line end as two."""
    return len(text.encode("utf-16-le")) // 2 + text.count("\n")


def marker(label: str) -> str:
    """The first line of the post called ``label``."""
    return f"<!-- reconciler:{label} -->"


def written(label: str, stamp: Stamp, markdown: str) -> str:
    """The whole text of a post."""
    return f"{marker(label)}\n{stamp}\n{markdown}"


def put(board: Board, label: str, stamp: Stamp, markdown: str, *, create: bool = True) -> int | None:
    """Make the post called ``label`` say ``markdown`` and return its number.

    ``create``: whether to write one where there is none; without it None comes back. A post that a later
    run has written is left to that run. Raises GitHubError.
    """
    text = written(label, stamp, markdown)
    for _ in range(_ROUNDS):
        found = board.ours(marker(label))
        if not found:
            if not create:
                return None
            _try_to_write(board, text)
            continue  # look again: another run may have written one in the same moment
        kept, *surplus = found
        latest = max(post.stamp.run for post in found)
        if latest > stamp.run:
            surplus = [post for post in surplus if post.stamp.run < latest]
        elif kept.text != text and not _edited(board, kept, text):
            continue
        for post in surplus:
            board.discard(post.id)
        return kept.id
    raise GitHubError(f"the text {label!r} could not be placed: it is taken away as fast as it is written")


def _try_to_write(board: Board, text: str) -> None:
    try:
        board.write(text)
    except GitHubError as exc:
        if exc.status is not None and exc.status < 500:
            raise  # refused; a broken answer leaves open whether it was written, and the next look shows it


def _edited(board: Board, post: Post, text: str) -> bool:
    """Whether ``post`` was still there to be edited."""
    try:
        board.edit(post.id, text)
    except GitHubError as exc:
        if exc.status in (404, 410):
            return False
        raise
    return True


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of pull request ``number``; ours are those that ``login`` wrote."""

    github: GitHub
    number: int
    login: str

    def ours(self, marker: str) -> Sequence[Post]:
        return _ours(self.github.pages(f"/issues/{self.number}/comments"), marker, self.login)

    def write(self, text: str) -> None:
        self.github.post(f"/issues/{self.number}/comments", {"body": text})

    def edit(self, post: int, text: str) -> None:
        self.github.patch(f"/issues/comments/{post}", {"body": text})

    def discard(self, post: int) -> None:
        self.github.delete(f"/issues/comments/{post}")


@dataclass(frozen=True, slots=True)
class Issues:
    """The open issues of the repository; ours are those that ``login`` opened, called ``title``."""

    github: GitHub
    title: str
    login: str

    def ours(self, marker: str) -> Sequence[Post]:
        issues = self.github.pages("/issues", state="open", sort="created", direction="asc")
        return _ours((each for each in issues if "pull_request" not in each), marker, self.login, "number")

    def write(self, text: str) -> None:
        self.github.post("/issues", {"title": self.title, "body": text})

    def edit(self, post: int, text: str) -> None:
        self.github.patch(f"/issues/{post}", {"title": self.title, "body": text})

    def discard(self, post: int) -> None:
        self.github.patch(f"/issues/{post}", {"state": "closed", "state_reason": "not_planned"})

    def close(self, post: int) -> None:
        """What the issue told of is over."""
        self.github.patch(f"/issues/{post}", {"state": "closed", "state_reason": "completed"})


def _ours(found: Any, marker: str, login: str, key: str = "id") -> Sequence[Post]:
    posts = [
        Post(each[key], each["node_id"], _stamp(text), text)
        for each in found
        if (each.get("user") or {}).get("login") == login
        and (text := (each.get("body") or "").replace("\r\n", "\n")).startswith(f"{marker}\n")
    ]
    return sorted(posts, key=lambda post: post.id)


def _stamp(text: str) -> Stamp:
    """The stamp in the second line; an empty one where somebody's edit broke it."""
    lines = text.split("\n", 2)
    match = _STAMP.fullmatch(lines[1]) if len(lines) > 1 else None
    if match is None:
        return Stamp("", (0, 0))
    return Stamp(match[1], (int(match[2]), int(match[3])), match[4])
