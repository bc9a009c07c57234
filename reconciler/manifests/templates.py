"""Jinja2 templates (stub)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.errors import Problem
from reconciler.manifests.nodes import Page


class Templates:
    """Renders the templates of one project."""

    def __init__(self, directory: Path, variables: Mapping[str, Any]) -> None:
        self._directory = directory
        self._variables = variables

    def render(self, file: str, text: str) -> Page | Problem:
        """The rendered text as a page whose places are in the template."""
        return Page.of(file, text)
