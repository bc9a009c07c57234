"""Sends mutated manifests, templates, plans and answers through their readers: only our own errors come out.

    python benchmarks/fuzz.py [--inputs 1000000] [--seconds T] [--seed 1] [--target plan]

Every input has a number, and a seed and a number make it again: ``--first N --inputs 1``. An input that
takes longer than the cap, or ends in any other exception, is printed with its number and traceback; the exit
code is then 1. The corpus and the mutations are those of ``tests/hostile/fuzzing.py``.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.hostile.fuzzing import SHARES, TARGETS

CAP = 5.0
"""Seconds of processor time one input may take."""

MEMORY = 2 * 2**30
"""Bytes of address space for everything."""

MOST_FINDINGS = 20


class TooSlowError(Exception):
    """An input passed the cap."""


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"more than {CAP} s")


def main() -> int:
    """Run the inputs and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=[*TARGETS, "all"], default="all")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGVTALRM, _too_slow)
    chosen = list(TARGETS) if options.target == "all" else [options.target]
    weights = [SHARES[name] for name in chosen]
    counts: Counter[str] = Counter()
    slowest = dict.fromkeys(chosen, (0.0, 0))
    findings = 0
    began = time.perf_counter()
    with ExitStack() as stack:
        readers = {name: stack.enter_context(TARGETS[name]()) for name in chosen}
        for number in range(options.first, options.first + options.inputs):
            if time.perf_counter() - began > options.seconds or findings >= MOST_FINDINGS:
                break
            rng = random.Random(f"{options.seed} {number}")
            name = rng.choices(chosen, weights)[0]
            started = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, CAP)
            try:
                readers[name](rng)
            except Exception:  # noqa: BLE001 - any that is not our own is a finding
                findings += 1
                print(
                    f"FINDING seed {options.seed} input {number} target {name}\n{traceback.format_exc()}",
                    flush=True,
                )
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            counts[name] += 1
            slowest[name] = max(slowest[name], (time.process_time() - started, number))
            if counts.total() % 50_000 == 0:
                _report(counts, slowest, findings, began)
    _report(counts, slowest, findings, began)
    return 1 if findings else 0


def _report(counts: Counter[str], slowest: dict[str, tuple[float, int]], findings: int, began: float) -> None:
    spent = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    each = ", ".join(
        f"{name} {counts[name]:,} (slowest {seconds:.3f} s: {number})"
        for name, (seconds, number) in slowest.items()
    )
    print(
        f"{counts.total():,} inputs in {spent:.0f} s, {findings} findings, {memory} MiB at most: {each}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
