"""How many wrong versions of the rules of safety the tests notice: mutation testing, with mutmut.

    pip install -e '.[dev,mutants]'
    python benchmarks/mutants.py [--jobs 2] [--only reconciler/planning/safety.py]... [--show]

Every mutant is one small change to one function; a mutant that no test notices has survived. In the
guards (deletes, caps, ownership, protection, names, stale plans) none may: exit code 1 if one does.
Survivors elsewhere are listed; ``--show`` prints what each of them changed. A module is judged by the
tests of its own room alone, which is both quicker and stricter than by all of them. The project is copied
to a scratch folder first, since mutmut works in place; with TMPDIR in memory, tests that wait for a disk
take a tenth of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_PLANNING = ("tests/planning",)
_LOOKS = tuple(
    f"tests/engine/test_{name}.py"
    for name in ("judgements", "recover", "endings", "evidence", "lost_answers")
)

GUARDS = {
    "reconciler/planning/safety.py": _PLANNING,
    "reconciler/planning/undeclared.py": _PLANNING,
    "reconciler/planning/ownership.py": _PLANNING,
    "reconciler/planning/saved.py": _PLANNING,
    "reconciler/planning/renames.py": _PLANNING,
    "reconciler/planning/rows.py": _PLANNING,
}
"""What decides on deletes and on what is ours, each with the tests that must notice its mutants."""

WATCHED = {
    "reconciler/planning/diff.py": _PLANNING,
    "reconciler/engine/recover.py": _LOOKS,
    "reconciler/engine/evidence.py": _LOOKS,
    "reconciler/engine/endings.py": _LOOKS,
    "reconciler/resolution.py": ("tests/test_resolution.py",),
    "reconciler/engine/sending.py": (*_LOOKS, "tests/engine/test_execute.py"),
    # What survives here says the same in SQL, which does not tell small letters from capitals.
    "reconciler/ledger/journal.py": ("tests/ledger/test_journal.py",),
    "reconciler/ledger/claim.py": ("tests/ledger/test_git_ledger.py",),
    "reconciler/chekt/bucket.py": ("tests/chekt/test_budget.py",),
}

_CONFIG = """
[tool.mutmut]
source_paths = ["reconciler"]
only_mutate = ["{module}"]
also_copy = ["examples", "schemas", "README.md"]
pytest_add_cli_args = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=1"]
pytest_add_cli_args_test_selection = {tests}
"""
_RESULT = re.compile(r"^\s*(reconciler\.\S+): (.+)$", re.MULTILINE)


def scratch(into: Path, module: str, tests: tuple[str, ...]) -> None:
    """Copy what git knows of the project, and tell mutmut what to change there and what to run."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    # A list of strings is the same in JSON and in TOML.
    with (into / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(_CONFIG.format(module=module, tests=json.dumps(tests)))


def mutmut(folder: Path, *arguments: str) -> str:
    """The output of mutmut run in ``folder``."""
    ran = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    if ran.returncode:
        raise SystemExit(f"mutmut {' '.join(arguments)} failed:\n{(ran.stdout + ran.stderr)[-3000:]}")
    return ran.stdout


def judge(module: str, tests: tuple[str, ...], jobs: int, *, show: bool) -> bool:
    """Try every mutant of ``module``; print a line on it and one a survivor. True when none survived."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scratch(folder, module, tests)
        mutmut(folder, "run", "--max-children", str(jobs))
        results = _RESULT.findall(mutmut(folder, "results", "--all", "true"))
        alive = [(mutant, state) for mutant, state in results if state not in ("killed", "timeout")]
        killed, seconds = len(results) - len(alive), time.monotonic() - began
        guard = "  guard" if module in GUARDS else ""
        print(f"{module:40} {len(results):8} {killed:8} {seconds:7.0f}{guard}", flush=True)
        for mutant, state in alive:
            print(f"    {state}: {mutant}")
            if show:
                shown = mutmut(folder, "show", mutant).splitlines()
                print("\n".join(f"        {line}" for line in shown if re.match(r"[-+][^-+]", line)))
    return bool(results) and not alive


def main() -> int:
    """Run, module by module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="MODULE", choices=[*GUARDS, *WATCHED])
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    known = GUARDS | WATCHED
    print(f"{'module':40} {'mutants':>8} {'killed':>8} {'seconds':>7}", flush=True)
    breached = [
        module
        for module in asked.only or known
        if not judge(module, known[module], asked.jobs, show=asked.show) and module in GUARDS
    ]
    return 1 if breached else 0


if __name__ == "__main__":
    sys.exit(main())
