"""What counts as a difference, and how it is named."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds import REGISTRY
from reconciler.model import FieldChange, Owned, SecretRef
from reconciler.planning.diff import diff, written
from reconciler.redaction import MASK
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


class TestSecrets:
    """A secret is compared by the keyed digest of what was last sent; no side of it is ever shown."""

    WEBHOOK = REGISTRY["webhook"]
    URL = "https://hooks.example.com/arming"
    REF = SecretRef("env", "CHEKT_WEBHOOK_SECRET")
    MASKED = FieldChange("secret", MASK, MASK, secret=True)

    def found(
        self, wanted: object, sent: str | None, now: str | None = None, **fields: object
    ) -> tuple[FieldChange, ...]:
        declared = resource("webhook:feed", url=self.URL, secret=wanted, **fields)
        live = live_of(declared)
        row = Owned(declared.address, "1", self.URL, secrets={} if sent is None else {"secret": sent})
        digests = {} if now is None else {"secret": now}
        return diff(self.WEBHOOK, declared, live, row=row, secret_digests=digests)

    def test_the_secret_last_sent_is_no_difference(self) -> None:
        assert self.found(self.REF, "d1", "d1") == ()

    @pytest.mark.parametrize(("sent", "now"), [("d1", "d2"), (None, "d1"), ("d1", None)])
    def test_another_or_an_unknown_one_is_and_both_sides_are_masked(
        self, sent: str | None, now: str | None
    ) -> None:
        assert self.found(self.REF, sent, now) == (self.MASKED,)

    def test_without_a_ledger_row_it_is_sent(self) -> None:
        declared = resource("webhook:feed", url=self.URL, secret=self.REF)
        assert diff(self.WEBHOOK, declared, live_of(declared), secret_digests={"secret": "d1"}) == (
            self.MASKED,
        )

    def test_null_clears_one_that_was_sent_and_only_that(self) -> None:
        assert self.found(None, "d1") == (FieldChange("secret", MASK, None, secret=True),)
        assert self.found(None, None) == ()

    def test_a_value_written_in_the_open_is_masked_all_the_same(self) -> None:
        assert self.found("in-the-open", "d1") == (self.MASKED,)

    def test_a_reference_in_a_field_that_is_no_secret_is_masked_too(self) -> None:
        declared = resource("site:acme/hq", name=self.REF)
        found = diff(REGISTRY["site"], declared, live_of(declared, name="Old"))
        assert [change for change in found if change.path == "name"] == [
            FieldChange("name", MASK, MASK, secret=True)
        ]

    def test_the_fields_after_a_secret_are_compared(self) -> None:
        declared = resource("webhook:feed", url=self.URL, secret=self.REF, events=["site.armed"])
        live = replace(live_of(declared), fields={"url": self.URL, "events": []})
        paths = {change.path for change in diff(self.WEBHOOK, declared, live)}
        assert paths == {"secret", "events"}


class TestIgnoredFields:
    """``lifecycle.ignore`` shows a difference and marks it; nothing else of it changes."""

    @pytest.mark.parametrize("name", ["name", "address1"])
    def test_the_field_is_marked_and_its_neighbours_are_not(self, name: str) -> None:
        declared = resource("site:acme/hq", ignore=[name], name="New", address1="Here")
        found = diff(REGISTRY["site"], declared, live_of(declared, name="Old", address1="There"))
        assert {change.path: change.ignored for change in found} == {
            "name": name == "name",
            "address1": name == "address1",
        }

    @pytest.mark.parametrize("ignored", ["windows", "windows[0].arm"])
    def test_a_field_is_ignored_whole_or_by_the_path_the_plan_shows(self, ignored: str) -> None:
        declared = resource("schedule:n", ignore=[ignored], windows=[WINDOW])
        live = live_of(declared, windows=[{**WINDOW, "arm": "19:00"}])
        assert diff(REGISTRY["schedule"], declared, live) == (
            FieldChange("windows[0].arm", "19:00", "18:00", ignored=True),
        )

    def test_another_entry_of_the_list_is_not(self) -> None:
        declared = resource("schedule:n", ignore=["windows[1].arm"], windows=[WINDOW])
        live = live_of(declared, windows=[{**WINDOW, "arm": "19:00"}])
        assert diff(REGISTRY["schedule"], declared, live) == (
            FieldChange("windows[0].arm", "19:00", "18:00"),
        )

    def test_an_ignored_secret_stays_a_secret(self) -> None:
        url = "https://hooks.example.com/arming"
        declared = resource("webhook:feed", ignore=["secret"], url=url, secret=SecretRef("env", "S"))
        assert diff(REGISTRY["webhook"], declared, live_of(declared)) == (
            FieldChange("secret", MASK, MASK, secret=True, ignored=True),
        )


class TestWhatACreateSends:
    def test_every_field_that_is_set_secrets_masked_and_nulls_left_out(self) -> None:
        url = "https://hooks.example.com/arming"
        declared = resource("webhook:feed", url=url, events=["site.armed"], secret=SecretRef("env", "S"))
        assert sorted(written(REGISTRY["webhook"], declared), key=lambda change: change.path) == [
            FieldChange("events", None, ["site.armed"]),
            FieldChange("secret", None, MASK, secret=True),
            FieldChange("url", None, url),
        ]
        assert "secret" not in {
            change.path
            for change in written(REGISTRY["webhook"], resource("webhook:feed", url=url, secret=None))
        }

    def test_a_value_written_in_the_open_is_masked(self) -> None:
        declared = resource("webhook:feed", url="https://hooks.example.com/arming", secret="open")
        assert FieldChange("secret", None, MASK, secret=True) in written(REGISTRY["webhook"], declared)
