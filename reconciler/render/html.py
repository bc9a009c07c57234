"""A plan as one self-contained HTML page: no script, no request to anywhere."""

from __future__ import annotations

from html import escape

from reconciler.escape import visible
from reconciler.model import Action, Change, Plan
from reconciler.render import lines

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .9rem; border: 1px solid #8886; }
td { text-align: right; font-variant-numeric: tabular-nums; }
details { border-left: .3rem solid #888; margin: .5rem 0; padding: .2rem .8rem; }
summary { cursor: pointer; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
pre { margin: .3rem 0 .3rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.create { border-color: #2a9d4a; } .update { border-color: #c90; } .replace { border-color: #a4c; }
.delete { border-color: #d33; } .adopt { border-color: #29c; } .manual { border-color: #56d; }
"""


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(plan: Plan) -> str:
    """``plan`` as a page. Every value is escaped; the page allows itself nothing but its own style."""
    title = f"Plan for {escape(visible(plan.environment))}"
    body = [
        f"<h1>{title} ({plan.surface} surface)</h1>",
        _scope(plan),
        _table(plan) if plan.changes else "",
        f"<p>{escape(lines.summary(plan))}</p>",
        f"<p>{escape(lines.cost(plan))}</p>" if plan.changes else "",
        _weakest(plan),
        *(_change(change) for change in plan.changes),
        _listed("Warnings", list(plan.warnings)),
        _listed("Unmanaged, left alone", [str(address) for address in plan.unmanaged]),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _scope(plan: Plan) -> str:
    line = lines.scope_line(plan)
    return f"<p>{escape(line)}</p>" if line is not None else ""


def _weakest(plan: Plan) -> str:
    use = lines.weakest(plan.changes)
    return f"<p>Weakest endpoint: <code>{escape(lines.endpoint_text(use))}</code></p>" if use else ""


def _table(plan: Plan) -> str:
    head = "".join(f'<th scope="col">{action.value}</th>' for action in Action)
    row = "".join(f"<td>{plan.count(action)}</td>" for action in Action)
    return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{row}</tr></tbody></table>"


def _change(change: Change) -> str:
    below = escape("\n".join(lines.details(change)))
    body = f"<pre>{below}</pre>" if below else ""
    head = escape(lines.headline(change).strip())
    return f'<details class="{change.action.value}" open><summary>{head}</summary>{body}</details>'


def _listed(title: str, entries: list[str]) -> str:
    if not entries:
        return ""
    rows = "".join(f"<li>{escape(visible(entry))}</li>" for entry in entries)
    return f"<h2>{title}</h2><ul>{rows}</ul>"
