"""Manifests in one layout: canonical key order, two spaces, one spelling of quotes and braces.

The text is laid out anew around its own scalars, which are copied as they stand; comments go along with
the key they stand above or behind. A file with anchors, tags, directives or end marks is left as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml

from reconciler.errors import ManifestError, Problem
from reconciler.kinds import REGISTRY
from reconciler.manifests.checks import in_order
from reconciler.manifests.core_yaml import read as read_yaml
from reconciler.manifests.key_order import key_order
from reconciler.manifests.nodes import Page
from reconciler.manifests.writing import quoted

_STEP = "  "
_COLLECTIONS = {kind.collection: kind.name for kind in REGISTRY.values()}
_STRANGE_BREAKS = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_LEFT_ALONE = {
    yaml.AnchorToken: "anchors",
    yaml.AliasToken: "anchors",
    yaml.TagToken: "tags",
    yaml.DirectiveToken: "% directives",
    yaml.DocumentEndToken: "`...`",
}
_KEPT = "\0"
"""Stands for a blank line that is part of a text; YAML itself cannot hold it."""

_INDENT_OF_TEXT = re.compile(r"^([|>][+-]?)[1-9]")
_MISREAD = re.compile(r"(?:yes|no|on|off|[0-9]+(?::[0-5][0-9])+)", re.IGNORECASE)
"""Texts that readers of YAML 1.1 take for something else: they are put in quotes."""


_ROUNDS = 5
"""A comment below nested keys may move outwards a level at a time, until nothing moves any more."""


def formatted(file: str, text: str) -> str:
    """``text`` of a manifest in the canonical layout; the same text where it has it already.

    Raises ManifestError for broken YAML, and where the new text would not say the same with the same
    comments: then the old one is to be kept.
    """
    before = _read(file, text)
    new = ""
    try:
        for _ in range(_ROUNDS):
            once, new = new, _laid_out(new or text.replace("\r\n", "\n"))
            if once == new:
                break
        same = once == new and before == _read(file, new) and _comments(text) == _comments(new)
    except (ManifestError, yaml.YAMLError):
        same = False
    if not same:
        problem = Problem(
            f"{file}: cannot be laid out anew without changing what it says; it is left as it is",
            hint="Lay it out by hand, and report it.",
        )
        raise ManifestError.of([problem])
    return new


def why_left(text: str) -> str | None:
    """What in ``text``, YAML that can be read, keeps ``formatted`` from laying it out; None for nothing."""
    if _STRANGE_BREAKS.search(text):
        return "line breaks of its own kind"
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.DocumentStartToken) and _beside(text.split("\n")[token.start_mark.line]):
            return "a document that begins beside its `---`"
        if type(token) in _LEFT_ALONE:
            return _LEFT_ALONE[type(token)]
    return None


def _beside(marker: str) -> str:
    """What stands beside ``---`` in its line, comments aside."""
    return marker[3:].split("#", maxsplit=1)[0].strip()


def _read(file: str, text: str) -> list[Any]:
    page = Page.of(file, text)
    reading = read_yaml(page)
    if reading.problems:
        raise ManifestError.of(in_order(reading.problems))
    return [document.root for document in reading.documents]


def _comments(text: str) -> Counter[str]:
    """Every comment, wherever it stands."""
    found: Counter[str] = Counter()
    at = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        for line in text[at : token.start_mark.index].splitlines():
            _, mark, comment = line.partition("#")
            if mark:
                found[comment.strip()] += 1
        at = max(at, token.end_mark.index)
    return found


def _laid_out(text: str) -> str:
    if why_left(text):
        return text
    lines = text.split("\n")
    tokens = yaml.scan(text, Loader=yaml.SafeLoader)
    starts = [token.start_mark.line for token in tokens if isinstance(token, yaml.DocumentStartToken)]
    roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    first = roots[0].start_mark.line if roots and roots[0] is not None else 0
    implicit = not starts or first < starts[0]
    bounds = ([-1] if implicit else []) + starts + [len(lines)]
    out: list[str] = [] if implicit else _squeezed(lines[: starts[0]])
    for number, (start, end) in enumerate(pairwise(bounds)):
        if start >= 0:
            out.append(lines[start].rstrip())
        root = roots[number] if number < len(roots) else None
        out += _squeezed(_Layout(lines, text).document(root, start + 1, end))
    if not any(line.strip() for line in out):
        return text
    return "\n".join(_squeezed(out)).replace(_KEPT, "") + "\n"


def _squeezed(lines: list[str]) -> list[str]:
    """Without blank lines at the ends."""
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


@dataclass(frozen=True, slots=True)
class _Entry:
    """The lines of one key or list entry: comments above it, its own, comments below it."""

    above: list[str]
    own: list[str]
    below: list[str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Lays out the nodes of one text. Lines count from 0."""

    lines: list[str]
    text: str

    def document(self, root: yaml.Node | None, start: int, end: int) -> list[str]:
        """The lines of one document, which stands from line ``start`` to before ``end``."""
        if (
            not isinstance(root, yaml.MappingNode)
            or root.flow_style
            or root.end_mark.index == root.start_mark.index
        ):
            return [line.rstrip() for line in self.lines[start:end]]
        head = _tidy(self.lines[start : root.start_mark.line], "")
        last = self._last(root)
        below = self.lines[last + 1 : end]
        split = _split(below, 0)
        tail = [*_tidy(below[:split], _STEP), *_tidy(below[split:], "")]
        kind = next((v.value for k, v in root.value if k.value == "kind"), None)
        while head and not head[0]:
            head.pop(0)
        return [*head, *self._mapping(root, "", kind if kind in REGISTRY else None), *tail]

    def _mapping(self, node: yaml.MappingNode, indent: str, kind: str | None) -> list[str]:
        entries = [
            (key.value, _Entry(above, self._pair(key, value, indent, kind), below))
            for (key, value), above, below in self._with_comments(node, [p[0] for p in node.value], indent)
        ]
        ordered = sorted(entries, key=lambda each: _position(kind, each[0]))
        if ordered and entries and ordered[0] is not entries[0]:
            _top_comments_stay(entries[0][1], ordered[0][1])
        return [line for _, entry in ordered for line in (*entry.above, *entry.own, *entry.below)]

    def _with_comments(
        self, node: yaml.CollectionNode, firsts: list[yaml.Node], indent: str
    ) -> Iterator[tuple[Any, list[str], list[str]]]:
        """Each child of a block collection with the comment lines above and below it."""
        begun, first = node.start_mark, firsts[0].start_mark.line
        above: list[str] = []
        if first > begun.line:
            dash = self.lines[begun.line][begun.column :]
            above = _beneath_dash([dash, *self.lines[begun.line + 1 : first]], indent)
        for number, child in enumerate(node.value):
            last = self._last(child[1] if isinstance(child, tuple) else child)
            last = max(last, firsts[number].start_mark.line)
            if number + 1 == len(node.value):
                yield child, above, []
                return
            gap = self.lines[last + 1 : firsts[number + 1].start_mark.line]
            split = _split(gap, node.start_mark.column)
            yield child, above, _tidy(gap[:split], indent + _STEP)
            above = _beneath_dash(gap[split:], indent)

    def _pair(self, key: yaml.Node, value: yaml.Node, indent: str, kind: str | None) -> list[str]:
        name = self._scalar(key)
        child = _COLLECTIONS.get(key.value) if kind is not None else None
        inner = child if child is not None and REGISTRY[child].parent == kind else None
        return self._placed(f"{indent}{name}:", key, value, indent, inner)

    def _placed(
        self, lead: str, key: yaml.Node, value: yaml.Node, indent: str, kind: str | None
    ) -> list[str]:
        """``lead`` and the value behind or below it."""
        below = indent + _STEP
        gap = self.lines[key.end_mark.line + 1 : value.start_mark.line]
        opened = [self._with_comment(lead, key.end_mark), *_tidy(gap, below)]
        if isinstance(value, yaml.CollectionNode) and not value.flow_style:
            if isinstance(value, yaml.MappingNode):
                return opened + self._mapping(value, below, None)
            return opened + self._sequence(value, below, kind)
        if not self._own_text(value):
            return opened[:1]
        first, *rest = self._inline(value, indent, kind)
        commented = opened[0] != lead or any(opened[1:])
        if commented and key.end_mark.line < value.start_mark.line:
            rest = [*opened[1:], below + first, *rest]
            first = opened[0]
        else:
            first = f"{lead} {first}"
        if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
            return [first, *rest]
        *start, last = [first, *rest]
        return [*start, self._with_comment(last, value.end_mark)]

    def _sequence(self, node: yaml.CollectionNode, indent: str, kind: str | None) -> list[str]:
        lines: list[str] = []
        for child, above, below in self._with_comments(node, node.value, indent):
            lines += above
            if isinstance(child, yaml.MappingNode) and not child.flow_style:
                inner = self._mapping(child, indent + _STEP, kind)
                while inner and inner[0].lstrip().startswith("#"):
                    lines.append(indent + inner.pop(0).lstrip())
                lines += [f"{indent}- {inner[0].lstrip()}", *inner[1:]]
            elif isinstance(child, yaml.SequenceNode) and not child.flow_style:
                inner = self._sequence(child, indent + _STEP, None)
                lines += [f"{indent}- {inner[0].lstrip()}", *inner[1:]]
            else:
                lines += self._placed(f"{indent}-", child, child, indent, kind)
            lines += below
        return lines

    def _inline(self, node: yaml.Node, indent: str, kind: str | None) -> list[str]:
        """A scalar or a flow collection: the text behind a key, and what follows in further lines."""
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            return self._block_scalar(node, indent + _STEP)
        if node.start_mark.line == node.end_mark.line:
            return [self._flow(node, kind)]
        first, *rest = self._own_text(node).split("\n")
        shift = len(indent) - len(_indent(self.lines[node.start_mark.line]))
        least = len(indent) + len(_STEP)
        moved = [
            " " * max(least, len(_indent(line)) + shift) + line.strip() if line.strip() else ""
            for line in rest
        ]
        if isinstance(node, yaml.CollectionNode) and moved and moved[-1].strip() in ("]", "}"):
            moved[-1] = indent + moved[-1].strip()
        return [first.rstrip(), *moved]

    def _block_scalar(self, node: yaml.ScalarNode, indent: str) -> list[str]:
        last = self._last(node)
        head, *body = self.lines[node.start_mark.line : last + 1]
        own = next((len(_indent(line)) for line in node.value.split("\n") if line.strip()), 0)
        used = next((len(_indent(line)) for line in body if line.strip()), own) - own
        ends = len(body) - len(_squeezed(body.copy()))
        return [
            _INDENT_OF_TEXT.sub(rf"\g<1>{len(_STEP)}", head[node.start_mark.column :].rstrip()),
            *(indent + line[used:] if line.strip() else "" for line in body[: len(body) - ends]),
            *[_KEPT] * ends,
        ]

    def _flow(self, node: yaml.Node, kind: str | None = None) -> str:
        """A scalar, or a flow collection that stands in one line."""
        if isinstance(node, yaml.MappingNode):
            pairs = sorted(node.value, key=lambda pair: _position(kind, pair[0].value))
            return "{" + ", ".join(self._flow_pair(k, v, kind) for k, v in pairs) + "}"
        if isinstance(node, yaml.SequenceNode):
            return "[" + ", ".join(self._flow(each, kind) for each in node.value) + "]"
        return self._scalar(node)

    def _flow_pair(self, key: yaml.Node, value: yaml.Node, kind: str | None) -> str:
        child = _COLLECTIONS.get(key.value) if kind is not None else None
        inner = child if child is not None and REGISTRY[child].parent == kind else None
        text = self._flow(value, inner)
        return f"{self._scalar(key)}: {text}".rstrip()

    def _scalar(self, node: yaml.Node) -> str:
        own = self._own_text(node)
        if not isinstance(node, yaml.ScalarNode):
            return own  # a collection as a key: copied as it stands
        if node.style is None and _MISREAD.fullmatch(own):
            return quoted(own)
        if node.style == "'" and node.value.isprintable() and not set('"\\') & set(node.value):
            return quoted(node.value)
        return own

    def _own_text(self, node: yaml.Node) -> str:
        return self.text[node.start_mark.index : node.end_mark.index]

    def _with_comment(self, line: str, mark: yaml.Mark) -> str:
        """``line`` with the comment that stands behind ``mark``, in its column where there is room."""
        source = self.lines[mark.line]
        behind = source[mark.column :].lstrip(" :")
        if not behind.startswith("#"):
            return line
        column = source.index("#", mark.column)
        return line + " " * max(2, column - len(line)) + behind.rstrip()

    def _last(self, node: yaml.Node) -> int:
        """The last line on which something of ``node`` stands."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            child = node.value[-1]
            if not isinstance(child, tuple):
                return self._last(child)
            key, value = child
            begun: int = key.start_mark.line
            return max(begun, self._last(value))
        line: int = node.end_mark.line
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            keeps = "+" in self.lines[node.start_mark.line][node.start_mark.column :].split("#")[0]
            line = min(line, len(self.lines)) - (0 if node.end_mark.column else 1)
            while not keeps and line > node.start_mark.line and not self.lines[line].strip():
                line -= 1
        elif isinstance(node, yaml.ScalarNode) and not self._own_text(node):
            line = node.start_mark.line
        return line


def _position(kind: str | None, key: str) -> int:
    """Where a key stands: canonical for a resource's own keys, as written for all others."""
    if kind is None:
        return 0
    order = key_order(kind)
    return order.index(key) if key in order else len(order)


def _top_comments_stay(first: _Entry, leader: _Entry) -> None:
    """What stands above the first entry stands above whichever comes first."""
    leader.above[:0] = first.above
    first.above.clear()


def _split(gap: list[str], column: int) -> int:
    """How many lines of a gap stand deeper than ``column``: they belong to what stands above them."""
    shallow = (n for n, line in enumerate(gap) if line.strip() and len(_indent(line)) <= column)
    return next(shallow, len(gap))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _beneath_dash(lines: list[str], indent: str) -> list[str]:
    """Comment lines above an entry; those behind a dash that stands alone above its entry are among them."""
    undashed = [line.lstrip().removeprefix("-") if line.lstrip().startswith("-") else line for line in lines]
    kept = [new for new, old in zip(undashed, lines, strict=True) if new.strip() or not old.strip()]
    return _tidy(kept, indent)


def _tidy(lines: list[str], indent: str) -> list[str]:
    """Comment lines at ``indent``, with one blank line at most between them."""
    out: list[str] = []
    for line in lines:
        text = line.strip()
        if text or (out and out[-1]) or not out:
            out.append(indent + text if text else "")
    return out
