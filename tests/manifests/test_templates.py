"""Templates: where their variables come from, what they may do, and where their lines are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests import Project, load
from tests.manifests.strategies import write

DEALER = "kind: dealer\nid: acme\ndealer_id: 1\n"
SITES = """\
{# one site a row #}
{% for row in rows %}
---
kind: site
id: {{ row.id }}
name: "{{ row.name }}"
timezone: {{ row.zone | default("Asia/Seoul") }}
{% endfor %}
"""


def loaded(directory: Path, files: dict[str, str], **options: Any) -> Project:
    return load(write(directory, {"dealer.yaml": DEALER, **files}), **{"env": {}, **options})


def names(project: Project) -> list[object]:
    return [each.fields["name"] for each in project.resources if each.address.kind == "site"]


def test_one_template_makes_two_hundred_sites(tmp_path: Path) -> None:
    rows = "".join(f"    - {{id: site-{number}, name: Site {number}}}\n" for number in range(200))
    files = {"reconciler.yaml": f"variables:\n  rows:\n{rows}", "sites.yaml.j2": SITES}
    project = loaded(tmp_path, files)
    assert len(names(project)) == 200
    assert {each.source.line for each in project.resources if each.address.kind == "site"} == {4}


def test_a_table_is_read_from_a_csv_file_beside_the_template(tmp_path: Path) -> None:
    files = {
        "sites/sites.yaml.j2": "{% set rows = table('rows.csv') %}\n" + SITES,
        "sites/rows.csv": 'id,name,zone\r\na,"Alpha, Main",Asia/Seoul\r\nb,Beta,Europe/London\r\n',
    }
    assert names(loaded(tmp_path, files)) == ["Alpha, Main", "Beta"]


def test_the_command_line_wins_over_the_environment_over_the_project(tmp_path: Path) -> None:
    site = "kind: site\nid: s\nname: {{ a }}-{{ b }}-{{ c }}\ntimezone: Asia/Seoul\n"
    settings = (
        "variables: {a: project, b: project, c: project}\n"
        "environments: {embedded: {variables: {b: environment, c: environment}}}\n"
    )
    project = loaded(tmp_path, {"reconciler.yaml": settings, "s.yaml.j2": site}, variables={"c": "command"})
    assert names(project) == ["project-environment-command"]


def test_names_of_python_are_plain_keys_of_variables(tmp_path: Path) -> None:
    site = "kind: site\nid: s\nname: {{ v.page }}-{{ v.start }}-{{ v.marks }}\ntimezone: Asia/Seoul\n"
    settings = "variables: {v: {page: a, start: b, marks: c}}\n"
    assert names(loaded(tmp_path, {"reconciler.yaml": settings, "s.yaml.j2": site})) == ["a-b-c"]


def test_included_and_imported_files_of_the_project(tmp_path: Path) -> None:
    files = {
        "t/s.yaml.j2": "{% from '../lib/macros.j2' import named %}\nkind: site\nid: s\n{{ named('A') }}\n"
        "{% include 'zone.j2' %}\n",
        "t/zone.j2": "timezone: Asia/Seoul",
        "lib/macros.j2": "{% macro named(n) %}name: {{ n }}{% endmacro %}",
    }
    project = loaded(tmp_path, files)
    (site,) = [each for each in project.resources if each.address.kind == "site"]
    assert site.fields["name"] == "A"
    assert site.positions["timezone"].file == "t/zone.j2"
    assert site.source.line == 2


def test_a_template_that_measures_its_own_text_still_renders_right(tmp_path: Path) -> None:
    template = (
        "{% set text %}abc{% endset %}\nkind: site\nid: s\nname: n{{ text | length }}\ntimezone: Asia/Seoul\n"
    )
    assert names(loaded(tmp_path, {"s.yaml.j2": template})) == ["n3"]


LINES = """\
{% set zone = "Asia/Seoul" %}
{# a comment
   of two lines #}

{% macro address(text) %}
address1: {{ text }}
{% endmacro %}
{% for n in range(2) %}
---
kind: site
id: s{{ n }}
{%- if n == 0 %}

name: Zero
{% else %}

name: "One"
{% endif %}
timezone: {{ zone }}
{{ address("A") }}
account_number: "{{
    n
}}"
{% endfor %}
"""


@pytest.mark.parametrize(
    ("site", "field", "line"),
    [
        ("s0", "id", 11),
        ("s0", "name", 14),
        ("s1", "name", 17),
        ("s0", "timezone", 19),
        ("s1", "address1", 6),
        ("s1", "account_number", 21),
    ],
)
def test_places_are_lines_of_the_template(tmp_path: Path, site: str, field: str, line: int) -> None:
    project = loaded(tmp_path, {"s.yaml.j2": LINES})
    (resource,) = [each for each in project.resources if each.address.id == site]
    place = resource.positions[field] if field != "id" else resource.source._replace(line=11)
    assert place.file == "s.yaml.j2"
    assert place.line == line


@pytest.mark.parametrize("expression", ["''|random", "lipsum()", "'a'|center(9)", "cycler.__init__"])
def test_chance_and_python_are_out_of_reach(tmp_path: Path, expression: str) -> None:
    with pytest.raises(ManifestError):
        loaded(tmp_path, {"s.yaml.j2": "{{ " + expression + " }}"})


@pytest.mark.parametrize(
    "expression",
    [
        "'a'.rjust(10 ** 9)",
        "'%999999999d' % 1",
        "'%*d' % (999999999, 1)",
        "'{:>999999999}'.format(1)",
        "'{:{}}'.format(1, 999999999)",
        "'a' | indent(10 ** 9)",
        "[1] * 10 ** 9",
        "10 ** 10 ** 10",
        "range(10 ** 9) | list",
    ],
)
def test_memory_is_out_of_reach(tmp_path: Path, expression: str) -> None:
    with pytest.raises(ManifestError):
        loaded(tmp_path, {"s.yaml.j2": "{{ " + expression + " }}"})


def test_large_numbers_are_plain_values(tmp_path: Path) -> None:
    name = "{{ 821012345678 }}-{{ '%s' | format(821012345678) }}"
    site = f"kind: site\nid: s\nname: {name}\ntimezone: Asia/Seoul\n"
    assert names(loaded(tmp_path, {"s.yaml.j2": site})) == ["821012345678-821012345678"]


@pytest.mark.parametrize("path", ["../outside.csv", "/etc/hostname", "link.csv", ".git/config", "git.csv"])
def test_tables_stay_in_the_project_and_out_of_its_hidden_folders(tmp_path: Path, path: str) -> None:
    project = tmp_path / "project"
    write(tmp_path, {"outside.csv": "a\n1\n"})
    write(project, {".git/config": "a\n1\n"})
    (project / "link.csv").symlink_to(tmp_path / "outside.csv")
    (project / "git.csv").symlink_to(project / ".git" / "config")
    with pytest.raises(ManifestError, match="outside the project, or hidden"):
        loaded(project, {"s.yaml.j2": "{% for r in table('" + path + "') %}{% endfor %}"})


@pytest.mark.parametrize("path", ["../outside.j2", ".git/config", "/etc/hostname"])
def test_includes_stay_in_the_project_and_out_of_its_hidden_folders(tmp_path: Path, path: str) -> None:
    write(tmp_path, {"outside.j2": "a: 1", "project/.git/config": "a: 1"})
    with pytest.raises(ManifestError, match=r"cannot be included: .*outside the project, or hidden"):
        loaded(tmp_path / "project", {"s.yaml.j2": "{% include '" + path + "' %}"})
