"""Every mistake is reported with its file, line and column, and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests import load
from tests.manifests.broken import BASE, Broken
from tests.manifests.broken_children import CHILDREN, SECRETS
from tests.manifests.broken_documents import DOCUMENTS
from tests.manifests.broken_links import LINKS, SCHEDULES
from tests.manifests.broken_listen import LISTEN
from tests.manifests.broken_reading import READING
from tests.manifests.broken_settings import MANY, SETTINGS
from tests.manifests.broken_templates import TEMPLATES

CASES = (*READING, *DOCUMENTS, *CHILDREN, *SECRETS, *SCHEDULES, *LINKS, *TEMPLATES, *SETTINGS, *LISTEN, *MANY)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_placed_and_explained(case: Broken, tmp_path: Path) -> None:
    for name, content in {"base.yaml": BASE, "m.yaml": case.text, **case.files}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, env={})
    problems = caught.value.problems
    report = [f"{problem.source}: {problem.message} | {problem.hint}" for problem in problems]
    assert [str(problem.source) for problem in problems] == [place for place, _, _ in case.found], report
    for problem, (_, message, hint) in zip(problems, case.found, strict=True):
        assert message in problem.message, report
        assert hint in problem.hint, report
        assert problem.hint, f"no way out: {report}"
    assert "hunter2" not in str(report)
    assert "secret-word" not in str(report)


def test_there_are_as_many_cases_as_promised() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 100
    assert len(names) == len(set(names))
