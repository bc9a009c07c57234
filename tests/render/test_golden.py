"""What people read, byte for byte.

After a change that is meant, write the files anew: ``python tests/render/test_golden.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.render import html, json, markdown, report, text
from tests.render.sample_plan import EMPTY, MANY, PLAN, REPORT

GOLDEN = Path(__file__).parent / "golden"
LIMITS = (9_000, 7_000, 5_000, 3_500, 2_600)
"""Characters: everything but details of updates, no details at all, fewer and fewer headlines, numbers."""

OUTPUTS = {
    "plan.txt": lambda: text.to_text(PLAN),
    "plan-colour.txt": lambda: text.to_text(PLAN, text.ansi),
    "plan-empty.txt": lambda: text.to_text(EMPTY),
    "plan.json": lambda: json.to_json(PLAN),
    "plan.md": lambda: markdown.fitted(PLAN),
    "plan-empty.md": lambda: markdown.fitted(EMPTY),
    **{f"plan-{limit}.md": lambda limit=limit: markdown.fitted(MANY, limit) for limit in LIMITS},
    "plan.html": lambda: html.to_html(PLAN),
    "report.txt": lambda: report.to_text(REPORT),
    "report.json": lambda: report.to_json(REPORT),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_output_is_as_agreed(name: str) -> None:
    assert OUTPUTS[name]() == (GOLDEN / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for name, make in OUTPUTS.items():
        (GOLDEN / name).write_text(make(), encoding="utf-8", newline="\n")
