"""Which GET endpoints answered as expected, and are confirmed for this account by that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.diagnosis import shapes
from reconciler.diagnosis.check import Check, Result
from reconciler.diagnosis.walk import Read, Walk
from reconciler.kinds import REGISTRY, Endpoint
from reconciler.ledger import Confirmation
from reconciler.planning.endpoints import below

_ELSEWHERE = (404, 405, 501)
"""What a path that is not there answers."""


def confirmations(walk: Walk, now: datetime) -> list[Confirmation]:
    """The endpoints that answered in the expected shape, each once; the answer with most objects tells it."""
    found: dict[str, Read] = {}
    for read in walk.reads:
        if read.fits:
            best = found.get(str(read.endpoint))
            if best is None or len(read.objects) > len(best.objects):
                found[str(read.endpoint)] = read
    return [
        Confirmation(name, read.endpoint.grade, shapes.digest(read.seen.body), now)
        for name, read in sorted(found.items())
    ]


def doubted(walk: Walk) -> frozenset[str]:
    """The endpoints that answered, and never as expected; a refusal of the caller says nothing of them."""
    fitting = {str(read.endpoint) for read in walk.reads if read.fits}
    odd = {str(read.endpoint) for read in walk.reads if read.misfit or read.seen.status in _ELSEWHERE}
    return frozenset(odd - fitting)


def endpoint_check(walk: Walk, known: frozenset[str]) -> Check:
    """``known``: endpoints confirmed before. The lines say where another path belongs."""
    surface = walk.served.surface
    name = f"endpoints.{surface}"
    confirmed = {str(read.endpoint) for read in walk.reads if read.fits}
    odd = sorted(doubted(walk))
    untried = {str(endpoint): kind for kind, endpoint in walk.untried if str(endpoint) not in confirmed}
    facts = {
        "confirmed": sorted(confirmed),
        "unexpected": odd,
        "untried": sorted(untried),
        "known_before": sorted(known),
    }
    if all(read.seen.status is None for read in walk.reads):
        return Check(name, Result.UNKNOWN, "No endpoint could be tried.", facts=facts)
    weak = {
        str(read.endpoint) for read in walk.reads if read.fits and below(read.endpoint.grade, "documented")
    }
    tried = {str(read.endpoint) for read in walk.reads if read.seen.status is not None}
    said = f"{len(confirmed)} of {len(tried)} read endpoints answer as expected"
    said += f", {len(weak)} of them known by guess until now" if weak - known else ""
    kinds = ", ".join(REGISTRY[kind].collection.replace("_", " ") for kind in dict.fromkeys(untried.values()))
    rest = f" {len(untried)} could not be tried, for want of {kinds} to ask for." if untried else ""
    if odd:
        told = "; ".join(f"{each} {_oddity(walk.reads, each)}" for each in odd)
        return Check(
            name,
            Result.WARNING if confirmed else Result.FAILED,
            f"{said}. Unexpected: {told}.{rest}",
            "Ask CHeKT for the path, and write it in reconciler.yaml:",
            ("endpoints:", *_corrections(walk.reads, odd)),
            facts,
        )
    result = Result.OK if confirmed else Result.UNKNOWN
    return Check(name, result, f"{said}.{rest}", facts=facts)


def _oddity(reads: Sequence[Read], endpoint: str) -> str:
    read = next(each for each in reads if str(each.endpoint) == endpoint)
    return f"({read.endpoint.grade}): {read.misfit}" if read.misfit else f"answers {read.seen.status}"


def _corrections(reads: Sequence[Read], odd: Sequence[str]) -> list[str]:
    """A line of ``endpoints`` for each, its path to be replaced."""
    lines = []
    for name in odd:
        read = next(each for each in reads if str(each.endpoint) == name)
        lines.append(
            f'  {read.kind}: {{{_operation(read.endpoint)}: "GET /..."}}   # now {read.endpoint.path}'
        )
    return lines


def _operation(endpoint: Endpoint) -> str:
    """What ``endpoints`` calls it: a path that ends with an id reads one object."""
    last = endpoint.path.rpartition("/")[2]
    if last.startswith("{"):
        return "read"
    return "arming_settings.read" if last == "arming-settings" else "list"
