"""One change as HTML: what, where, why, and its fields, old and new side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from reconciler.escape import visible
from reconciler.model import Action, Address, Change, FieldChange
from reconciler.render import lines
from reconciler.render.highlight import Piece, pieces

_HEAD = '<tr><th scope="col">Field</th><th scope="col">Now</th><th scope="col">After</th></tr>'
_NOT_SET = '<i class="none">not set</i>'


def anchor(address: Address) -> str:
    """The id of the change at ``address``, which is its fragment too: the address, percent-encoded."""
    return quote(visible(str(address)), safe=":/@.~")


def link(address: Address) -> str:
    """The address as a link to its change."""
    return f'<a href="#{anchor(address)}">{text(str(address))}</a>'


def text(value: str) -> str:
    """``value`` as text of the page, harmless and in one line."""
    return escape(visible(value))


def to_html(change: Change) -> str:
    """The change as an article that a link can name and a filter can find."""
    action = change.action.value
    place = f'<span class="place">{text(str(change.source))}</span>' if change.source is not None else ""
    why = f'<p class="why">{text(change.reason)}</p>' if change.reason else ""
    symbol = f'<span aria-hidden="true">{escape(lines.SYMBOLS[change.action])}</span>'
    return (
        f'<article class="change {action}" id="{anchor(change.address)}" data-action="{action}" '
        f'tabindex="-1"><h3><b class="verb">{symbol} {action}'
        f"</b> {link(change.address)}{place}</h3>{why}{_fields(change)}{_remarks(change)}</article>"
    )


def _fields(change: Change) -> str:
    if not change.fields:
        return ""
    if change.action is Action.CREATE:
        rows = "".join(map(_created, change.fields))
        return f'<table class="fields fresh"><tbody>{rows}</tbody></table>'
    rows = "".join(map(_changed, change.fields))
    return f'<table class="fields"><thead>{_HEAD}</thead><tbody>{rows}</tbody></table>'


def _name(field: FieldChange) -> str:
    note = " <em>ignored</em>" if field.ignored else ""
    return f'<th scope="row">{text(field.path)}{note}</th>'


def _created(field: FieldChange) -> str:
    return f"<tr>{_name(field)}<td><ins>{escape(lines.sides(field)[1])}</ins></td></tr>"


def _changed(field: FieldChange) -> str:
    before, after = lines.sides(field)
    old, new = pieces(before, after)
    left = _NOT_SET if field.before is None else f"<del>{_marked(old)}</del>"
    right = _NOT_SET if field.after is None else f"<ins>{_marked(new)}</ins>"
    return f"<tr>{_name(field)}<td>{left}</td><td>{right}</td></tr>"


def _marked(found: Sequence[Piece]) -> str:
    if len(found) == 1:
        return escape(found[0].text)  # the whole value is new: there is nothing to look for in it
    return "".join(
        f"<mark>{escape(piece.text)}</mark>" if piece.moved else escape(piece.text) for piece in found
    )


def _remarks(change: Change) -> str:
    """The endpoint where it is less than documented, or the steps for a person."""
    steps = "".join(f"<li>{text(step)}</li>" for step in change.steps)
    listed = f'<ol class="steps">{steps}</ol>' if steps else ""
    weak = lines.weak_endpoint(change)
    through = (
        f'<p class="through">through <code>{escape(lines.endpoint_text(weak))}</code></p>' if weak else ""
    )
    return through + listed
