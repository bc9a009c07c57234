"""Which files are manifests, and what happens to those that cannot be read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.errors import ManifestError, Problem
from reconciler.manifests import load
from reconciler.manifests.files import find, read_text
from tests.manifests.strategies import write

DEALER = "kind: dealer\nid: acme\ndealer_id: 1\n"

NOBODY = 65534


def problems_of(directory: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(directory, env={})
    return [f"{problem.source} {problem.message}" for problem in caught.value.problems]


def test_manifests_are_found_at_any_depth_and_sorted(tmp_path: Path) -> None:
    wanted = ["a.yaml", "b.yml", "c/d/e.yaml.j2", "c/d.yaml"]
    others = [
        ".git/a.yaml",
        ".reconciler/b.yaml",
        "c/.hidden.yaml",
        "d.json",
        "e.j2",
        "reconciler.yaml",
        "f.yaml.bak",
    ]
    write(tmp_path, dict.fromkeys(wanted + others, ""))
    assert find(tmp_path).files == ["a.yaml", "b.yml", "c/d.yaml", "c/d/e.yaml.j2"]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/m.yaml": DEALER, "project/x.txt": ""})
    (tmp_path / "project" / "link").symlink_to(tmp_path / "elsewhere")
    project = load(tmp_path / "project", env={})
    assert str(project.resources[0].source) == "link/m.yaml:1:1"


def test_a_loop_of_links_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a/m.yaml": DEALER})
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert problems_of(tmp_path) == ["a/again:1:1 a/again: a link back to a folder above it"]


def test_a_link_to_itself_is_reported(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").symlink_to(tmp_path / "m.yaml")
    (found,) = problems_of(tmp_path)
    assert found.startswith("m.yaml:1:1 m.yaml: this file cannot be read: Too many levels")


def test_a_broken_link_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": DEALER})
    (tmp_path / "m.yaml").symlink_to(tmp_path / "gone.yaml")
    assert problems_of(tmp_path) == ["m.yaml:1:1 m.yaml: this file cannot be read: No such file or directory"]


def test_a_pipe_is_no_manifest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.yaml")
    assert problems_of(tmp_path) == ["m.yaml:1:1 m.yaml: not a regular file"]


@contextmanager
def without_privileges() -> Iterator[None]:
    """As somebody whom file permissions stop; root is not one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_reported() -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        directory.chmod(0o755)
        write(directory, {"a.yaml": DEALER})
        load(directory, env={})  # what reading imports may be out of reach later
        write(directory, {"locked/m.yaml": DEALER, "m.yaml": DEALER})
        (directory / "m.yaml").chmod(0)
        (directory / "locked").chmod(0)
        with without_privileges():
            found = problems_of(directory)
        (directory / "locked").chmod(0o700)
    assert found == [
        "locked:1:1 locked: this directory cannot be read: Permission denied",
        "m.yaml:1:1 m.yaml: this file cannot be read: Permission denied",
    ]


def test_a_name_that_is_no_text_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": DEALER})
    (tmp_path / "b\n.yaml").write_text(DEALER)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/c\xff.yaml")).write_text(DEALER)
    assert [found.rpartition(": ")[2] for found in problems_of(tmp_path)] == [
        "the name of a file is not readable text",
        "the name of a file is not readable text",
    ]


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "m.yaml").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    text = read_text(tmp_path / "m.yaml", "m.yaml")
    assert isinstance(text, Problem)
    assert "larger than 64 MiB" in text.message


def test_a_directory_that_ends_like_a_manifest_is_a_directory(tmp_path: Path) -> None:
    write(tmp_path, {"sites.yaml/m.yaml": DEALER})
    assert find(tmp_path).files == ["sites.yaml/m.yaml"]
