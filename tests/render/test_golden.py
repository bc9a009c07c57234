"""What people read, byte for byte.

After a change that is meant, write the files anew: ``python tests/render/test_golden.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.render import html, json, markdown, report, text
from tests.render.sample_plan import EMPTY, PLAN, REPORT

GOLDEN = Path(__file__).parent / "golden"

OUTPUTS = {
    "plan.txt": lambda: text.to_text(PLAN),
    "plan-colour.txt": lambda: text.to_text(PLAN, text.ansi),
    "plan-empty.txt": lambda: text.to_text(EMPTY),
    "plan.json": lambda: json.to_json(PLAN),
    "plan.md": lambda: markdown.to_markdown(PLAN),
    "plan-empty.md": lambda: markdown.to_markdown(EMPTY),
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
