"""A saved plan: the same bytes for the same plan, and no other plan than the one that was saved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ConfigError, StalePlanError
from reconciler.model import Action, FieldChange, Plan
from reconciler.planning.digest import changes_digest, digest
from reconciler.render.json import from_json, to_json
from reconciler.render.schema import plan_schema
from tests.render.sample_plan import CHANGES, EMPTY, PLAN, SINCE, UNLIMITED


@pytest.mark.parametrize("plan", [PLAN, EMPTY, SINCE, UNLIMITED])
def test_a_saved_plan_is_read_back_as_it_was(plan: Plan) -> None:
    assert from_json(to_json(plan)) == plan
    assert to_json(from_json(to_json(plan))) == to_json(plan)


@pytest.mark.parametrize("plan", [PLAN, EMPTY, SINCE, UNLIMITED])
def test_the_output_fits_its_published_schema(plan: Plan) -> None:
    jsonschema.Draft202012Validator.check_schema(plan_schema())
    jsonschema.Draft202012Validator(plan_schema()).validate(json.loads(to_json(plan)))


def test_the_published_schema_is_the_one_in_force() -> None:
    published = Path(__file__).parents[2] / "schemas" / "plan.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == plan_schema()


def test_the_format_has_the_agreed_keys() -> None:
    content = json.loads(to_json(PLAN))
    assert content["format_version"] == 1
    assert content["changes_digest"] == changes_digest(PLAN)
    assert content["created_at"] == "2026-11-20T09:00:00Z"
    assert content["summary"] == {
        "create": 1,
        "update": 2,
        "replace": 1,
        "delete": 1,
        "adopt": 1,
        "manual": 1,
    }
    assert content["requests"] == {"read": 12, "write": 6, "seconds": 1.2}
    changes = {each["address"]: each for each in content["changes"]}
    assert changes["device:acme/hq/door"]["endpoint"]["grade"] == "inferred"
    assert changes["device:acme/hq/old"]["source"] is None
    assert changes["site:acme/hq"]["source"] == {"file": "sites.yaml", "line": 12, "column": 3}
    assert changes["site:acme/hq"]["fields"][0] == {
        "path": "name",
        "before": "Old name",
        "after": "Gangnam \uac15\ub0a8",
        "secret": False,
        "ignored": False,
    }


def test_instants_are_written_in_utc() -> None:
    seoul = timezone(timedelta(hours=9))
    assert to_json(replace(PLAN, created_at=PLAN.created_at.astimezone(seoul))) == to_json(PLAN)


def test_a_secret_is_masked_even_when_the_plan_holds_it() -> None:
    leaking = replace(CHANGES[5], fields=(FieldChange("secret", "hunter2", "hunter3", secret=True),))
    assert "hunter" not in to_json(replace(PLAN, changes=(leaking,)))


def _edited(**values: Any) -> str:
    return json.dumps({**json.loads(to_json(PLAN)), **values})


def _signed(**values: Any) -> str:
    content = {**json.loads(to_json(PLAN)), **values}
    content.pop("digest")
    return json.dumps({**content, "digest": digest(content)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON or was cut off"),
        (to_json(PLAN)[:-40], "not JSON or was cut off"),
        ("[]", "not a plan of the reconciler"),
        ('{"kind": "site"}', "not a plan of the reconciler"),
        ('{"format_version": "1", "changes": []}', "not a plan of the reconciler"),
        ('{"format_version": true, "changes": []}', "not a plan of the reconciler"),
        (_edited(format_version=2), "format version 2"),
        ('{"format_version": 1, "changes": []}', "the plan is damaged, at"),
        (_signed(surprise=1), "surprise"),
        (_signed(changes=[{"address": "nonsense"}]), "changes.0"),
        (_signed(expires_at="2026-11-20T09:00:00"), "expires_at"),
        (_signed(unmanaged=["nonsense"]), "unmanaged.0"),
        ('{"format_version": 1, "changes": [' + "[" * 100_000, "not JSON or was cut off"),
    ],
)
def test_what_is_no_plan_of_this_version_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(text)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("key", ["changes", "unmanaged", "warnings", "targets"])
def test_an_entry_taken_out_by_hand_is_noticed(key: str) -> None:
    with pytest.raises(StalePlanError, match="changed after it was written"):
        from_json(_edited(**{key: json.loads(to_json(PLAN))[key][1:]}))


def test_a_plan_signed_anew_with_another_digest_of_its_changes_is_noticed() -> None:
    with pytest.raises(StalePlanError, match="contradicts itself"):
        from_json(_signed(changes_digest=digest("other changes")))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_any_value_survives_the_way_to_the_file_and_back(value: Any) -> None:
    change = replace(CHANGES[1], fields=(FieldChange("name", value, None),))
    saved = to_json(replace(PLAN, changes=(change,)))
    assert saved.isascii()
    assert saved.encode()
    assert from_json(saved).changes[0].fields[0].before == value


def test_every_action_survives_the_way_to_the_file_and_back() -> None:
    assert {change.action for change in from_json(to_json(PLAN)).changes} == set(Action)
