"""What differs between the manifest of one resource and its live object, field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from reconciler.kinds.kind import Kind, Reference
from reconciler.model import AS_FOUND, FieldChange, JsonValue, LiveObject, Owned, Resource, SecretRef
from reconciler.planning.digest import canonical
from reconciler.planning.ownership import settled
from reconciler.redaction import MASK

_SCALAR = (str, int, float, type(None))

NO_DIGESTS: Mapping[str, str] = MappingProxyType({})


def diff(
    kind: Kind,
    desired: Resource,
    live: LiveObject,
    *,
    row: Owned | None = None,
    secret_digests: Mapping[str, str] = NO_DIGESTS,
    compared: frozenset[str] | None = None,
) -> tuple[FieldChange, ...]:
    """The fields in which ``live`` is not what ``desired`` asks for, in the order of the spec.

    Only written fields that the kind manages are compared, and of these only ``compared`` where given.
    An absent live field counts as not set. A secret differs when its keyed digest is not the one last
    sent (``row.secrets``; one taken over AS_FOUND is equal to any); both sides are shown as MASK. A value
    the server is known to replace
    (``row.replaced``) is equal as long as neither side moves. Nested values yield dotted paths
    (``windows[0].arm``); lists that are sets compare as sets and are shown whole. Fields named by
    ``lifecycle.ignore`` are marked ``ignored``.
    """
    fields = desired.fields
    found: list[FieldChange] = []
    for name in kind.managed:
        if name not in fields or (compared is not None and name not in compared):
            continue
        wanted = fields[name]
        if isinstance(wanted, SecretRef) or name in kind.secret:
            found.extend(_secret(name, wanted, row, secret_digests))
            continue
        present = live.fields.get(name)
        if wanted != present and not settled(name, desired, live, row):
            found.extend(_field(kind, name, present, wanted))
    if desired.lifecycle.ignore and found:
        return tuple(_marked(change, desired.lifecycle.ignore) for change in found)
    return tuple(found)


def written(kind: Kind, desired: Resource) -> tuple[FieldChange, ...]:
    """Every field that creating ``desired`` sends, before being None. What is null is not sent."""
    shown: list[FieldChange] = []
    for name in kind.managed:
        value = desired.fields.get(name)
        if isinstance(value, SecretRef) or (value is not None and name in kind.secret):
            shown.append(FieldChange(name, None, MASK, secret=True))
        elif value is not None:
            shown.append(FieldChange(name, None, value))
    return tuple(shown)


def _secret(
    name: str, wanted: JsonValue | SecretRef, row: Owned | None, digests: Mapping[str, str]
) -> tuple[FieldChange, ...]:
    sent = row.secrets.get(name) if row is not None else None
    if wanted is None:
        return (FieldChange(name, MASK, None, secret=True),) if sent is not None else ()
    if sent is not None and sent in (digests.get(name), AS_FOUND):
        return ()
    return (FieldChange(name, MASK, MASK, secret=True),)


def _marked(change: FieldChange, ignore: frozenset[str]) -> FieldChange:
    top = re.split(r"[.\[]", change.path, maxsplit=1)[0]
    if change.path not in ignore and top not in ignore:
        return change
    return FieldChange(change.path, change.before, change.after, secret=change.secret, ignored=True)


def _field(kind: Kind, name: str, before: JsonValue, after: JsonValue) -> tuple[FieldChange, ...]:
    """The changes between two values known to be unequal; none when they are equal after all."""
    if not kind.references and isinstance(before, _SCALAR) and isinstance(after, _SCALAR):
        return (FieldChange(name, before, after),)
    old, new = (_comparable(kind, name, value) for value in (before, after))
    if old == new:
        return ()
    if not (_nested(old) and _nested(new) and type(old) is type(new)):
        return (FieldChange(name, before, after),)
    return _deep(kind, name, old, new) or (FieldChange(name, before, after),)


def _nested(value: JsonValue) -> bool:
    """A mapping, or a list with structure inside; a list of plain values is clearer shown whole."""
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list) and any(isinstance(each, (Mapping, list)) for each in value)


def _comparable(kind: Kind, name: str, value: JsonValue) -> JsonValue:
    """``value`` with lists that are sets in canonical order, and references by id in one spelling."""
    references = tuple(ref for ref in kind.references if not ref.by_remote_id)
    return _canonical(kind.unordered, references, name, value)


def _canonical(
    unordered: frozenset[str], references: tuple[Reference, ...], path: str, value: JsonValue
) -> JsonValue:
    if isinstance(value, str):
        return _reference_id(references, path, value)
    if isinstance(value, Mapping):
        return {k: _canonical(unordered, references, f"{path}.{k}", v) for k, v in value.items()}
    if isinstance(value, Sequence):
        inner = [_canonical(unordered, references, path, each) for each in value]
        if path not in unordered:
            return inner
        return [each for _, each in sorted({canonical(each): each for each in inner}.items())]
    return value


def _reference_id(references: tuple[Reference, ...], path: str, value: str) -> str:
    """A reference that travels by the user's id is the same whether it came back as id or address."""
    for reference in references:
        if reference.path in (path, f"{path}.*", f"{path.rpartition('.')[0]}.*"):
            prefix = f"{reference.kind}:"
            return value.removeprefix(prefix).rpartition("/")[2] if value.startswith(prefix) else value
    return value


def _deep(kind: Kind, name: str, old: JsonValue, new: JsonValue) -> tuple[FieldChange, ...]:
    """The leaves in which two structures of one type differ, by path."""
    from deepdiff import DeepDiff  # noqa: PLC0415  # slow to import, rarely needed

    tree = DeepDiff(old, new, view="tree", ignore_private_variables=False, zip_ordered_iterables=True)
    found: dict[str, FieldChange] = {}
    for levels in tree.values():
        for level in levels:
            steps: list[str | int] = list(level.path(output_format="list"))
            path, depth = _to_leaf(kind, name, steps, (old, new))
            before, after = (_at(side, steps[:depth]) for side in (old, new))
            if before != after:
                found[path] = FieldChange(path, before, after)
    return tuple(found[path] for path in sorted(found, key=_numerically))


def _to_leaf(
    kind: Kind, name: str, steps: Sequence[str | int], sides: tuple[JsonValue, JsonValue]
) -> tuple[str, int]:
    """The dotted path of ``steps``, cut at a list that is shown whole, and how many steps it takes."""
    path = plain = name
    for depth, step in enumerate(steps):
        if isinstance(step, int):
            if plain in kind.unordered or not any(_nested(_at(side, steps[:depth])) for side in sides):
                return path, depth
            path += f"[{step}]"
        else:
            path += f".{step}"
            plain += f".{step}"
    return path, len(steps)


def _at(value: Any, steps: Sequence[str | int]) -> JsonValue:
    """The value at ``steps``, None where one side has nothing there."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return None
            value = value[step]
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    result: JsonValue = value
    return result


def _numerically(path: str) -> tuple[tuple[int, str], ...]:
    """Sort key by which ``windows[2]`` stands before ``windows[10]``."""
    return tuple((int(step), "") if step.isdigit() else (-1, step) for step in re.split(r"[.\[\]]+", path))
