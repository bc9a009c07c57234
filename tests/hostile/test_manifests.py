"""Manifests made to exhaust, deceive or run code: refused at their place, with bounded time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests import load
from reconciler.manifests.core_yaml import MAX_ENTRIES
from tests.manifests.broken import BASE, SITE

MEMORY = 1536 * 2**20
"""Bytes of address space the reading process gets; the largest case needs about half."""

SECONDS = 60
"""Of processor time; the slowest case needs about a tenth on a small machine."""

LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
from reconciler.errors import ManifestError
from reconciler.manifests import load
try:
    load(Path(sys.argv[1]), env={{}})
except ManifestError as exc:
    print(len(exc.problems), *(f"{{each.source}}|{{each.message}}" for each in exc.problems[:5]), sep="|")
"""

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

BOMBS = {
    "billion laughs": (lambda: LAUGHS, "1|m.yaml:5:8|the alias *d makes this file explode"),
    "100,000 lists": (lambda: f"{SITE}a: {'[' * 100_000}", "1|m.yaml:5:67|nested deeper than 64 levels"),
    "100,000 dashes": (lambda: "- " * 100_000, "1|m.yaml:1:129|nested deeper than 64 levels"),
    "100,000 maps": (lambda: "{a: " * 100_000, "1|m.yaml:1:257|nested deeper than 64 levels"),
    "a million documents": (lambda: "---\n" * 1_000_000, "1001|m.yaml:1:1|this document is empty"),
    "a hundred thousand sites": (lambda: "--- {kind: site}\n" * 100_000, "1001|m.yaml:1:5|"),
    "a million keys": (
        lambda: SITE + "".join(f"k{n}: 1\n" for n in range(1_000_000)),
        "1|m.yaml:100001:1|more than 100,000 entries",
    ),
    "twenty million entries": (
        lambda: f"{SITE}devices: [{'a,' * 20_000_000}]\n",
        "1|m.yaml:5:200011|more than 100,000 entries",
    ),
    "one key a million times": (lambda: "a: 1\n" * 1_000_000, "1001|m.yaml:2:1|a: written twice"),
    "a text of 50 MB": (
        lambda: f"{SITE}address1: {'a' * 50_000_000}\n",
        "|m.yaml:5:11|this value has 50000000 characters",
    ),
    "a key of 50 MB": (
        lambda: f"{SITE}{'a' * 50_000_000}: 1\n",
        "1|m.yaml:5:50000001|this is not valid YAML",
    ),
    "a line full of tabs": (
        lambda: SITE + "x: [" + "a,\t" * 90_000 + "]\n",
        "m.yaml:5:7|a tab cannot be used here",
    ),
    "six million empty lines": (lambda: "\n" * 6_000_000, "1|m.yaml:1:1|m.yaml: this file holds no document"),
    "100 MB": (lambda: "#" * 100_000_000, "1|m.yaml:1:1|m.yaml: larger than 64 MiB"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_does_not_go_off(bomb: str, tmp_path: Path) -> None:
    make, expected = BOMBS[bomb]
    (tmp_path / "m.yaml").write_text(make(), encoding="utf-8")
    script = LIMITED.format(memory=MEMORY, seconds=SECONDS)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert expected in done.stdout, done.stdout


def report(directory: Path, text: str | bytes) -> list[str]:
    (directory / "base.yaml").write_text(BASE, encoding="utf-8")
    (directory / "m.yaml").write_bytes(
        text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    )
    try:
        load(directory, env={})
    except ManifestError as exc:
        return [f"{problem.source} {problem.message}" for problem in exc.problems]
    return []


@pytest.mark.parametrize(
    "code", [0xAD, 0x180E, 0x200B, 0x202A, 0x202E, 0x2060, 0x2066, 0x2069, 0xFFF9, 0xE0041]
)
@pytest.mark.parametrize("where", ["name: N{}\n", "# comment {}\n", "na{}me: N\n", 'address1: "a{}"\n'])
def test_what_nobody_sees_is_written_as_an_escape(code: int, where: str, tmp_path: Path) -> None:
    line = SITE.count("\n") + 1
    found = report(tmp_path, SITE + where.format(chr(code)))
    assert [each.partition(" is not seen")[0] for each in found] == [
        f"m.yaml:{line}:{where.index('{') + 1} the character U+{code:04X}"
    ]


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u062e", "\U0001f468\u200d\U0001f469", "\u05d0\u200f!", "\\u202e"]
)
def test_what_scripts_need_stays_allowed(name: str, tmp_path: Path) -> None:
    assert report(tmp_path, SITE.replace("Headquarters", f'"{name}"')) == []


@pytest.mark.parametrize("hidden", ["\\u202e", "\u200d", "\\u200b", "\\u001b[2J", "\\0", "\\u009b"])
def test_an_id_shows_all_it_is(hidden: str, tmp_path: Path) -> None:
    (first, *_) = report(tmp_path, SITE.replace("id: hq", f'id: "h{hidden}q"'))
    assert first.startswith("m.yaml:2:5 ")


@pytest.mark.parametrize("escape", ["\\0", "\\a", "\\e[2J", "\\x7f", "\\x9b", "\\u0090"])
def test_no_value_drives_a_terminal(escape: str, tmp_path: Path) -> None:
    (found,) = report(tmp_path, f'{SITE}address1: "a{escape}b"\n')
    assert found.startswith("m.yaml:5:11 the control character U+00")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (SITE.encode("utf-16"), "m.yaml:1:1 m.yaml: not UTF-8 text, but UTF-16 or UTF-32"),
        (SITE.encode("utf-32"), "m.yaml:1:1 m.yaml: not UTF-8 text, but UTF-16 or UTF-32"),
        (SITE.encode("utf-16-be"), "m.yaml:1:1 the control character U+0000 is not allowed in YAML"),
        (SITE.replace("\n", "\r"), "m.yaml:1:11 a carriage return without a line feed"),
        (SITE.replace("Head", "\ud800"), "m.yaml:3:7 m.yaml: not UTF-8 text"),
        (SITE.replace("Headquarters", '"\\ud800"'), "m.yaml:3:10 this is not valid YAML"),
        (f"{SITE}address1: 0x{'f' * 65}\n", "m.yaml:5:11 this number is too long"),
        (f"{SITE}address1: 0o{'7' * 65}\n", "m.yaml:5:11 this number is too long"),
        (SITE.replace("Asia/Seoul", "Asia/Seou" * 7000), "m.yaml:4:11 timezone: 'Asia/Seou"),
        (
            f"{SITE}address1: !!python/object/apply:os.system id\n",
            "m.yaml:5:11 the tag !!python/object/apply:os.system",
        ),
        (f"{SITE}address1: !!binary aGk=\n", "m.yaml:5:11 the tag !!binary"),
        (f"{SITE}!!set x: y\n", "m.yaml:5:1 the tag !!set"),
    ],
)
def test_what_is_no_text_of_a_manifest_is_refused_at_its_place(
    content: str | bytes, found: str, tmp_path: Path
) -> None:
    first = report(tmp_path, content)[0]
    assert first.startswith(found)
    assert len(first) < 600


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    assert report(tmp_path, b"\xef\xbb\xbf" + SITE.replace("\n", "\r\n").encode()) == []


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random", "/dev/stdin"])
def test_a_device_is_no_manifest(device: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").symlink_to(device)
    with pytest.raises(ManifestError, match="not a regular file"):
        load(tmp_path, env={})


def test_a_project_that_is_a_loop_of_links_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ManifestError, match="a: does not exist"):
        load(tmp_path / "a", env={})


def test_a_number_of_the_longest_allowed_length_is_read(tmp_path: Path) -> None:
    (found,) = report(tmp_path, f"{SITE}address1: {'9' * 64}\n")
    assert "without quotes is a number" in found


def test_a_list_as_long_as_allowed_is_read(tmp_path: Path) -> None:
    dates = ", ".join(["2026-01-01"] * MAX_ENTRIES)
    assert report(tmp_path, f"kind: calendar\nid: c\nclosed: away\ndates: [{dates}]\n") == []


def test_names_of_files_drive_no_terminal(tmp_path: Path) -> None:
    for name in ("a\x1b[2J.yaml", "b\u202e.yaml", "c\n.yaml", os.fsdecode(b"d\xff.yaml")):
        (tmp_path / name).write_text(SITE)
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, env={})
    for problem in caught.value.problems:
        assert f"{problem.source}{problem.message}".isprintable()
