"""Whatever a project says, one apply makes it so, and the order it is written in does not matter."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import Cli
from tests.manifests.strategies import Drawn, projects, write

DEALER_SURFACE_ONLY = {"title", "slot_number", "sms_alarm_enabled", "email_alarm_enabled"}


def for_the_partner_surface(drawn: Drawn) -> Drawn:
    """Without the fields the partner surface lacks, and with secrets that exist."""

    def kept(value: object) -> object:
        if isinstance(value, dict):
            return {
                k: kept(v)
                for k, v in value.items()
                if k not in DEALER_SURFACE_ONLY or "first_name" not in value
            }
        return [kept(each) for each in value] if isinstance(value, list) else value

    documents = []
    for document in drawn.documents:
        changed = kept(document)
        assert isinstance(changed, dict)
        if changed["kind"] == "webhook":
            changed["secret"] = {"env": "HOOK"}
        documents.append(changed)
    return Drawn(tuple(documents))


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller example is not worth minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=projects().map(for_the_partner_surface), seed=st.integers(0, 1000))
def test_applied_once_nothing_is_left_and_order_does_not_matter(
    drawn: Drawn, seed: int, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "a-signing-secret")
    chance = random.Random(seed)
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        write(directory, drawn.files(chance))
    plans = [cli("plan", directory).out for directory in (one, two)]
    assert without_places(plans[0]) == without_places(plans[1])

    applied = cli("apply", one, "--yes")
    assert applied.code == 0, applied.err + cli("drift", one).out
    assert cli("drift", one).code == 0

    shutil.copytree(one / ".reconciler", two / ".reconciler", dirs_exist_ok=True)
    assert cli("drift", two).code == 0


def without_places(text: str) -> str:
    """The plan without the file, line and column behind each change, which do depend on the order."""
    return re.sub(r" \([\w/.]+:[0-9]+:[0-9]+\)", "", text)
