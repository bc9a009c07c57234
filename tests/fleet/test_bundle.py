"""A published project is the same project on another machine, and nothing but a project."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ConfigError, LedgerError
from reconciler.fleet import bundle as bundles
from reconciler.fleet.bundle import Bundle, bundle, unpacked

SETTINGS = """\
version: 1
variables: {domain: example.com}
environments:
  far: {base_url: "http://127.0.0.1:9", sandbox: true}
"""
TEMPLATE = """\
{% from '../parts/_one.txt' import one with context %}
{% for row in table('sites.csv') %}{{ one(row) }}{% endfor %}
"""
MACRO = """\
{% macro one(row) %}
---
kind: site
id: {{ row.id }}
name: {{ row.id }}.{{ domain }}.{{ region }}
timezone: UTC
{% endmacro %}
"""
CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//a//b
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261224
SUMMARY:Eve
END:VEVENT
END:VCALENDAR
"""
HOOK = """\
kind: webhook
id: feed
url: https://hooks.example.com/x
events: [site.armed]
secret: {file: hook.key}
"""
FILES = {
    "reconciler.yaml": SETTINGS,
    "a/dealers.yaml": "kind: dealer\nid: acme\ndealer_id: 12345\n",
    "a/sites.yaml.j2": TEMPLATE,
    "parts/_one.txt": MACRO,
    "a/sites.csv": "id\r\nhq\r\ndepot\r\n",
    "holidays.yaml": "kind: calendar\nid: days\nics: days.ics\nclosed: away\n",
    "days.ics": CALENDAR.replace("\n", "\r\n"),
    "hook.yaml": HOOK,
    "hook.key": "do-not-publish",
    "notes.txt": "nobody reads this",
}


def write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return directory


def publish(directory: Path, **given: Any) -> tuple[Any, Bundle]:
    asked: dict[str, Any] = {
        "env": {},
        "environment": "far",
        "variables": {"region": "west"},
        "allow_empty": False,
    }
    return bundle(directory, **(asked | given))


def contents(made: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(made.packed))
    return found


def repacked(change: Callable[[dict[str, Any]], object], made: Bundle) -> Bundle:
    """``made`` as somebody would forge it."""
    content = contents(made)
    change(content)
    packed = zlib.compress(json.dumps(content).encode())
    return Bundle(hashlib.sha256(packed).hexdigest(), made.config_digest, packed)


def test_a_project_unpacks_to_the_same_project_wherever_it_is(tmp_path: Path) -> None:
    project, made = publish(write(tmp_path / "here", FILES))
    with unpacked(made, {"RECONCILER_ENV": "other", "CHEKT_BASE_URL": "http://127.0.0.1:1"}) as again:
        assert again.digest == project.digest == made.config_digest
        assert [each.address for each in again.resources] == [each.address for each in project.resources]
        assert again.environment == project.environment
        assert again.attachments == project.attachments
        where = again.directory
        assert where != project.directory
        assert where.parent.stat().st_mode & 0o077 == 0
    assert not where.exists()


def test_what_the_loader_did_not_read_is_not_published(tmp_path: Path) -> None:
    _, made = publish(write(tmp_path, FILES))
    assert set(contents(made)["files"]) == set(FILES) - {"hook.key", "notes.txt"}
    assert b"do-not-publish" not in zlib.decompress(made.packed)


def test_equal_projects_have_one_digest_and_others_have_not(tmp_path: Path) -> None:
    _, one = publish(write(tmp_path / "one", FILES))
    _, same = publish(write(tmp_path / "two", FILES))
    _, other = publish(write(tmp_path / "two", FILES), variables={"region": "east"})
    assert one == same
    assert other.digest != one.digest


def test_an_override_of_the_address_goes_along(tmp_path: Path) -> None:
    _, made = publish(write(tmp_path, FILES), env={"CHEKT_BASE_URL": "http://127.0.0.1:7"})
    with unpacked(made, {}) as project:
        assert project.environment.base_url == "http://127.0.0.1:7"


def test_the_simulator_in_this_process_cannot_be_shared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no worker can reach it"):
        publish(write(tmp_path, FILES), environment="embedded")


def test_a_project_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_UNPACKED", 1000)
    with pytest.raises(ConfigError, match="workers are given at most 1,000"):
        publish(write(tmp_path, FILES))


def test_what_unpacks_to_more_than_it_may_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = publish(write(tmp_path, FILES))
    monkeypatch.setattr(bundles, "MAX_UNPACKED", 1000)
    with pytest.raises(LedgerError, match="more than 1,000 bytes"), unpacked(made, {}):
        pass


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content.update(extra=1), "none of this version"),
        (lambda content: content.pop("files"), "none of this version"),
        (lambda content: content["files"].update({"../out.yaml": "x"}), "leads out of a project"),
        (lambda content: content["files"].update({"/etc/cron.d/x": "x"}), "leads out of a project"),
        (lambda content: content["files"].update({".git/config": "x"}), "leads out of a project"),
        (lambda content: content["files"].update({"a/../../x": "x"}), "leads out of a project"),
        (lambda content: content["files"].update({"": "x"}), "leads out of a project"),
    ],
)
def test_a_forged_bundle_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], why: str
) -> None:
    _, made = publish(write(tmp_path, FILES))
    with pytest.raises(LedgerError, match=why), unpacked(repacked(change, made), {}):
        pass


def test_another_content_under_the_same_name_is_refused(tmp_path: Path) -> None:
    _, made = publish(write(tmp_path, FILES))
    forged = Bundle(made.digest, made.config_digest, zlib.compress(b"{}"))
    with pytest.raises(LedgerError, match="its content was changed"), unpacked(forged, {}):
        pass


def test_another_project_under_the_same_config_digest_is_refused(tmp_path: Path) -> None:
    _, made = publish(write(tmp_path, FILES))
    forged = repacked(lambda content: content["files"].update({"a/sites.csv": "id\nother\n"}), made)
    with pytest.raises(ConfigError, match="says something else"), unpacked(forged, {}):
        pass


@given(st.binary(max_size=200))
def test_bytes_that_are_no_bundle_are_refused_in_a_sentence(packed: bytes) -> None:
    made = Bundle(hashlib.sha256(packed).hexdigest(), "", packed)
    with pytest.raises(LedgerError, match="cannot be used"), unpacked(made, {}):
        pass


@given(st.text(alphabet="./\\a\0~", max_size=8))
def test_no_path_leads_out(path: str) -> None:
    """What is accepted lies below the directory by the rules of the file system itself."""
    try:
        accepted = bundles._checked(path)
    except LedgerError:
        return
    target = Path(os.path.realpath(Path("/project") / accepted))
    assert Path("/project") in target.parents
