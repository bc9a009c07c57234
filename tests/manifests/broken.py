"""Manifests that are wrong, each with every place, sentence and way out that must be reported.

A case stands beside ``BASE``, which is right, unless it brings its own ``base.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

BASE = """\
kind: dealer
id: acme
dealer_id: 12345
---
kind: monitoring_station
id: central
name: Central
---
kind: calendar
id: kr-holidays
holidays: KR
closed: away
---
kind: schedule
id: weeknights
windows:
  - {days: [mon, tue], arm: "18:00", disarm: "08:00"}
"""

SITE = """\
kind: site
id: hq
name: Headquarters
timezone: Asia/Seoul
"""


@dataclass(frozen=True)
class Broken:
    """``found``: (place, part of the message, part of the hint), in the order of the report."""

    name: str
    text: str
    found: tuple[tuple[str, str, str], ...]
    files: dict[str, str | bytes] = field(default_factory=dict)


def one(name: str, text: str, place: str, message: str, hint: str, **files: str | bytes) -> Broken:
    """A case with one problem. ``files``: further files, ``__`` standing for a dot."""
    named = {key.replace("__", "."): content for key, content in files.items()}
    return Broken(name, text, ((place, message, hint),), named)


def site(extra: str) -> str:
    """A right site with further lines, which begin at line 5."""
    return SITE + extra


def schedule(extra: str) -> str:
    """A schedule named s without its fields; ``extra`` begins at line 3."""
    return f"kind: schedule\nid: s\n{extra}"
