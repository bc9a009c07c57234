"""Whatever an account holds, an import of it is followed by an empty plan, and nothing is written there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler import sandbox as simulator
from reconciler.kinds import REGISTRY
from tests.integration.conftest import Cli, Served
from tests.manifests import strategies as drawn

AWKWARD = st.sampled_from(
    [
        "no",
        "18:00",
        "001",
        " x ",
        "a/b",
        "#",
        "~",
        "null",
        "é\u2028",
        "- a",
        "Tür: 1",
        "x" * 300,
        "a\x07b",
        "\u202ea\u200b",
    ]
)
NAMES = drawn.TEXTS | AWKWARD | st.just("Same")
FIELDS: Mapping[str, Any] = {
    "monitoring_station": drawn.STATIONS,
    "site": drawn.SITES,
    "device": drawn.DEVICES,
    "contact": drawn.CONTACTS,
    "app": drawn.APPS,
    "calendar": drawn.CALENDARS,
    "schedule": drawn.SCHEDULES,
    "webhook": drawn.WEBHOOKS,
}
BESIDE = ("calendar", "schedule", "webhook")
UNDER_DEALER = ("monitoring_station", "site", "app")
UNDER_SITE = ("device", "contact")
_numbers = count()


@st.composite
def objects(draw: st.DrawFn, kinds: tuple[str, ...]) -> list[tuple[str, str | None, dict[str, Any], Any]]:
    """Objects of an account: kind, external id, fields, and what stands below."""
    made = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=5)):
        body = {k: v for k, v in draw(FIELDS[kind]).items() if v is not None and k != "secret"}
        if "name" in body:
            body["name"] = draw(NAMES)
        if kind == "webhook":
            body["url"] = f"https://hooks.example.com/{draw(st.sampled_from('ab'))}"
        if kind == "device" and draw(st.booleans()):
            body["mac"] = draw(st.sampled_from(("001A2B3C4D5E", "001A2B3C4D5F")))
        body = {name: REGISTRY[kind].normalise(name, value) for name, value in body.items()}
        external_id = draw(st.none() | AWKWARD | drawn.IDS | st.just("dup"))
        below = draw(objects(UNDER_SITE)) if kind == "site" else []
        made.append((kind, body.get("url", external_id), body, below))
    return made


def put(served: Served, scope: str, made: list[Any]) -> None:
    for kind, external_id, body, below in made:
        row = served.sandbox.store.insert(kind, scope, external_id, body, 1_790_000_000)
        put(served, f"{scope}/{row.id}", below)


@pytest.mark.parametrize("surface", ["partner", "dealer"])
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(beside=objects(BESIDE), below=objects(UNDER_DEALER))
def test_the_plan_after_an_import_is_empty_and_nothing_was_sent(
    surface: str, beside: list[Any], below: list[Any], cli: Cli, served: Served, tmp_path: Path
) -> None:
    served.sandbox.reset()
    put(served, "", beside)
    put(served, "12345", below)
    into = tmp_path / f"account-{next(_numbers)}"
    into.mkdir()
    (into / "reconciler.yaml").write_text(
        f"version: 1\nenvironments: {{embedded: {{surface: {surface}}}}}\n", encoding="utf-8"
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHEKT_API_KEY", simulator.dealer_key(12345))
        further = ("--timezone", "Asia/Seoul") if surface == "dealer" else ()
        imported = cli("import", "--into", into, "--dealer", "acme=12345", "--format", "json", *further)
        assert imported.code == 0, imported.out
        for name in imported.json["variables"]:
            environment.setenv(name, "as-it-is-in-chekt")
        planned = cli("plan", into, "--format", "json")
        owned = {row["address"] for row in cli("ledger", "show", into, "--format", "json").json["owned"]}
        (into / ".reconciler/ledger.db").unlink()
        without_ledger = cli("plan", into, "--format", "json")
    assert planned.code == 0, planned.out
    assert planned.changes() == {}
    assert [c for c in served.calls() if not c.startswith("GET")] == []
    assert set(without_ledger.changes().values()) <= {"adopt"}, without_ledger.out
    omitted = imported.json["omitted"].keys()
    assert owned.isdisjoint(omitted)
    hidden, dealers = (("webhook", "monitoring_station"), 0) if surface == "dealer" else ((), 1)
    assert len(owned | omitted) == dealers + held(beside, hidden) + held(below, hidden)


def held(made: list[Any], hidden: tuple[str, ...]) -> int:
    """How many objects there are, at any depth, but those of kinds that are not shown."""
    return sum(1 + held(under, hidden) for kind, *_, under in made if kind not in hidden)
