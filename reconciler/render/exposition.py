"""Figures for monitoring, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Sample: TypeAlias = "tuple[Mapping[str, str], float | str]"
"""Labels, and a value."""


def metric(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> list[str]:
    """The lines of one metric; ``kind``: counter, gauge or summary."""
    return [
        f"# HELP {name} {meaning}",
        f"# TYPE {name} {kind}",
        *(f"{name}{_labels(labels)} {value}" for labels, value in samples),
    ]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
