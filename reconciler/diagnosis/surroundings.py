"""The way to the host, its limits, and the shapes it answers in, each as a check."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.chekt import wire
from reconciler.chekt.budget import Level
from reconciler.chekt.connection import DOCUMENTED_RATES, Connection
from reconciler.chekt.probe import Seen, proxy_of
from reconciler.diagnosis import shapes
from reconciler.diagnosis.check import Check, Result, sentence
from reconciler.diagnosis.walk import SITES, Raw, Walk
from reconciler.manifests.settings import EnvironmentSettings
from reconciler.model import JsonValue


def network_check(connection: Connection, answers: Sequence[Seen]) -> Check:
    """Whether the host answers, as CHeKT does, and which way requests take."""
    name = f"network.{connection.surface}"
    proxy = proxy_of(connection.base_url)
    way = f" through the proxy {proxy}" if proxy is not None else ""
    facts: dict[str, JsonValue] = {"base_url": connection.base_url, "proxy": proxy}
    silent = next((seen for seen in answers if seen.status is None and seen.sent_at), None)
    if silent is not None:
        return Check(name, Result.FAILED, sentence(f"{silent.problem}{way}"), silent.hint, facts=facts)
    heard = [seen for seen in answers if seen.status is not None]
    if not heard:
        return Check(name, Result.UNKNOWN, f"{connection.base_url} was not asked.", facts=facts)
    moved = next((seen for seen in heard if seen.location is not None), None)
    if moved is not None:
        said = f"{connection.base_url} points to {moved.location} ({moved.status}){way}."
        to_do = "Redirects are never followed: write the right base_url in reconciler.yaml."
        return Check(name, Result.FAILED, said, to_do, facts=facts)
    if all(seen.problem for seen in heard):
        said = f"{connection.base_url} answers{way}, but not as CHeKT does: {heard[0].problem}."
        to_do = "Correct base_url (https://api.chekt.com, say); a portal, or a proxy's page, may stand there."
        return Check(name, Result.FAILED, said, to_do, facts=facts)
    broken = [seen for seen in heard if (seen.status or 0) >= 500]
    if len(broken) == len(heard):
        said = f"{connection.base_url} answers{way} with {broken[0].status} only: {broken[0].said}."
        return Check(name, Result.FAILED, said, "The host is out of order; try again later.", facts=facts)
    seconds = min(seen.received_at - seen.sent_at for seen in heard)
    facts = {**facts, "fastest_seconds": round(seconds, 3)}
    return Check(
        name, Result.OK, f"{connection.base_url} answers{way}, in {seconds * 1000:.0f} ms.", facts=facts
    )


def limits_check(
    connection: Connection, answers: Sequence[Seen], level: Level | None, environment: EnvironmentSettings
) -> Check:
    """The limit that the host tells of, against the one that the budget keeps."""
    surface = connection.surface
    name = f"limits.{surface}"
    if environment.is_embedded:
        return Check(name, Result.OK, "The simulator in this process has no limit to keep.")
    kept = connection.rate or DOCUMENTED_RATES[surface]
    told = (_whole(seen.headers.get("x-ratelimit-limit")) for seen in reversed(answers))
    stated = next((limit for limit in told if limit is not None), None)
    left = "" if level is None else f" {max(0.0, level.tokens):.0f} requests are in the budget now."
    facts: dict[str, JsonValue] = {
        "configured_per_minute": kept.per_minute,
        "stated_per_minute": stated,
        "budget_tokens": None if level is None else round(level.tokens, 1),
        "budget_per_minute": None if level is None else round(level.per_minute, 1),
    }
    if any(seen.status == 429 for seen in answers):
        said = f"The host refuses requests as too many (429).{left}"
        return Check(
            name, Result.WARNING, said, "Something else uses this account's limit; wait.", facts=facts
        )
    if not any(seen.status for seen in answers):
        return Check(name, Result.UNKNOWN, "No answer told of limits.", facts=facts)
    if stated is None:
        said = f"The host tells of no limits; the budget keeps to {kept.per_minute} a minute.{left}"
        return Check(name, Result.OK, said, facts=facts)
    said = f"The host allows {stated} requests a minute, and the project {kept.per_minute}.{left}"
    if stated >= kept.per_minute:
        return Check(name, Result.OK, said, facts=facts)
    lines = ("environments:", f"  {environment.name}:", f"    rate: {{per_minute: {stated}}}")
    to_do = "The budget follows the host. Write it down, so that plans tell the right time:"
    return Check(name, Result.WARNING, said, to_do, lines, facts)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None


def shape_check(walk: Walk, environment: str) -> Check:
    """The shapes of one surface; on the dealer surface against ``dialect``."""
    surface = walk.served.surface
    name = f"shapes.{surface}"
    lists = [read for read in walk.reads if read.seen.is_json and shapes.envelope(read.seen.body)]
    shown = [raw for read in walk.reads for raw in read.objects]
    facts: dict[str, JsonValue] = {
        "envelope": shapes.envelope(lists[0].seen.body) if lists else "",
        "ids": shapes.ids(_ids(walk)),
        "times": shapes.times([*shown, *_state_objects(walk)]),
        "errors": shapes.error(walk.missing.body) if walk.missing is not None and walk.missing.status else "",
        "rate_headers": any(set(shapes.RATE_HEADERS) & seen.headers.keys() for seen in walk.probe.answers),
    }
    if surface == "partner":
        if not lists:
            return Check(name, Result.UNKNOWN, "No list was shown.", facts=facts)
        return Check(name, Result.OK, _sentence(facts), facts=facts)
    facts |= _dealer_facts(walk)
    return _dialect(name, walk, environment, facts)


def _dealer_facts(walk: Walk) -> dict[str, JsonValue]:
    contacts = [raw for read in walk.reads if read.kind == "contact" for raw in read.objects]
    states = _state_objects(walk)
    words = [str(raw.get("arming_status") or raw.get("state") or "") for raw in states]
    divided = next((seen.body for last, seen in walk.states if last != "arming" and seen.is_json), None)
    return {
        "contact_fields": shapes.contact_fields(contacts),
        "arming_states": shapes.arming(words),
        "partition_envelope": shapes.envelope(divided),
    }


def _dialect(name: str, walk: Walk, environment: str, facts: dict[str, JsonValue]) -> Check:
    """Whether ``dialect`` says what the host shows."""
    written = walk.probe.connection.dialect
    sites = [read for read in walk.reads if read.seen.path == SITES and read.seen.is_json]
    found = {shapes.dealer_shape(read.seen.body, read.objects) for read in sites} - {None}
    facts |= {"shape": sorted(map(str, found)), "dialect": written}
    if len(found) != 1:
        said = "The lists of sites are in both shapes." if found else "No list of sites was shown."
        return Check(name, Result.WARNING if found else Result.UNKNOWN, said, facts=facts)
    [shape] = found
    said = f"/ext/v1 answers in the {shape} shape. {_sentence(facts)}"
    if shape == written:
        return Check(name, Result.OK, said, facts=facts)
    lines = ("environments:", f"  {environment}:", f"    dialect: {shape}")
    seen = f"{said} The project says {written}."
    return Check(name, Result.FAILED, seen, "Write in reconciler.yaml:", lines, facts)


def _sentence(facts: dict[str, JsonValue]) -> str:
    """The shapes in one sentence; what was not shown is left out."""
    told = (
        ("lists are {}", facts.get("envelope")),
        ("ids {}", facts.get("ids")),
        ("times {}", facts.get("times")),
        ("armed states {}", facts.get("arming_states")),
        ("partitions {}", facts.get("partition_envelope")),
        ("contacts in the {} shape", facts.get("contact_fields")),
        ("errors: {}", facts.get("errors")),
    )
    parts = [words.format(value) for words, value in told if value]
    parts.append("rate headers are sent" if facts.get("rate_headers") else "no rate headers are sent")
    return sentence("; ".join(parts))


def _ids(walk: Walk) -> list[JsonValue]:
    """CHeKT's ids of everything shown, as they came."""
    return [
        raw[walk.served.bindings[read.kind].remote_id]
        for read in walk.reads
        for raw in read.objects
        if walk.served.bindings[read.kind].remote_id in raw
    ]


def _state_objects(walk: Walk) -> list[Raw]:
    """The arming states of sites and partitions."""
    found: list[Raw] = []
    for last, seen in walk.states:
        if not seen.is_json:
            continue
        if last == "arming":
            single = wire.single(seen.body, ("arming",))
            found += [single] if single is not None else []
        else:
            array = wire.array(seen.body, ("partitions", "partition_arming")) or ()
            found += [raw for raw in array if wire.is_object(raw)]
    return found
