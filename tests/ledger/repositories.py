"""Real repositories: a bare origin and its clones, as runners of CI have them, and a ledger on a branch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.ledger import BranchStore
from reconciler.model import Address, Owned

BRANCH = "reconciler-ledger"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))
KEY = "k" * 40


def git(directory: Path, *arguments: str) -> str:
    """What git answers; its own identity and no user's settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=kim", "-c", "user.email=kim@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


@dataclass(frozen=True, slots=True)
class Origin:
    """A bare repository with one commit on main."""

    path: Path

    def clone(self, name: str, *options: str) -> Path:
        """A clone, nobody's name in its settings."""
        directory = self.path.parent / name
        git(self.path.parent, "clone", "-q", *options, self.path.as_uri(), name)
        return directory

    def file(self, path: str) -> str:
        """A file on the ledger's branch; empty where there is none."""
        listed = git(self.path, "ls-tree", "--name-only", "-r", BRANCH).splitlines()
        return git(self.path, "show", f"{BRANCH}:{path}") if path in listed else ""

    def tip(self) -> str:
        return git(self.path, "rev-parse", BRANCH)

    def log(self) -> list[str]:
        """The subjects of the branch's commits, newest first."""
        return git(self.path, "log", "--format=%s", BRANCH).splitlines()

    def everything(self) -> str:
        """The text of every object there is, in every repository beside it."""
        texts = []
        for repository in self.path.parent.iterdir():
            if (repository / "HEAD").exists() or (repository / ".git").exists():
                rows = git(
                    repository, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"
                )
                for row in rows.splitlines():
                    name, kind = row.split()
                    texts.append(git(repository, "cat-file", "-p", name) if kind != "tag" else "")
        return "\n".join(texts)


def make_origin(folder: Path, **files: str) -> Origin:
    """``files``: what main holds, by name, ``_yaml`` for ``.yaml``."""
    origin = Origin(folder / "origin.git")
    git(folder, "init", "-q", "--bare", str(origin.path))
    first = origin.clone("first")
    for name, text in {"readme": "sites\n", **files}.items():
        (first / name.replace("_yaml", ".yaml")).write_text(text, encoding="utf-8")
    git(first, "add", "-A")
    git(first, "commit", "-q", "-m", "sites")
    git(first, "push", "-q", "origin", "HEAD:main")
    git(origin.path, "symbolic-ref", "HEAD", "refs/heads/main")
    return origin


def store(
    directory: Path,
    environment: str = "production",
    *,
    lease: timedelta = timedelta(minutes=10),
    env: Mapping[str, str] | None = None,
) -> BranchStore:
    return BranchStore(
        directory,
        environment,
        BRANCH,
        remote=None,
        lease=lease,
        env={"RECONCILER_LEDGER_KEY": KEY, **(env or {})},
    )


def own(directory: Path, *names: str, environment: str = "production") -> None:
    """A run that owns sites ``names`` besides what is owned."""
    kept = store(directory, environment)
    with kept.open() as ledger, kept.lock(environment, command="apply", now=NOW):
        run = ledger.begin_run("apply", "trace-1", "digest", NOW)
        for name in names:
            ledger.record(Owned(Address("site", ("acme", name)), f"1{name}", name))
        ledger.end_run(run, "done", NOW)


def owned(directory: Path, environment: str = "production") -> list[str]:
    with store(directory, environment).open() as ledger:
        return [address.id for address in ledger.owned()]


def edited(origin: Origin, path: str, text: str | None) -> None:
    """A person edits a file of the branch, or removes it with None, and pushes that."""
    clone = origin.clone(f"editor-{len(list(origin.path.parent.iterdir()))}")
    git(clone, "checkout", "-q", BRANCH)
    if text is None:
        (clone / path).unlink()
    else:
        (clone / path).write_text(text, encoding="utf-8")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "edited")
    git(clone, "push", "-q", "origin", BRANCH)
