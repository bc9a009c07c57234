"""Manifests: find, render, parse, validate. The only room that reads YAML."""

from __future__ import annotations

from reconciler.manifests.project import Project, load, load_settings
from reconciler.manifests.secrets import resolve
from reconciler.manifests.settings import EnvironmentSettings, Settings

__all__ = ["EnvironmentSettings", "Project", "Settings", "load", "load_settings", "resolve"]
