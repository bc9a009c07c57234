"""reconciler.yaml, and the choice of environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConfigError
from reconciler.manifests import Project, load
from reconciler.model import SecretRef
from tests.manifests.strategies import write

DEALER = "kind: dealer\nid: acme\ndealer_id: 1\n"
SETTINGS = """\
version: 1
arming_model: chekt_triggered
defaults: {site: {timezone: America/New_York}}
safety: {max_delete_percent: 20, max_delete_count: 5, max_update_percent: 12.5}
ownership: {external_id_prefix: acme-}
variables: {region: east}
endpoints: {site: {update: "PUT /partner/v1/sites/{site_id}"}}
ledger: state/ledger.db
plan_lifetime: 90m
environments:
  embedded: {}
  dev: {base_url: "https://api.chektdev.com/", surface: partner}
  production:
    base_url: https://api.chekt.com
    surface: dealer
    accept: inferred
    rate: {per_minute: 600, burst: 30}
    timeouts: {connect: 3, read: 12.5}
    dialect: page
    clear: empty
    dealers: {acme: {api_key: {env: ACME_KEY}}}
  local: {base_url: "http://127.0.0.1:8787", clear: null}
  remote_sandbox: {base_url: "https://sandbox.example.com", sandbox: true}
  strict_local: {base_url: "http://localhost:8787", sandbox: false}
"""


def loaded(directory: Path, settings: str = SETTINGS, **options: Any) -> Project:
    files = {"m.yaml": DEALER, **({"reconciler.yaml": settings} if settings else {})}
    return load(write(directory, files), **{"env": {}, **options})


def test_every_setting(tmp_path: Path) -> None:
    project = loaded(tmp_path)
    settings = project.settings
    assert (settings.safety.max_delete_percent, settings.safety.max_delete_count) == (20, 5)
    assert settings.safety.max_update_percent == 12.5
    assert settings.ownership.external_id_prefix == "acme-"
    assert settings.ledger == "state/ledger.db"
    assert settings.plan_life == timedelta(minutes=90)
    assert settings.endpoints == {"site": {"update": "PUT /partner/v1/sites/{site_id}"}}
    assert project.arming_model == "chekt_triggered"


def test_an_environment_with_everything(tmp_path: Path) -> None:
    chosen = loaded(tmp_path, environment="production").environment
    assert chosen.name == "production"
    assert (chosen.base_url, chosen.surface, chosen.accept) == ("https://api.chekt.com", "dealer", "inferred")
    assert (chosen.rate.per_minute, chosen.rate.burst) == (600, 30)
    assert (chosen.timeouts.connect, chosen.timeouts.read) == (3, 12.5)
    assert (chosen.dialect, chosen.clear) == ("page", "empty")
    assert chosen.dealers["acme"].api_key == SecretRef("env", "ACME_KEY")
    assert not chosen.is_sandbox


def test_the_built_in_settings(tmp_path: Path) -> None:
    project = loaded(tmp_path, "")
    assert (project.environment.name, project.environment.base_url) == ("embedded", None)
    assert project.settings.safety.max_delete_percent == 30
    assert project.settings.safety.max_delete_count == 10
    assert project.settings.safety.max_update_percent == 50
    assert project.environment.accept == "documented"
    assert project.environment.surface == "partner"


@pytest.mark.parametrize(
    ("name", "sandbox"),
    [
        ("embedded", True),
        ("dev", False),
        ("production", False),
        ("local", True),
        ("remote_sandbox", True),
        ("strict_local", False),
    ],
)
def test_what_counts_as_the_sandbox(tmp_path: Path, name: str, sandbox: bool) -> None:  # noqa: FBT001
    assert loaded(tmp_path, environment=name).environment.is_sandbox is sandbox


def test_the_command_line_chooses_before_the_environment_variable(tmp_path: Path) -> None:
    env = {"RECONCILER_ENV": "dev"}
    assert loaded(tmp_path, env=env).environment.name == "dev"
    assert loaded(tmp_path, env=env, environment="local").environment.name == "local"
    assert loaded(tmp_path, env={"RECONCILER_ENV": ""}).environment.name == "embedded"


def test_the_url_variable_overrides(tmp_path: Path) -> None:
    env = {"CHEKT_BASE_URL": "https://api.other.example/"}
    chosen = loaded(tmp_path, env=env, environment="dev").environment
    assert (chosen.base_url, chosen.is_sandbox) == ("https://api.other.example", False)
    local = loaded(tmp_path, env={"CHEKT_BASE_URL": "http://[::1]:8787"}, environment="production")
    assert local.environment.is_sandbox


def test_a_url_that_takes_the_place_of_a_written_one_is_told(tmp_path: Path) -> None:
    text = "environments: {dev: {base_url: 'https://api.dev.example'}, bare: {}}\n"
    env = {"CHEKT_BASE_URL": "https://api.other.example/"}
    [told] = loaded(tmp_path, text, env=env, environment="dev").warnings
    assert (
        told == "CHEKT_BASE_URL leads dev to https://api.other.example, in place of https://api.dev.example"
    )
    assert loaded(tmp_path, text, environment="dev").warnings == ()
    assert loaded(tmp_path, text, env=env, environment="bare").warnings == ()
    same = {"CHEKT_BASE_URL": "https://api.dev.example/"}
    assert loaded(tmp_path, text, env=same, environment="dev").warnings == ()


def test_the_embedded_sandbox_is_never_led_to_a_real_account(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, env={"CHEKT_BASE_URL": "https://api.other.example"})
    assert "leads embedded, the sandbox, to https://api.other.example" in caught.value.message
    assert loaded(tmp_path, env={"CHEKT_BASE_URL": "http://127.0.0.1:8787"}).environment.is_sandbox


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://api.example", "plain http is refused"),
        ("http://localhost.example", "plain http is refused"),
        ("ftp://localhost", "not an absolute URL"),
        ("api.example", "not an absolute URL"),
        ("https://", "not an absolute URL"),
        ("https://u:pass-word@api.example", "no user"),
        ("https://api.example:port", "Port could not be cast"),
        ("https://[::1", "Invalid IPv6 URL"),
    ],
)
def test_a_url_that_is_refused(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, env={"CHEKT_BASE_URL": url})
    assert message in caught.value.message
    assert "pass-word" not in caught.value.message
    assert caught.value.hint


def test_an_unknown_environment_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, environment="prodution")
    assert '--env: there is no environment "prodution"' in caught.value.message
    assert "reconciler.yaml" in caught.value.hint
    assert 'Did you mean "production"?' in caught.value.hint
    with pytest.raises(ConfigError, match="RECONCILER_ENV"):
        loaded(tmp_path, env={"RECONCILER_ENV": "x"})


def test_an_environment_of_its_own_needs_a_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "environments:\n  staging: {}\n", environment="staging")
    assert str(caught.value.source) == "reconciler.yaml:2:12"
    assert "base_url" in caught.value.message


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"reconciler\.yaml: this file cannot be read"):
        loaded(tmp_path, "")


def test_empty_settings_are_the_built_in_ones(tmp_path: Path) -> None:
    assert loaded(tmp_path, "# nothing yet\n").environment.name == "embedded"
