"""Puts the Action's own checkout into a virtual environment.

Run by the runner's Python, with nothing installed: ``python3 -I install.py`` writes ``python=PATH`` to
``$GITHUB_OUTPUT``. The environment lies in the runner's tool cache under a name made of what goes into
it, so a later step, or a later job of the same machine, finds it done.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

LEAST = (3, 11)

_NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?")


def main() -> int:
    """Install and say where; 1 and an annotation where that cannot be done."""
    source = Path(__file__).resolve().parents[2]
    version = os.environ.get("RECONCILER_VERSION", "").strip().removeprefix("v")
    python = _python()
    if python is None:
        return _refuse("this runner has no Python 3.11 or newer; put actions/setup-python before this step")
    if version and not _VERSION.fullmatch(version):
        return _refuse("the input `version` is no version; write one such as 1.2.0, or leave it empty")
    wanted = [f"chekt-reconciler=={version}"] if version else ["-c", "constraints.txt", "."]
    home = _home() / _key(python, source, version)
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two jobs of one machine: the second finds the work of the first
        try:
            _install(python, home, wanted, source)
        except subprocess.CalledProcessError as exc:
            shutil.rmtree(home, ignore_errors=True)
            return _refuse(f"the installation failed with {exc.returncode}; the log above says why")
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
        outputs.write(f"python={home / 'bin' / 'python'}\n")
    return 0


def _install(python: str, home: Path, wanted: list[str], source: Path) -> None:
    done = home / ".complete"
    if done.exists():
        return
    shutil.rmtree(home, ignore_errors=True)  # what a killed job left
    subprocess.run([python, "-I", "-m", "venv", str(home)], check=True)  # noqa: S603
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *wanted], check=True, cwd=source)  # noqa: S603  not in the workspace, which is foreign
    done.touch()


def _python() -> str | None:
    if sys.version_info >= LEAST:
        return sys.executable
    return next((found for name in _NEWER if (found := shutil.which(name))), None)


def _home() -> Path:
    base = os.environ.get("RUNNER_TOOL_CACHE") or os.environ["RUNNER_TEMP"]
    return Path(base) / "chekt-reconciler"


def _key(python: str, source: Path, version: str) -> str:
    """A name for all that goes into the environment."""
    content = hashlib.sha256(f"{python} {Path(python).resolve()} {version}".encode())
    if not version:
        room = sorted(path for path in (source / "reconciler").rglob("*") if path.suffix != ".pyc")
        for file in (source / "pyproject.toml", source / "constraints.txt", *room):
            if file.is_file():
                content.update(file.relative_to(source).as_posix().encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:32]


def _refuse(why: str) -> int:
    sys.stdout.write(f"::error title=reconciler::{why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
