"""A small project in the workspace of a job."""

from __future__ import annotations

from pathlib import Path

ACCOUNT = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: monitoring_station
id: central
dealer: acme
name: Central Station
prefix: CS
---
kind: site
id: hq
dealer: acme
name: NAME
timezone: Asia/Seoul
monitoring_station: central
account_number: "1001"
security_type: video
"""

SETTINGS = """
version: 1
environments:
  production: {base_url: "https://api.chekt.com", surface: partner, accept: inferred}
"""

PRODUCTION = {"path": "sites", "environment": "production"}


def write(directory: Path, *, name: str, more: str = "", settings: str = "") -> None:
    """The project in ``directory``, whose one site has this name."""
    directory.mkdir(exist_ok=True)
    (directory / "reconciler.yaml").write_text(SETTINGS + settings, encoding="utf-8")
    (directory / "account.yaml").write_text(ACCOUNT.replace("NAME", name) + more, encoding="utf-8")
