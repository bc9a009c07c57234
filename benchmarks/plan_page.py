"""How long the page of a large plan takes to make, and how large it is.

python benchmarks/plan_page.py --changes 10000 --out plan.html
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.model import Action, Address, Change, EndpointUse, FieldChange, Plan, RequestEstimate, Source
from reconciler.render import html, markdown

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ACTIONS = (Action.UPDATE, Action.UPDATE, Action.UPDATE, Action.CREATE, Action.DELETE)
USE = EndpointUse("PATCH", "/partner/v1/dealers/{dealer_id}/sites/{site_id}/devices/{device_id}", "inferred")


def change(number: int) -> Change:
    """Five devices a site, of every fifth site one deleted."""
    site, device = divmod(number, 5)
    action = ACTIONS[device] if device < 4 or site % 5 == 0 else Action.UPDATE
    address = Address("device", ("acme", f"site-{site}", f"device-{device}"))
    fields = (
        FieldChange("name", f"Camera {number} of the old wing", f"Camera {number} of the new wing"),
        FieldChange("zone_number", f"{device:03d}", f"{device + 1:03d}"),
        FieldChange("additional_zone_numbers", ["003", "004", "005"], ["003", "005", "006"]),
    )
    gone = action is Action.DELETE
    place = None if gone else Source(f"sites/{site}.yaml", 3 + device, 5)
    return Change(address, action, () if gone else fields, endpoints=(USE,), source=place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    made = Plan(
        "production",
        "partner",
        NOW,
        NOW + timedelta(hours=1),
        "sha256:" + "0" * 64,
        changes=tuple(map(change, range(asked.changes))),
        requests=RequestEstimate(4_000, asked.changes, 60.0),
    )
    for name, render in (("HTML", html.to_html), ("Markdown", markdown.fitted)):
        start = time.perf_counter()
        page = render(made)
        spent = time.perf_counter() - start
        print(f"{name}: {asked.changes} changes in {spent:.2f} s, {len(page.encode()) / 1e6:.2f} MB")
        if asked.out is not None and name == "HTML":
            asked.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
