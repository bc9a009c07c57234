"""What monitoring reads: a Prometheus text file, and a heartbeat file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from reconciler.arming.project import TargetKey
from reconciler.enforcer.report import good, utc
from reconciler.enforcer.tick import Sight
from reconciler.enforcer.watch import Watch
from reconciler.ledger import Ledger
from reconciler.render.exposition import metric

_PREFIX = "reconciler_enforce"
_HELD = ("held", "respected")


def metrics_text(
    watch: Watch,
    sights: Mapping[TargetKey, Sight],
    ledger: Ledger,
    now: datetime,
    events: Mapping[str, int] | None = None,
) -> str:
    """The exposition format of Prometheus, for node_exporter's textfile collector.

    Totals count from the beginning of the ledger, so that they rise from run to run of cron; ``events``,
    arming events by how they ended, count from the beginning of the process.
    """
    totals = ledger.command_totals()
    commands = {result: figures for result, figures in totals.items() if result not in _HELD}
    in_state = sum(_in_state(watch, key, sights) for key in (target.key for target in watch.targets))
    failing = sum(not good(sight) for sight in sights.values())
    stopped = sum(bool(watch.memory(target.key).stopped) for target in watch.targets)
    confirmed = commands.get("confirmed", (0, 0.0))
    upcoming = watch.transition_at()
    lines = [
        *_metric("targets", "gauge", "Sites and partitions under watch.", len(watch.targets)),
        *_metric("targets_in_state", "gauge", "Targets last seen as their schedule wants them.", in_state),
        *_metric("targets_failing", "gauge", "Targets of this run that need a person.", failing),
        *_metric("targets_stopped", "gauge", "Targets that nothing is commanded to any more.", stopped),
        *_metric("alerts_open", "gauge", "Alerts not resolved.", len(ledger.open_alerts())),
        *metric(
            f"{_PREFIX}_commands_total",
            "counter",
            "Commands by how they ended.",
            [({"result": result}, count) for result, (count, _) in commands.items()],
        ),
        *_metric(
            "failures_total",
            "counter",
            "Commands that came to nothing.",
            sum(count for result, (count, _) in commands.items() if result != "confirmed"),
        ),
        *metric(
            f"{_PREFIX}_late_seconds",
            "summary",
            "Seconds from a transition to its command, of confirmed commands.",
            [],
        ),
        f"{_PREFIX}_late_seconds_sum {confirmed[1]:.3f}",
        f"{_PREFIX}_late_seconds_count {confirmed[0]}",
        *_metric("last_run_timestamp_seconds", "gauge", "When this was written.", f"{now.timestamp():.3f}"),
    ]
    if events:
        lines += metric(
            f"{_PREFIX}_events_total",
            "counter",
            "Arming events by what came of them.",
            [({"result": end}, count) for end, count in events.items()],
        )
    if upcoming is not None:
        stamp = f"{max(now, upcoming).timestamp():.3f}"
        lines += _metric("next_timestamp_seconds", "gauge", "When something is due next.", stamp)
    return "\n".join(lines) + "\n"


def _in_state(watch: Watch, key: TargetKey, sights: Mapping[TargetKey, Sight]) -> bool:
    sight = sights.get(key)
    if sight is not None:
        return sight.verdict.kind == "in_state"
    memory = watch.memory(key)
    return memory.reached and memory.by_hand is None


def _metric(name: str, kind: str, meaning: str, value: float | str) -> list[str]:
    return metric(f"{_PREFIX}_{name}", kind, meaning, [({}, value)])


def heartbeat_text(now: datetime, targets: int, next_at: datetime | None, pid: int) -> str:
    """One line of JSON: a watchdog looks at the file's age, a person at what it says."""
    content = {
        "at": utc(now),
        "pid": pid,
        "targets": targets,
        "next_at": None if next_at is None else utc(max(now, next_at)),
    }
    return json.dumps(content, sort_keys=True) + "\n"
