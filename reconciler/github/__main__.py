"""``python -I -m reconciler.github``: the step of the Action that does the work."""

from __future__ import annotations

import os
import sys
import traceback

from reconciler.errors import ReconcilerError
from reconciler.github.api import GitHub
from reconciler.github.job import Job, read_job
from reconciler.github.runner import Runner
from reconciler.github.steps import Step

_SECRETS = ("INPUT_TOKEN", "CHEKT_API_KEY", "CHEKT_CLIENT_SECRET", "RECONCILER_LEDGER_KEY")


def main() -> int:
    """Run the step that the environment describes and return its exit code."""
    runner = Runner(os.environ, sys.stdout)
    for name in _SECRETS:
        runner.mask(os.environ.get(name, ""))
    try:
        job = read_job(os.environ)
    except ReconcilerError as exc:
        return _failed(runner, exc.code, f"{exc.message}\n{exc.hint}")
    github = _github(job)
    try:
        return Step(job, runner, github).run()
    except Exception as exc:  # noqa: BLE001  the last line before the user, and foreign text may be in it
        runner.tell(traceback.format_exc())
        return _failed(runner, "error", f"internal error: {type(exc).__name__}: {exc}")
    finally:
        if github is not None:
            github.close()


def _failed(runner: Runner, code: str, message: str) -> int:
    """Tell why there is no step, or no end of it; 1, the exit code."""
    runner.annotate("error", f"reconciler: {code}", message)
    runner.output("failure-reason", code.replace("_", "-"))
    runner.output("exit-code", "1")
    return 1


def _github(job: Job) -> GitHub | None:
    if not job.inputs.token or not job.repository:
        return None
    return GitHub(
        api_url=job.api_url, graphql_url=job.graphql_url, repository=job.repository, token=job.inputs.token
    )


if __name__ == "__main__":
    sys.exit(main())
