"""What the inbox holds, for people, programs and monitoring."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from reconciler.ledger import Consumption, DeliveryFigures
from reconciler.manifests.listen_settings import ListenSettings
from reconciler.model import JsonObject
from reconciler.render.exposition import Sample, metric
from reconciler.times import utc_text

_TAKEN = ("received", "repeated", "unwanted")
"""Outcomes of a request that was answered 200; all others are refusals."""

_PREFIX = "reconciler_listen"

ENFORCER = "(enforcer)"
"""Who events are kept for besides the consumers of reconciler.yaml, which cannot have this name."""

_ENFORCER_COMMAND = "enforce --daemon --listen"


def named(settings: ListenSettings | None) -> frozenset[tuple[str, str]]:
    """The consumers that reconciler.yaml names, by endpoint; none without a ``listen`` block."""
    endpoints = {} if settings is None else settings.endpoints
    return frozenset((name, consumer) for name, each in endpoints.items() for consumer in each.consumers)


def left_to(serving: Collection[tuple[str, str]], figures: DeliveryFigures) -> int:
    """How many events wait for the consumers ``serving``."""
    return sum(
        number
        for (endpoint, consumer, status), number in figures.unsettled.items()
        if status == "waiting" and (endpoint, consumer) in serving
    )


def metrics_text(figures: DeliveryFigures, now: datetime) -> str:
    """The exposition format of Prometheus. Totals count from the beginning of the ledger."""
    deliveries: list[Sample] = []
    attempts: list[Sample] = []
    for (endpoint, consumer, outcome), number in figures.outcomes.items():
        labels = {"endpoint": endpoint, "outcome": outcome}
        if consumer:
            attempts.append(({**labels, "consumer": consumer}, number))
        else:
            deliveries.append((labels, number))
    unsettled: list[Sample] = [
        ({"endpoint": endpoint, "consumer": consumer, "status": status}, number)
        for (endpoint, consumer, status), number in figures.unsettled.items()
    ]
    lines = [
        *metric(f"{_PREFIX}_requests_total", "counter", "Requests by how they were answered.", deliveries),
        *metric(f"{_PREFIX}_attempts_total", "counter", "Attempts of consumers by how they ended.", attempts),
        *metric(f"{_PREFIX}_unsettled", "gauge", "Events that consumers have still to take.", unsettled),
        *metric(
            f"{_PREFIX}_written_timestamp_seconds",
            "gauge",
            "When this was written.",
            [({}, round(now.timestamp(), 3))],
        ),
    ]
    return "\n".join(lines) + "\n"


def status_json(
    figures: DeliveryFigures, aside: Iterable[Consumption], serving: Collection[tuple[str, str]]
) -> JsonObject:
    """The figures by endpoint, ``""`` for requests that reached none, and every event set aside.

    ``serving``: the consumers that reconciler.yaml names, by endpoint.
    """
    endpoints: dict[str, JsonObject] = {}
    for name in sorted({key[0] for key in (*figures.outcomes, *figures.unsettled)}):
        outcomes = {
            outcome: number
            for (endpoint, consumer, outcome), number in figures.outcomes.items()
            if endpoint == name and not consumer
        }
        consumers = {
            consumer for endpoint, consumer, _ in (*figures.outcomes, *figures.unsettled) if endpoint == name
        }
        endpoints[name] = {
            **{taken: outcomes.pop(taken, 0) for taken in _TAKEN},
            "refused": outcomes,
            "consumers": {
                each: {**_consumer(figures, name, each), "served_by": _served_by(serving, name, each)}
                for each in sorted(consumers - {""})
            },
        }
    return {"endpoints": endpoints, "set_aside": [_aside(each) for each in aside]}


def _served_by(serving: Collection[tuple[str, str]], endpoint: str, consumer: str) -> str | None:
    """The command that takes the events of a consumer; None where reconciler.yaml names it no longer."""
    if consumer == ENFORCER:
        return _ENFORCER_COMMAND
    return "listen" if (endpoint, consumer) in serving else None


def _consumer(figures: DeliveryFigures, endpoint: str, consumer: str) -> JsonObject:
    return {
        "done": figures.outcomes.get((endpoint, consumer, "done"), 0),
        "failed_attempts": figures.outcomes.get((endpoint, consumer, "failed"), 0),
        "waiting": figures.unsettled.get((endpoint, consumer, "waiting"), 0),
        "set_aside": figures.unsettled.get((endpoint, consumer, "set_aside"), 0),
    }


def _consumer_text(row: JsonObject) -> str:
    numbers = {word: number for word, number in row.items() if word != "served_by"}
    if row["served_by"] == _ENFORCER_COMMAND:  # it keeps its own record: `enforce history`
        return f"{row['waiting']} waiting, looked into by {_ENFORCER_COMMAND}"
    told = ", ".join(f"{number} {word.replace('_', ' ')}" for word, number in numbers.items())
    return told if row["served_by"] else f"{told}; no longer configured"


def _aside(each: Consumption) -> JsonObject:
    assert each.settled_at is not None
    return {
        "delivery": each.delivery,
        "endpoint": each.endpoint,
        "consumer": each.consumer,
        "event_id": each.event_id,
        "event_type": each.event_type,
        "attempts": each.attempts,
        "note": each.note,
        "at": utc_text(each.settled_at),
    }


def status_text(
    figures: DeliveryFigures, aside: Iterable[Consumption], serving: Collection[tuple[str, str]]
) -> Iterator[str]:
    """The same for people, a line each."""
    content = status_json(figures, (), serving)
    endpoints = content["endpoints"]
    assert isinstance(endpoints, dict)
    for name, each in endpoints.items():
        refused = each["refused"]
        why = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in refused.items())
        taken = ", ".join(f"{each[word]} {word}" for word in _TAKEN)
        head = f"{name}: {taken}" if name else "requests that reached no endpoint"
        yield f"{head}; {sum(refused.values())} refused{f' ({why})' if why else ''}"
        for consumer, row in each["consumers"].items():
            yield f"  {consumer}: {_consumer_text(row)}"
    rows = [_aside(each) for each in aside]
    if rows:
        yield "Set aside, tried again by `reconciler listen retry`:"
    for row in rows:
        attempts = "1 attempt" if row["attempts"] == 1 else f"{row['attempts']} attempts"
        yield (
            f"  {row['delivery']}  {row['at']}  {row['endpoint']}/{row['consumer']}  {row['event_id']} "
            f"({row['event_type'] or 'no type'}), {attempts}: {row['note']}"
        )
