"""Keeps secrets out of whatever is printed, logged or stored."""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import quote, quote_plus

MASK = "***"
"""Stands for every secret value wherever something is shown or stored."""

SHORTEST = 4
"""Characters; a shorter value would mask ordinary text, so it is refused as a secret."""


class Redactor:
    """Replaces every secret it was told of, in any text, by ``***``.

    One redactor serves a run: credentials, tokens, assertions and resolved manifest secrets are added
    as they become known, from any thread. A secret is recognised plain, percent-encoded and with JSON
    escapes.
    """

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        """Mask ``secret`` from now on. Values shorter than four characters are left alone."""
        if len(secret) < SHORTEST:
            return
        in_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
        with self._lock:
            known = len(self._spellings)
            self._spellings |= {secret, quote(secret, safe=""), quote_plus(secret), *in_json}
            if len(self._spellings) > known:
                self._pattern = None

    def __call__(self, text: str) -> str:
        """``text`` with every known secret masked."""
        return self._compiled().sub(MASK, text) if self._spellings else text

    def _compiled(self) -> re.Pattern[str]:
        """What finds every spelling; made when first needed, since with many secrets it takes long."""
        with self._lock:
            if self._pattern is None:
                longest_first = sorted(self._spellings, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            return self._pattern
