"""Secrets are looked up where the reference says, and never repeated in an error."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from reconciler.errors import SecretError
from reconciler.manifests import resolve
from reconciler.manifests.secrets import reference
from reconciler.model import SecretRef


@pytest.mark.parametrize(
    ("written", "ref"),
    [
        ({"env": "A"}, SecretRef("env", "A")),
        ({"file": "keys/a"}, SecretRef("file", "sub/keys/a")),
        ({"file": "../a"}, SecretRef("file", "a")),
        ({"file": "/run/secrets/a"}, SecretRef("file", "/run/secrets/a")),
        ({"keyring": "chekt/a/b"}, SecretRef("keyring", "chekt/a/b")),
    ],
)
def test_a_reference(written: dict[str, str], ref: SecretRef) -> None:
    assert reference(written, "sub") == ref


@pytest.mark.parametrize(
    "written",
    [
        *(
            "hunter2",
            7,
            None,
            [],
            {},
            {"env": ""},
            {"env": 1},
            {"env": "A", "file": "b"},
            {"vault": "hunter2"},
        ),
        *({"keyring": "hunter2"}, {"keyring": "/hunter2"}, {"keyring": "hunter2/"}),
    ],
)
def test_what_is_no_reference_is_refused_unrepeated(written: object) -> None:
    with pytest.raises(ValueError, match=r"secret|SERVICE") as caught:
        reference(written, "")
    assert "hunter2" not in str(caught.value)


def test_the_environment(tmp_path: Path) -> None:
    assert resolve(SecretRef("env", "A"), tmp_path, {"A": "s3cret-word"}) == "s3cret-word"


def test_a_file_relative_to_the_project_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"s3cret word \r\n")
    assert resolve(SecretRef("file", "key"), tmp_path, {}) == "s3cret word "


@pytest.mark.parametrize(
    ("ref", "env", "message"),
    [
        (SecretRef("env", "A"), {}, "{env: A} is not set"),
        (SecretRef("env", "A"), {"A": ""}, "{env: A} is empty"),
        (SecretRef("env", "A"), {"A": "abc"}, "{env: A} is shorter than 4"),
        (SecretRef("file", "none"), {}, "{file: none} cannot be read: No such file"),
        (SecretRef("file", "."), {}, "{file: .} cannot be read"),
        (SecretRef("file", "bytes"), {}, "{file: bytes} cannot be read: the file is not UTF-8"),
        (SecretRef("file", "empty"), {}, "{file: empty} is empty"),
    ],
)
def test_a_secret_that_cannot_be_had(
    tmp_path: Path, ref: SecretRef, env: dict[str, str], message: str
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_bytes(b"\n")
    with pytest.raises(SecretError) as caught:
        resolve(ref, tmp_path, env)
    assert message in caught.value.message
    assert caught.value.hint
    assert "abc" not in caught.value.message


class _Keyring(ModuleType):
    """A keyring that holds what it is given, where the extra is not installed."""

    def __init__(self, values: dict[tuple[str, str], str]) -> None:
        super().__init__("keyring")
        self.errors = ModuleType("keyring.errors")
        self.errors.KeyringError = RuntimeError  # type: ignore[attr-defined]
        self._values = values

    def get_password(self, service: str, user: str) -> str | None:
        if service == "locked":
            raise RuntimeError("locked: s3cret-word")
        return self._values.get((service, user))


def test_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = _Keyring({("chekt", "hook/a"): "s3cret-word"})
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", keyring.errors)
    assert resolve(SecretRef("keyring", "chekt/hook/a"), tmp_path, {}) == "s3cret-word"
    with pytest.raises(SecretError, match="is not set"):
        resolve(SecretRef("keyring", "chekt/other"), tmp_path, {})
    with pytest.raises(SecretError, match="cannot be read") as caught:
        resolve(SecretRef("keyring", "locked/other"), tmp_path, {})
    assert "s3cret-word" not in caught.value.message


def test_the_keyring_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretError, match="needs the keyring package") as caught:
        resolve(SecretRef("keyring", "chekt/a"), tmp_path, {})
    assert "chekt-reconciler[keyring]" in caught.value.hint
