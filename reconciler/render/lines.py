"""The lines of a change, shared by the renderings that people read."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.escape import value_text, visible
from reconciler.model import GRADES, Action, Change, ChangedSince, EndpointUse, FieldChange, JsonValue, Plan
from reconciler.redaction import MASK

SYMBOLS: dict[Action, str] = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.ADOPT: "<=",
    Action.MANUAL: "!",
}

VERBS: dict[Action, str] = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.REPLACE: "to replace",
    Action.DELETE: "to delete",
    Action.ADOPT: "to adopt",
    Action.MANUAL: "manual",
}

REVIEW: tuple[Action, ...] = (
    Action.DELETE,
    Action.REPLACE,
    Action.MANUAL,
    Action.CREATE,
    Action.UPDATE,
    Action.ADOPT,
)
"""The order in which a reviewer should look, the most dangerous first: they may stop reading."""

GRAVE = (Action.DELETE, Action.REPLACE)
"""What takes something away."""

_QUIET = GRADES.index("documented")
"""Endpoints of this grade or better need no remark beside the change."""


def headline(change: Change) -> str:
    """``~ update site:acme/hq (sites.yaml:12:3)``, with the reason where there is one."""
    place = f" ({visible(str(change.source))})" if change.source is not None else ""
    reason = f": {visible(change.reason)}" if change.reason else ""
    return f"{SYMBOLS[change.action]:>3} {change.action} {visible(str(change.address))}{place}{reason}"


def field_line(field: FieldChange, action: Action) -> str:
    """``name: "old" -> "new"``; only the new value where the object is new."""
    note = " (ignored)" if field.ignored else ""
    before, after = sides(field)
    if action is Action.CREATE:
        return f"{visible(field.path)}: {after}{note}"
    return f"{visible(field.path)}: {before} -> {after}{note}"


def sides(field: FieldChange) -> tuple[str, str]:
    """Both values as JSON, a secret as MASK."""
    return _side(field, field.before), _side(field, field.after)


def details(change: Change) -> list[str]:
    """Everything below the headline, without indentation."""
    return [*(field_line(field, change.action) for field in change.fields), *remarks(change)]


def remarks(change: Change) -> list[str]:
    """What stands below the fields: an endpoint that is less than documented, steps for a person."""
    weak = weak_endpoint(change)
    lines = [] if weak is None else [f"through {endpoint_text(weak)}"]
    lines.extend(f"{number}. {visible(step)}" for number, step in enumerate(change.steps, start=1))
    return lines


def weak_endpoint(change: Change) -> EndpointUse | None:
    """The weakest endpoint of a change where it is less than documented."""
    weakest = change.endpoints[0] if change.endpoints else None
    return weakest if weakest is not None and GRADES.index(weakest.grade) > _QUIET else None


def endpoint_text(use: EndpointUse) -> str:
    """``PATCH /partner/v1/... (inferred)``."""
    return f"{visible(use.method)} {visible(use.path)} ({use.grade})"


def summary(plan: Plan) -> str:
    """``Plan: 1 to create, 2 to update.``, in the order of the actions."""
    counts = [f"{plan.count(action)} {VERBS[action]}" for action in Action if plan.count(action)]
    return f"Plan: {', '.join(counts)}." if counts else nothing(plan)


def nothing(plan: Plan) -> str:
    """What to say of a plan without changes."""
    since = plan.changed_since
    if since is None or since.addresses is None:
        return "No changes. The account is as the manifests say."
    if not since.addresses:
        return f"No changes. The manifests say what they said at {revision(since)}."
    return f"No changes. The account has what the manifests say otherwise than at {revision(since)}."


def revision(since: ChangedSince) -> str:
    """``origin/main (1a2b3c4d5e6f)``: the ref as it was given, and the commit compared with."""
    return f"{visible(since.ref)} ({since.commit[:12]})"


def cost(plan: Plan) -> str:
    """The predicted requests and time."""
    requests = plan.requests
    return (
        f"Requests: {requests.read} to read, {requests.write} to write, {duration(requests.seconds)} "
        "at the rate budget."
    )


def weakest(changes: Iterable[Change]) -> EndpointUse | None:
    """The endpoint of lowest grade that ``changes`` rely on."""
    used = [change.endpoints[0] for change in changes if change.endpoints]
    return max(used, key=lambda use: (GRADES.index(use.grade), use.path, use.method), default=None)


def scope_line(plan: Plan) -> str | None:
    """What the plan was limited to, None when it was not."""
    parts = []
    if plan.targets:
        parts.append(f"only {', '.join(map(visible, plan.targets))}")
    if plan.excludes:
        parts.append(f"without {', '.join(map(visible, plan.excludes))}")
    since = plan.changed_since
    if since is not None and since.addresses is not None:
        count = len(since.addresses)
        parts.append(f"only what differs from {revision(since)}: {count} resource{'s' * (count != 1)}")
    return f"Limited: {'; '.join(parts)}." if parts else None


def duration(seconds: float) -> str:
    """``under a second``, ``42 s``, ``3 min``, ``2 h 5 min``: rounded up."""
    whole = int(-(-seconds // 1))
    if seconds < 1:
        return "under a second"
    if whole < 60:
        return f"{whole} s"
    minutes = -(-whole // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _side(field: FieldChange, value: JsonValue) -> str:
    return MASK if field.secret and value is not None else value_text(value)
