"""Templates made to escape, to exhaust or to hang: refused with their place, in bounded time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import Problem
from reconciler.manifests.templates import Templates

LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from reconciler.errors import Problem
from reconciler.manifests.templates import Templates
for text in sys.stdin.read().split("\\0"):
    found = Templates(Path(), {}).render("t.yaml.j2", text)
    print(found.message if isinstance(found, Problem) else "RENDERED")
"""
"""Two GiB and thirty seconds of processor time for all of them."""

GROW = "{% set ns = namespace(x=START) %}{% for n in range(99) %}{% set ns.x = STEP %}{% endfor %}{{ ns.x }}"


def grow(start: str, step: str) -> str:
    return GROW.replace("START", start).replace("STEP", step)


BOMBS = [
    grow("'ab'", "ns.x ~ ns.x"),
    grow("'ab'", "ns.x + ns.x"),
    grow("'ab'", "ns.x * 2"),
    grow("'ab'", "ns.x | replace('a', ns.x)"),
    grow("'ab'", "ns.x.replace('a', ns.x)"),
    grow("'ab'", "ns.x.join([ns.x, ns.x, ns.x])"),
    grow("'ab'", "[ns.x, ns.x] | join"),
    grow("'ab'", "'%s%s' % (ns.x, ns.x)"),
    grow("'ab'", "'%s%s' | format(ns.x, ns.x)"),
    grow("'ab'", "'{0}{0}'.format(ns.x)"),
    grow("'ab'", "ns.x.translate({97: ns.x})"),
    grow("[1]", "ns.x + ns.x"),
    grow("[1]", "[ns.x, ns.x]"),
    grow("[1]", "{'a': ns.x, 'b': ns.x}"),
    grow("9", "ns.x * ns.x"),
    "{{ ('a' * 10 ** 6) | replace('a', 'b' * 10 ** 6) }}",
    "{{ ('a' * 10 ** 6).join('b' * 10 ** 6) }}",
    "{{ ['a' * 10 ** 6] * 10 ** 6 }}",
    "{{ '%(a)s' * 10 ** 5 % {'a': 'b' * 10 ** 6} }}",
    "{{ ('x' * 99999) | map('replace', 'x', 'y' * 10 ** 6) | list | length }}",
    "{{ ('x' * 99999) | map('replace', 'x', 'y' * 10 ** 6) | join }}",
    "{{ range(10 ** 9) | sum }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{{ '{:>9999999}'.format(1) }}",
    "{{ 2 ** 64 ** 64 }}",
    "{% include 't.yaml.j2' %}",
]

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ table.__globals__ }}",
    "{{ table | attr('__globals__') }}",
    "{{ [table] | map(attribute='__globals__') | map('length') | list }}",
    "{{ '{0.__class__}'.format(table) }}",
    "{{ '{0.__globals__}'.format_map({'0': table}) }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__class__ }}",
    "{{ namespace.__init__ }}",
    "{{ ().__class__.__base__ }}",
    "{{ (x for x in []).gi_frame }}",
    "{{ m.__func__ }}{% macro m() %}{% endmacro %}",
    "{% set ns = namespace() %}{% set ns.__class__ = 1 %}{{ ns.__class__ }}",
    "{% import 'os' as os %}{{ os.system('id') }}",
]


def test_no_template_fills_the_memory_or_takes_for_ever() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        input="\0".join(BOMBS),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    outcomes = dict(zip(BOMBS, done.stdout.splitlines(), strict=True))
    assert [bomb for bomb, found in outcomes.items() if found == "RENDERED"] == []
    assert [found for found in outcomes.values() if "needs too much memory" in found] == []


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_template_reaches_python(escape: str, tmp_path: Path) -> None:
    found = Templates(tmp_path, {}).render("t.yaml.j2", escape)
    assert isinstance(found, Problem), found.text
    assert found.source is not None
    assert "0x" not in found.message


def test_a_table_of_many_rows_is_put_together_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,name\n" + "".join(f"{n},Site {n}\n" for n in range(3000)))
    text = (
        "{% set ns = namespace(rows=[], text='') %}{% for row in table('rows.csv') %}"
        "{% set ns.rows = ns.rows + [row] %}{% set ns.text = ns.text ~ row.name %}{% endfor %}"
        "{{ ns.rows | map(attribute='id') | join(',') | length }} {{ ns.text | length }}"
    )
    page = Templates(tmp_path, {}).render("t.yaml.j2", text)
    assert not isinstance(page, Problem), page.message
    assert page.text == "13889 25890"
