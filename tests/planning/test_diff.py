"""What counts as a difference, and how it is named."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds import REGISTRY
from reconciler.planning.diff import diff
from tests.planning.world import live_of, resource

WINDOW = {"days": ["mon"], "arm": "18:00", "disarm": "08:00", "mode": "away"}
APP = {"name": "Verifier", "webhook": {"url": "https://a.example.com", "events": ["alarm.created"]}}


def changes(text: str, wanted: dict, present: dict) -> dict[str, tuple[object, object]]:
    declared = resource(text, **wanted)
    live = live_of(declared, **present)
    found = diff(REGISTRY[declared.address.kind], declared, live)
    return {each.path: (each.before, each.after) for each in found}


@pytest.mark.parametrize(
    ("text", "wanted", "present", "expected"),
    [
        ("site:a/s", {"name": "New"}, {"name": "Old"}, {"name": ("Old", "New")}),
        ("site:a/s", {"address1": "Here"}, {"address1": None}, {"address1": (None, "Here")}),
        ("site:a/s", {"address1": None}, {"address1": None}, {}),
        ("site:a/s", {"arming": {"schedule": "x"}}, {}, {}),  # local: never sent, never compared
        (
            "device:a/s/d",
            {"additional_zone_numbers": ["002", "003"]},
            {"additional_zone_numbers": ["003", "002"]},
            {},
        ),
        (
            "device:a/s/d",
            {"additional_zone_numbers": ["002", "003"]},
            {"additional_zone_numbers": ["002"]},
            {"additional_zone_numbers": (["002"], ["002", "003"])},
        ),
        (
            "schedule:n",
            {"windows": [WINDOW]},
            {"windows": [{**WINDOW, "arm": "19:00"}]},
            {"windows[0].arm": ("19:00", "18:00")},
        ),
        (
            "schedule:n",
            {"windows": [WINDOW, {**WINDOW, "mode": "stay"}]},
            {"windows": [WINDOW]},
            {"windows[1]": (None, {**WINDOW, "mode": "stay"})},
        ),
        (
            "schedule:n",
            {"windows": [{**WINDOW, "mode": "stay"}, WINDOW]},
            {"windows": [WINDOW]},
            {"windows[0].mode": ("away", "stay"), "windows[1]": (None, WINDOW)},
        ),
        (
            "schedule:n",
            {"windows": [{**WINDOW, "days": ["mon", "tue"]}]},
            {"windows": [WINDOW]},
            {"windows[0].days": (["mon"], ["mon", "tue"])},
        ),
        (
            "app:a/v",
            {"webhook": {"x": ["a", {"b": 1}]}},
            {"webhook": {"x": [{"b": 1}]}},
            {"webhook.x[0]": ({"b": 1}, "a"), "webhook.x[1]": (None, {"b": 1})},
        ),
        ("schedule:n", {"windows": []}, {"windows": [WINDOW]}, {"windows": ([WINDOW], [])}),
        ("schedule:n", {"calendars": ["calendar:kr"]}, {"calendars": ["kr"]}, {}),
        (
            "schedule:n",
            {"calendars": ["kr", "us"]},
            {"calendars": ["us", "kr"]},
            {"calendars": (["us", "kr"], ["kr", "us"])},
        ),
        (
            "app:a/v",
            APP,
            {"webhook": {**APP["webhook"], "events": ["device.offline"]}},
            {"webhook.events": (["device.offline"], ["alarm.created"])},
        ),
        (
            "app:a/v",
            {"webhook": {"url": "u", "events": ["a", "b"]}},
            {"webhook": {"url": "u", "events": ["b", "a"]}},
            {},
        ),
        ("app:a/v", APP, {"webhook": None}, {"webhook": (None, APP["webhook"])}),
        ("app:a/v", {"webhook": {"__u": 1}}, {"webhook": {"__u": 2}}, {"webhook.__u": (2, 1)}),
    ],
)
def test_a_difference_is_named_by_its_path(text: str, wanted: dict, present: dict, expected: dict) -> None:
    assert changes(text, wanted, present) == expected


def test_paths_of_many_entries_stand_in_number_order() -> None:
    windows = [{**WINDOW, "arm": f"{n:02}:00"} for n in range(12)]
    before = [{**WINDOW, "arm": f"{n:02}:30"} for n in range(12)]
    assert list(changes("schedule:n", {"windows": windows}, {"windows": before})) == [
        f"windows[{n}].arm" for n in range(12)
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b", "__c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "__z"]), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_unequal_values_are_always_reported_and_equal_ones_never(before: object, after: object) -> None:
    declared = resource("app:a/v", webhook=after)
    live = replace(live_of(declared), fields={"permissions": ["devices:read"], "webhook": before})
    found = diff(REGISTRY["app"], declared, live)
    assert bool(found) == (before != after)
    assert all(each.before != each.after for each in found)


def test_deepdiff_is_loaded_only_when_structures_differ() -> None:
    code = (
        "import sys, reconciler.planning.plan, reconciler.planning.steps; sys.exit('deepdiff' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
