"""One value has one spelling, on the desired and on the live side."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds import REGISTRY, values
from reconciler.kinds import site as site_kind
from reconciler.model import JsonValue

NORMAL = [
    (values.mac, "00:1a:2b:3c:4d:5e", "001A2B3C4D5E"),
    (values.mac, "001a.2b3c.4d5e", "001A2B3C4D5E"),
    (values.phone, "+82 10-1234-5678", "+821012345678"),
    (values.phone, "+1 (212) 555-0123", "+12125550123"),
    (values.zone_number, "1", "001"),
    (values.zone_number, "1200", "1200"),
    (values.zone_numbers, "003, 2,003", ["002", "003"]),
    (values.zone_numbers, ["3", "002"], ["002", "003"]),
    (values.email, "John@EXAMPLE.com", "John@example.com"),
    (values.url, "HTTPS://Hooks.Example.COM/Path?Q=1", "https://hooks.example.com/Path?Q=1"),
    (values.network, "203.0.113.0/24", "203.0.113.0/24"),
    (values.network, "2001:DB8::0:1", "2001:db8::1"),
    (values.timezone, "Asia/Seoul", "Asia/Seoul"),
    (values.flag, 1, True),
    (site_kind.security_type, 4, "alarm_com"),
]


@pytest.mark.parametrize(("normalise", "written", "normal"), NORMAL)
def test_spellings_of_one_value(
    normalise: Callable[[object], object], written: object, normal: object
) -> None:
    assert normalise(written) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("normalise", "text", "advice"),
    [
        (values.mac, "1234567890", "twelve hex digits"),
        (values.phone, "1234567890", "country code"),
        (values.zone_number, "A1", "in quotes"),
        (values.email, "john", "john@example.com"),
        (values.url, "hooks.example.com", "absolute URL"),
        (values.network, "203.0.113.7/24", "host bits"),
        (values.timezone, "Asia/Soul", "IANA"),
        (values.identifier, "a/b", "without"),
        (site_kind.security_type, "vidio", "panel_primary_bridge"),
        (site_kind.security_type, 5, "1 to 4"),
    ],
)
def test_what_cannot_be_read_says_what_can(
    normalise: Callable[[str], object], text: str, advice: str
) -> None:
    with pytest.raises(ValueError, match=advice):
        normalise(text)


@given(
    st.sampled_from(sorted(REGISTRY)).flatmap(
        lambda n: st.tuples(st.just(n), st.sampled_from(REGISTRY[n].managed))
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
        max_leaves=4,
    ),
)
def test_a_live_value_normalises_once_and_never_fails(field: tuple[str, str], value: JsonValue) -> None:
    kind = REGISTRY[field[0]]
    once = kind.normalise(field[1], value)
    assert kind.normalise(field[1], once) == once


def test_the_empty_string_and_null_mean_not_set() -> None:
    assert REGISTRY["site"].normalise("address1", "") is None
    assert REGISTRY["site"].decode("address1", None) is None


def test_a_number_from_the_wire_is_the_same_account_number() -> None:
    assert REGISTRY["site"].normalise("account_number", 1234) == "1234"


@pytest.mark.parametrize(("name", "number"), [(n, i + 1) for i, n in enumerate(site_kind.SECURITY_TYPES)])
def test_security_types_travel_as_numbers(name: str, number: int) -> None:
    assert REGISTRY["site"].encode("security_type", name) == number
    assert REGISTRY["site"].decode("security_type", number) == name
