from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.github.pages import fenced
from reconciler.github.runner import SUMMARY_LIMIT, Place, Runner
from tests.github.runner import _outputs


def told(runner: Runner) -> str:
    assert isinstance(runner.out, io.StringIO)
    return runner.out.getvalue()


def test_an_annotation_is_one_line_whatever_it_says() -> None:
    runner = Runner({}, io.StringIO())
    runner.annotate("error", "a:b,c%", "50% of\r\nall: yes, ::error::", Place("sites/a,b:c.yaml", 3, 7))
    assert told(runner) == (
        "::error file=sites/a%2Cb%3Ac.yaml,line=3,col=7,title=a%3Ab%2Cc%25::"
        "50%25 of%0D%0Aall: yes, ::error::\n"
    )


def test_foreign_text_stands_between_a_word_that_nobody_can_guess() -> None:
    first, second = Runner({}, io.StringIO()), Runner({}, io.StringIO())
    for runner in (first, second):
        runner.tell("::set-output name=x::y\n::stop-commands::z")
    begin, *_, end = told(first).splitlines()
    word = begin.removeprefix("::stop-commands::")
    assert end == f"::{word}::"
    assert len(word) == 32
    assert word not in told(second)


def test_nothing_that_drives_a_terminal_reaches_the_log() -> None:
    runner = Runner({}, io.StringIO())
    runner.tell("a\x1b[2Jb\u202ec")
    runner.annotate("error", "t\x9bitle", "m\u2066essage")
    said = runner.out.getvalue()
    assert not set(said) & set("\x1b\x9b\u202e\u2066")
    assert "a\\u001b[2Jb\\u202ec" in said


@given(st.text())
def test_an_output_holds_anything(value: str) -> None:
    written: list[str] = []

    class Kept(Runner):
        def _append(self, variable: str, text: str) -> None:
            written.append(text)

    Kept({}, io.StringIO()).output("name", value)
    name, end = written[0].split("\n", 1)[0].split("<<")
    assert written[0] == f"{name}<<{end}\n{value}\n{end}\n"
    assert end not in value


def test_outputs_are_read_back_as_the_runner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "outputs"
    runner = Runner({"GITHUB_OUTPUT": str(file)}, io.StringIO())
    runner.output("one", "a\nb<<c\nd=e")
    runner.output("two", "")
    assert _outputs(file.read_text(encoding="utf-8")) == {"one": "a\nb<<c\nd=e", "two": ""}


def test_a_summary_never_passes_what_github_takes(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    runner = Runner({"GITHUB_STEP_SUMMARY": str(file)}, io.StringIO())
    for _ in range(5):
        runner.summary("上" * 100_000)
    assert SUMMARY_LIMIT - 1000 < file.stat().st_size < 1_048_576
    assert "left out" in file.read_text(encoding="utf-8")


def test_every_line_of_a_secret_is_masked() -> None:
    runner = Runner({}, io.StringIO())
    runner.mask("-----BEGIN-----\nabc\n\n")
    runner.mask("")
    lines = told(runner).splitlines()
    assert "::add-mask::abc" in lines
    assert "::add-mask::-----BEGIN-----%0Aabc%0A%0A" in lines
    assert "::add-mask::" not in lines


@pytest.mark.parametrize("text", ["```\n<!-- x -->", "````` and more", "a\x1b[31m", "line\n" * 20_000])
def test_a_block_is_ended_by_nothing_in_it(text: str) -> None:
    lines = fenced(text).splitlines()
    fence = lines[0].removesuffix("text")
    assert sum(line == fence for line in lines) == 1
    assert len(fence) > max((len(line) for line in text.splitlines() if set(line) == {"`"}), default=0)
    assert "\x1b" not in fenced(text)
    assert len(fenced(text)) < 40_000
