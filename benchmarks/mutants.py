"""How many wrong versions of the rules of safety the tests notice: mutation testing, with mutmut.

    pip install -e '.[dev,mutants]'
    python benchmarks/mutants.py [--jobs 2] [--only reconciler/planning/safety.py]... [--show]

Every mutant is one small change to one function; a mutant that no test notices has survived. In the
guards (deletes, caps, ownership, protection, stale plans) none may: exit code 1 if one does. Survivors
elsewhere are listed; ``--show`` prints what each of them changed. The project is copied to a scratch
folder first, since mutmut works in place.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GUARDS = (
    "reconciler/planning/safety.py",
    "reconciler/planning/undeclared.py",
    "reconciler/planning/ownership.py",
    "reconciler/planning/saved.py",
)
WATCHED = (
    "reconciler/planning/diff.py",
    "reconciler/planning/rows.py",
    "reconciler/ledger/journal.py",
    "reconciler/engine/evidence.py",
    "reconciler/engine/recover.py",
)
TESTS = ("tests/planning", "tests/engine", "tests/ledger")

_CONFIG = """
[tool.mutmut]
source_paths = ["reconciler"]
only_mutate = [{modules}]
also_copy = ["examples", "schemas", "README.md"]
pytest_add_cli_args = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=1"]
pytest_add_cli_args_test_selection = [{tests}]
"""
_RESULT = re.compile(r"^\s*(reconciler\.\S+): (.+)$", re.MULTILINE)


def scratch(into: Path, modules: tuple[str, ...]) -> None:
    """Copy what git knows of the project, and tell mutmut what to change there."""
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
    quoted = {
        "modules": ", ".join(f'"{each}"' for each in modules),
        "tests": ", ".join(f'"{each}"' for each in TESTS),
    }
    with (into / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(_CONFIG.format(**quoted))


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


def main() -> int:
    """Run, then print a line a module and one a survivor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="MODULE")
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    modules = tuple(asked.only or (*GUARDS, *WATCHED))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scratch(folder, modules)
        mutmut(folder, "run", "--max-children", str(asked.jobs))
        results = _RESULT.findall(mutmut(folder, "results", "--all", "true"))
        alive = [(mutant, state) for mutant, state in results if state not in ("killed", "timeout")]
        breached = 0
        print(f"{'module':44} {'mutants':>8} {'killed':>8}")
        for module in modules:
            dotted = module.removesuffix(".py").replace("/", ".") + "."
            states = Counter(state for mutant, state in results if mutant.startswith(dotted))
            killed = states["killed"] + states["timeout"]
            print(f"{module:44} {states.total():8} {killed:8}{'  guard' if module in GUARDS else ''}")
            breached += module in GUARDS and killed != states.total()
        for mutant, state in alive:
            print(f"{state}: {mutant}")
            if asked.show:
                shown = mutmut(folder, "show", mutant).splitlines()
                print("\n".join(f"    {line}" for line in shown if re.match(r"[-+][^-+]", line)))
    return 1 if breached else 0


if __name__ == "__main__":
    sys.exit(main())
