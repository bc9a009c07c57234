"""A project as workers get it: the files its loader read, in the ledger, and the same project from them.

A worker has no checkout. What it loads is bounded in size, can be written nowhere but below a private
directory, and holds no secret: those stay references, which the worker's own environment resolves.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.errors import ConfigError, LedgerError
from reconciler.manifests import Project, load
from reconciler.manifests.files import texts_read
from reconciler.manifests.project_settings import URL_VARIABLE

_VERSION = 1
MAX_PACKED = 32 * 2**20
"""Bytes of a bundle in the ledger."""

MAX_UNPACKED = 256 * 2**20
"""Bytes of its files together: what is packed small must not fill a worker's disk."""


class _Content(BaseModel):
    """What is packed: the files, and what else the loader was given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: int
    environment: str
    base_url: str | None
    variables: dict[str, str]
    allow_empty: bool
    config_digest: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packed project. ``digest`` is that of ``packed``, ``config_digest`` that of the project itself."""

    digest: str
    config_digest: str
    packed: bytes


def bundle(
    directory: Path,
    *,
    env: Mapping[str, str],
    environment: str | None,
    variables: Mapping[str, str],
    allow_empty: bool,
) -> tuple[Project, Bundle]:
    """The project in ``directory`` and its bundle; takes what ``load`` takes, and raises what it raises.

    Raises ConfigError besides for a project that is too large, that workers would not find again from its
    files, or whose account is the simulator in this process, which no worker can reach.
    """
    with texts_read() as files:
        project = load(
            directory, env=env, environment=environment, variables=variables, allow_empty=allow_empty
        )
    chosen = project.environment
    if chosen.is_embedded:
        raise ConfigError(
            f"the environment {chosen.name!r} is a simulator in this process; no worker can reach it",
            hint="Choose another one with --env, or leave out --fleet.",
        )
    content = _Content(
        version=_VERSION,
        environment=chosen.name,
        base_url=chosen.base_url,
        variables=dict(variables),
        allow_empty=allow_empty,
        config_digest=project.digest,
        files={_checked(file): text for file, text in sorted(files.items())},
    )
    packed = _pack(content)
    made = Bundle(hashlib.sha256(packed).hexdigest(), project.digest, packed)
    with unpacked(made, env):
        return project, made


def _pack(content: _Content) -> bytes:
    """``content`` as bytes, equal for equal content. Raises ConfigError where it is too large."""
    text = json.dumps(content.model_dump(), sort_keys=True, ensure_ascii=False).encode()
    packed = zlib.compress(text, 6)
    if len(packed) > MAX_PACKED or len(text) > MAX_UNPACKED:
        raise ConfigError(
            f"the project's files take {len(text):,} bytes, {len(packed):,} packed; workers are given "
            f"at most {MAX_UNPACKED:,} and {MAX_PACKED:,}",
            hint="Split the project.",
        )
    return packed


@contextmanager
def unpacked(bundle: Bundle, env: Mapping[str, str]) -> Iterator[Project]:
    """The project of ``bundle``, in a private directory that is gone when the block ends.

    ``env``: this process's variables. Raises LedgerError for a bundle that is damaged, and ConfigError
    where what was loaded is not what was published.
    """
    content = _content(bundle)
    with tempfile.TemporaryDirectory(prefix="reconciler-") as place:
        directory = Path(place) / "project"
        directory.mkdir()
        for file, text in content.files.items():
            path = directory / _checked(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        given = {name: value for name, value in env.items() if name != URL_VARIABLE}
        if content.base_url is not None:
            given[URL_VARIABLE] = content.base_url
        project = load(
            directory,
            env=given,
            environment=content.environment,
            variables=content.variables,
            allow_empty=content.allow_empty,
        )
        if project.digest != content.config_digest:
            raise ConfigError(
                "the project that was published says something else when it is loaded from its files",
                hint="Run workers and commands of one version of chekt-reconciler.",
            )
        yield project


def _content(bundle: Bundle) -> _Content:
    if hashlib.sha256(bundle.packed).hexdigest() != bundle.digest:
        raise _damaged(bundle.digest, "its content was changed")
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(bundle.packed, MAX_UNPACKED)
        if unpacking.unconsumed_tail:
            raise _damaged(bundle.digest, f"it holds more than {MAX_UNPACKED:,} bytes")
        return _Content.model_validate_json(text)
    except (zlib.error, ValidationError) as exc:
        raise _damaged(bundle.digest, "it is none of this version") from exc


def _damaged(digest: str, why: str) -> LedgerError:
    return LedgerError(
        f"the project {digest[:12]} in the ledger cannot be used: {why}",
        hint="Publish it again: run the command with --fleet from a checkout.",
    )


def _checked(file: str) -> str:
    """``file``, a path that stays below the project and in no hidden folder. Raises LedgerError."""
    path = PurePosixPath(file)
    inside = path.parts and not path.is_absolute() and posixpath.normpath(file) == file
    if not inside or "\0" in file or any(step.startswith(".") for step in path.parts):
        raise LedgerError(
            f"the path {file!r} leads out of a project",
            hint="Publish the project again: run the command with --fleet from a checkout.",
        )
    return file
