"""Files that are none, that never end, or that change while they are read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from reconciler.errors import SecretError
from reconciler.manifests import load, secrets
from reconciler.manifests.files import NotTextError, read_bytes
from reconciler.model import SecretRef

HOOK = """\
kind: webhook
id: feed
url: https://hooks.example.com/feed
events: [site.armed]
secret: {file: ../secret.txt}
"""


def resolved(path: Path) -> str:
    return secrets.resolve(SecretRef("file", path.name), path.parent, {})


def test_a_pipe_that_nobody_writes_to_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "secret.txt")
    with pytest.raises(SecretError, match="not a regular file"):
        resolved(tmp_path / "secret.txt")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random"])
def test_a_device_without_end_is_no_secret(device: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").symlink_to(device)
    with pytest.raises(SecretError, match="not a regular file"):
        resolved(tmp_path / "secret.txt")


def test_a_secret_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("s" * 65_537)
    with pytest.raises(SecretError, match="larger than 64 KiB"):
        resolved(tmp_path / "secret.txt")
    (tmp_path / "secret.txt").write_text("s" * 65_536)
    assert resolved(tmp_path / "secret.txt") == "s" * 65_536


def test_a_name_that_no_file_can_have_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be read"):
        resolved(tmp_path / "a\0b")


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o604, True), (0o640, False), (0o600, False)])
def test_a_secret_outside_the_project_is_read_and_one_that_everybody_may_read_is_told_of(
    mode: int, *, warned: bool, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "m.yaml").write_text(HOOK)
    (tmp_path / "secret.txt").write_text("hunter2-hunter2\n")
    (tmp_path / "secret.txt").chmod(mode)
    read = load(project, env={})
    assert secrets.resolve(SecretRef("file", "../secret.txt"), project, {}) == "hunter2-hunter2"
    assert ["may be read by every user" in each for each in read.warnings] == [True] * warned
    assert "hunter2" not in str(read.warnings)


def test_a_file_that_is_being_written_is_not_read_in_part(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"a" * 8_000_000)
    done = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as stream:
            while not done.is_set():
                stream.write(b"b")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(NotTextError, match="changed while it was read"):
            _read_often(path)
    finally:
        done.set()
        writer.join()


def _read_often(path: Path) -> None:
    for _ in range(1000):
        read_bytes(path, 2**30)
