"""The published projects that a worker has at hand: loaded once, used by many lanes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from reconciler.fleet.bundle import Bundle, unpacked
from reconciler.manifests import Project

MOST = 4
"""Projects kept although nobody uses them: a fleet has one, and a moment later the next."""


@dataclass(slots=True)
class _Kept:
    """One project: loaded under its own lock, closed when it is dropped."""

    closing: ExitStack = field(default_factory=ExitStack)
    loading: threading.Lock = field(default_factory=threading.Lock)
    project: Project | None = None
    users: int = 0


class Projects:
    """Loads projects by the digest of their bundle. Safe to share between threads; a context manager."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def close(self) -> None:
        """Remove every project's directory."""
        with self._lock:
            for kept in self._kept.values():
                kept.closing.close()
            self._kept.clear()

    @contextmanager
    def project(self, digest: str, published: Callable[[str], bytes]) -> Iterator[Project]:
        """The project of the bundle ``digest``, which ``published`` reads where it is not at hand.

        Raises LedgerError and ConfigError for one that cannot be used.
        """
        with self._lock:
            kept = self._kept.pop(digest, None) or _Kept()
            self._kept[digest] = kept  # the last one used stands last
            kept.users += 1
        try:
            with kept.loading:
                if kept.project is None:
                    packed = published(digest)
                    kept.project = kept.closing.enter_context(unpacked(Bundle(digest, "", packed), self._env))
            yield kept.project
        finally:
            self._leave(kept)

    def _leave(self, left: _Kept) -> None:
        with self._lock:
            left.users -= 1
            idle = [digest for digest, kept in self._kept.items() if not kept.users]
            for digest in idle[: max(0, len(self._kept) - MOST)]:
                self._kept.pop(digest).closing.close()
