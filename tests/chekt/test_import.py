"""The client's package costs little until a connection is opened."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_package_loads_no_network_library() -> None:
    heavy = "{'httpx', 'jwt', 'cryptography', 'filelock', 'pydantic', 'sqlite3'}"
    code = f"import sys, reconciler.chekt; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
