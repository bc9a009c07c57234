"""Validate, diff, plan over HTTP and a no-op apply, at a thousand to a hundred thousand resources.

    python benchmarks/scale.py                 1k, 10k and 100k
    python benchmarks/scale.py 1000 --seed 7

Every step runs in a process of its own, so its peak memory is its own. The account is a sandbox on a
loopback socket without rate limits; filling it is not measured. Figures are of this machine, now.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from make_project import make


def peak_megabytes() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(step: str, directory: Path) -> dict[str, float]:
    """Run one step in this process: seconds, peak megabytes, requests."""
    from reconciler.manifests import load

    if step == "validate":
        begun = time.perf_counter()
        load(directory, env={})
        return {"seconds": time.perf_counter() - begun, "requests": 0}
    if step == "diff":
        return diffed(directory)
    return over_http(step, directory)


def diffed(directory: Path) -> dict[str, float]:
    """Plan against an account in memory of which every tenth object differs."""
    from reconciler.kinds import REGISTRY
    from reconciler.kinds.surfaces import surfaces
    from reconciler.manifests import load
    from reconciler.model import Collection, LiveObject, Owned, Snapshot
    from reconciler.planning.plan import plan
    from reconciler.planning.safety import Policy
    from reconciler.planning.scope import Scope, parent_of

    project = load(directory, env={})
    objects, owned = {}, {}
    for number, each in enumerate(project.resources, start=1):
        kind = REGISTRY[each.address.kind]
        fields = {n: v for n, v in each.fields.items() if n not in kind.local and n not in kind.secret}
        if number % 10 == 0 and "name" in fields:
            fields["name"] = "Changed by hand"
        remote_id = each.remote_id or str(number)
        objects[each.address] = LiveObject(kind.name, remote_id, each.external_id, fields)
        owned[each.address] = Owned(each.address, remote_id, each.external_id)
    collections = frozenset(Collection(a.kind, parent_of(a)) for a in objects)
    begun = time.perf_counter()
    plan(
        project.resources,
        Snapshot(objects, collections),
        owned,
        surfaces=surfaces("partner", sandbox=True),
        policy=Policy(100.0, 10**9, 100.0),
        scope=Scope(),
        secret_digests={},
        environment="benchmark",
        config_digest=project.digest,
        now=datetime.now(tz=UTC),
        lifetime=timedelta(hours=1),
        project=str(directory),
        rate_per_minute=5000,
    )
    return {"seconds": time.perf_counter() - begun, "requests": 0}


def over_http(step: str, directory: Path) -> dict[str, float]:
    """A plan or an apply through the client, as the command line does it."""
    import threading

    from reconciler import workflows
    from reconciler.account import open_account
    from reconciler.manifests import load
    from reconciler.redaction import Redactor
    from reconciler.runtime import Runtime

    begun = time.perf_counter()
    project = load(directory, env=os.environ)
    runtime = Runtime(os.environ, Redactor(), lambda: datetime.now(tz=UTC))
    with open_account(project, runtime) as account:
        options = workflows.Options(parallelism=8)
        if step == "plan":
            planned = workflows.make_plan(account, options, on_event=lambda _: None)
        else:
            with account.lock("apply"):
                planned = workflows.make_plan(account, options, on_event=lambda _: None, locked=True)
                applied = workflows.apply_plan(
                    account, planned, options, on_event=lambda _: None, stop=threading.Event()
                )
            if step == "no-op apply":
                assert applied.report.writes == 0, "the account was not converged"
        seconds = time.perf_counter() - begun
        sent = account.client.requests
        return {"seconds": seconds, "requests": sent.reads + sent.writes + sent.tokens}


def in_process_of_its_own(step: str, directory: Path) -> dict[str, float]:
    """The figures of ``step``, measured in a new process."""
    command = [sys.executable, __file__, "--step", step, "--directory", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{step} failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def bench(resources: int, seed: int) -> None:
    """Measure and print every step at one size."""
    from reconciler import sandbox as simulator

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        count = make(directory / "project", resources, seed)
        app = simulator.Sandbox(directory / "sandbox.db", switches=simulator.Switches(rate_limits=False))
        with simulator.serve(app) as server:
            os.environ |= {
                "CHEKT_BASE_URL": server.url,
                "CHEKT_TOKEN_URL": f"{server.url}/oauth/token",
                "CHEKT_AUDIENCE": simulator.AUDIENCE,
                "CHEKT_CLIENT_ID": simulator.CLIENT_ID,
                "CHEKT_CLIENT_SECRET": simulator.CLIENT_SECRET,
                "XDG_STATE_HOME": str(directory / "state"),
            }
            print(f"\n{count:,} resources", flush=True)
            rows = ["validate", "diff", "first apply", "plan", "no-op apply"]
            for step in rows:
                found = in_process_of_its_own(step, directory / "project")
                print(
                    f"  {step:<12} {found['seconds']:8.2f} s {count / found['seconds']:10,.0f} resources/s"
                    f" {found['peak']:7.0f} MB {found['requests']:8,.0f} requests",
                    flush=True,
                )
        app.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        figures = measured(asked.step, asked.directory)
        print(json.dumps({**figures, "peak": peak_megabytes()}))
        return
    for size in asked.sizes:
        bench(size, asked.seed)


if __name__ == "__main__":
    main()
