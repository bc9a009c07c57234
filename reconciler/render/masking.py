"""A plan without the secrets that the account repeats in other fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from reconciler.model import Change, JsonValue, Plan


def masked(plan: Plan, mask: Callable[[str], str]) -> Plan:
    """``plan`` with ``mask`` applied to every value, reason and warning.

    A page that escapes values, and marks parts of them, hides a secret from a search of its text; so it has
    to be searched for here.
    """
    return replace(
        plan,
        changes=tuple(_change(change, mask) for change in plan.changes),
        warnings=tuple(map(mask, plan.warnings)),
    )


def _change(change: Change, mask: Callable[[str], str]) -> Change:
    fields = tuple(
        replace(field, before=_value(field.before, mask), after=_value(field.after, mask))
        for field in change.fields
    )
    return replace(change, fields=fields, reason=mask(change.reason), steps=tuple(map(mask, change.steps)))


def _value(value: JsonValue, mask: Callable[[str], str]) -> JsonValue:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(name): _value(each, mask) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_value(each, mask) for each in value]
    return value
