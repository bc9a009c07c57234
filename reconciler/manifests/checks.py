"""What only a look at all resources together can find (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any

from reconciler.errors import Problem
from reconciler.manifests.documents import Draft
from reconciler.manifests.settings import SETTINGS_FILE, ArmingModel
from reconciler.manifests.spelling import suggestion
from reconciler.model import Address, Source

MAX_PROBLEMS = 1000
"""In one report."""

_LONGEST = 500
"""Characters of a sentence that quotes what somebody wrote."""


def together(drafts: Iterable[Draft], arming_model: ArmingModel) -> list[Problem]:
    """Every pair of resources that cannot both be, and sites that would mix arming models."""
    placed = [draft for draft in drafts if draft.path is not None]
    found: list[Problem] = []
    found += _pairs(placed, _external_id, _same_external_id)
    found += _pairs(placed, _remote_id, _same_remote_id)
    found += _pairs(placed, _bridge_mac, _same_mac)
    if arming_model == "partner_triggered":
        found += [_mixed(draft) for draft in placed if draft.fields.get("arming") is not None]
    return found


def address(draft: Draft) -> Address:
    """The address of a placed draft."""
    assert draft.path is not None
    return Address(draft.kind.name, draft.path)


Key = Callable[[Draft], Hashable | None]
Report = Callable[[Draft, Draft], Problem]


def _pairs(drafts: list[Draft], key: Key, report: Report) -> list[Problem]:
    """A problem for each draft whose key another one already has; the earlier place is the first."""
    first: dict[Hashable, Draft] = {}
    found: list[Problem] = []
    for draft in drafts:
        value = key(draft)
        if value is None:
            continue
        other = first.setdefault(value, draft)
        if other is not draft and other.path != draft.path:
            one, two = sorted((other, draft), key=lambda each: each.table.source())
            found.append(report(one, two))
    return found


def _external_id(draft: Draft) -> Hashable:
    assert draft.path is not None
    return draft.kind.name, draft.path[:-1], draft.external_id


def _same_external_id(one: Draft, two: Draft) -> Problem:
    own = two.kind.external_id_field
    names = (two.kind.identity, "external_id") if own is None else (own,)
    written = next((name for name in names if name in two.table), "id")
    earlier = next((name for name in (written, "external_id", "id") if name in one.table), "id")
    return Problem(
        f'{written}: "{two.external_id}" is already the {_label(two)} of {address(one)} at '
        f"{one.table.value_source(earlier)}",
        two.table.value_source(written),
        "Give one of them another, or remove it: one object of the account cannot be two resources.",
        address(two),
    )


def _label(draft: Draft) -> str:
    return draft.kind.identity if draft.kind.identity in draft.fields else "external id"


def _remote_id(draft: Draft) -> Hashable | None:
    return None if draft.remote_id is None else (draft.kind.name, draft.remote_id)


def _same_remote_id(one: Draft, two: Draft) -> Problem:
    name = two.kind.remote_id_field
    return Problem(
        f"{name}: {two.remote_id} is already {address(one)} at {one.table.value_source(name)}",
        two.table.value_source(name),
        "Correct one of the two.",
        address(two),
    )


def _bridge_mac(draft: Draft) -> Any:
    fields = draft.fields
    return fields.get("mac") if fields.get("device_type") == "bridge" else None


def _same_mac(one: Draft, two: Draft) -> Problem:
    return Problem(
        f'mac: "{two.fields["mac"]}" is already the bridge {address(one)} at {one.table.value_source("mac")}',
        two.table.value_source("mac"),
        "One bridge stands in one place; correct one of the two.",
        address(two),
    )


def _mixed(draft: Draft) -> Problem:
    return Problem(
        "arming: a schedule arms through CHeKT, while the project's arming_model is partner_triggered",
        draft.table.key_source("arming"),
        f"Remove arming, or write arming_model: chekt_triggered in {SETTINGS_FILE}: CHeKT forbids mixing.",
        address(draft),
    )


def webhooks_exist(drafts: Iterable[Draft], named: Iterable[tuple[str, Source]]) -> list[Problem]:
    """A problem for each webhook of ``named``, by its place in reconciler.yaml, that no manifest declares."""
    known = [draft.id for draft in drafts if draft.kind.name == "webhook"]
    return [
        Problem(
            f'webhook: there is no webhook "{name}"',
            place,
            suggestion(name, known) or "Declare it, kind: webhook, or write secrets.",
        )
        for name, place in named
        if name not in known
    ]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Without repeats, by file, line and column; those without a place first. As many as anybody reads."""
    unique = {(problem.source, problem.message): problem for problem in problems}
    nowhere = Source("", 0, 0)
    found = sorted(unique.values(), key=lambda problem: (problem.source or nowhere, problem.message))
    left = len(found) - MAX_PROBLEMS
    if left > 0:
        rest = Problem(f"and {left} more", found[MAX_PROBLEMS].source, "Correct the others first.")
        found = [*found[:MAX_PROBLEMS], rest]
    return [replace(problem, message=_short(problem.message), hint=_short(problem.hint)) for problem in found]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
