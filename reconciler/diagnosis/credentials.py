"""Are the credentials accepted, and if not, why: what the answers tell a person to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from reconciler.chekt import wire
from reconciler.chekt.connection import Assertion, Credentials
from reconciler.chekt.probe import Seen, TokenSeen
from reconciler.diagnosis.check import Check, Result
from reconciler.diagnosis.walk import LIMITS, SITES, Raw, Read, Walk
from reconciler.model import JsonValue
from reconciler.times import spoken_length

_PORTAL = "Settings, Developer Settings, API Keys"


def token_check(walk: Walk, credentials: Credentials) -> Check:
    """The partner's machine token: whether one is given, and whether the API takes it."""
    name = "credentials.partner"
    token = walk.probe.token
    if token is None:
        return Check(name, Result.UNKNOWN, "No token was asked for.", _first_hint(walk.probe.answers))
    answer = token.answer
    if answer.status is None:
        return Check(name, Result.FAILED, f"No token: {answer.problem}.", answer.hint)
    if not token.given:
        seen, to_do = _refused_token(answer, credentials)
        result = Result.UNKNOWN if answer.status == 429 or answer.status >= 500 else Result.FAILED
        return Check(name, result, seen, to_do, facts={"status": answer.status, "code": answer.code})
    refused = next((seen for seen in walk.probe.answers if seen.status == 401), None)
    if refused is not None:
        return Check(
            name,
            Result.FAILED,
            f"A token is given, and the API refuses it (401: {refused.said}).",
            "CHEKT_TOKEN_URL, CHEKT_AUDIENCE and base_url must be of one environment; correct the odd one.",
        )
    if not any(seen.status for seen in walk.probe.answers):
        return Check(name, Result.UNKNOWN, "A token is given; the API did not answer.")
    return Check(name, Result.OK, _accepted(token), facts=_token_facts(token))


def _accepted(token: TokenSeen) -> str:
    lives = "says nothing of how long it lives"
    if token.lifetime is not None:
        lives = f"lives {spoken_length(token.lifetime)}"
    whose = f", for {' and '.join(token.audience)}" if token.audience else ""
    return f"The token is accepted and {lives}{whose}."


def _token_facts(token: TokenSeen) -> Mapping[str, JsonValue]:
    scopes: JsonValue = None if token.scopes is None else sorted(token.scopes)
    return {"lifetime_seconds": token.lifetime, "audience": list(token.audience), "scopes": scopes}


def _first_hint(answers: Sequence[Seen]) -> str:
    return next((seen.hint for seen in answers if seen.hint), "")


def _refused_token(answer: Seen, credentials: Credentials) -> tuple[str, str]:
    """Why the token endpoint gave none, and what to do."""
    said = f"The token endpoint answers {answer.status}: {answer.said or answer.problem}."
    if answer.location is not None:
        said += f" It points to {answer.location}."
    return said, _way_to_a_token(answer, credentials)


def _way_to_a_token(answer: Seen, credentials: Credentials) -> str:
    """By RFC 6749 section 5.2, and by what Auth0 answers."""
    words = f"{answer.code} {answer.said}".lower()
    audience = getattr(credentials, "audience", "")
    rules = (
        (answer.location is not None, "Credentials follow no redirect: correct CHEKT_TOKEN_URL."),
        (answer.status == 429 or (answer.status or 0) >= 500, "Try again later."),
        (
            bool(answer.problem) or answer.status in (404, 405),
            f"{answer.path} is no token endpoint: correct CHEKT_TOKEN_URL.",
        ),
        (
            answer.status == 403 or any(each in words for each in ("audience", "service not found")),
            f"Correct CHEKT_AUDIENCE: no API of this server is called {audience} for this client.",
        ),
        (
            "grant" in words,
            "Ask CHeKT to allow client credentials for this client, or correct CHEKT_TOKEN_URL.",
        ),
        (
            not isinstance(credentials, Assertion),
            "Correct CHEKT_CLIENT_ID and CHEKT_CLIENT_SECRET: this client, or its secret, is not known.",
        ),
    )
    told = next((hint for holds, hint in rules if holds), None)
    return told or _way_to_an_assertion(words, credentials)


def _way_to_an_assertion(words: str, credentials: Credentials) -> str:
    assert isinstance(credentials, Assertion)
    if "expired" in words or "iat" in words or "not yet" in words:
        return "Set this machine's clock by NTP: the assertion was signed at another time than the server's."
    if "aud must" in words or "wrong aud" in words:
        return "Correct CHEKT_TOKEN_URL: the assertion is made for its host."
    key = credentials.key_id
    if "kid" in words or "no key" in words or "key id" in words:
        return f"Register the public half of the key with CHeKT as {key}, or correct CHEKT_KEY_ID."
    return (
        "Correct CHEKT_CLIENT_ID, or register the public half of CHEKT_PRIVATE_KEY_FILE with CHeKT under "
        f"CHEKT_KEY_ID={key}."
    )


def key_check(walk: Walk, dealer: str, dealer_id: str, known: Collection[str]) -> Check:
    """The API key of ``dealer``: accepted, and opening that dealer.

    ``known``: CHeKT's ids, and external ids, of sites that are known to be this dealer's.
    """
    name = f"credentials.dealer.{dealer}"
    read = next(
        (each for each in walk.reads if each.seen.path == SITES and each.dealer_id == dealer_id), None
    )
    if read is None:
        return Check(
            name, Result.UNKNOWN, f"The key of {dealer} was not tried.", _first_hint(walk.probe.answers)
        )
    seen = read.seen
    if seen.status == 401:
        return Check(
            name,
            Result.FAILED,
            f"The key of {dealer} is refused (401: {seen.said}).",
            f"It is disabled, mistyped or of another environment. Make a new one in the portal ({_PORTAL}) "
            f"and set it where {dealer}'s api_key, or CHEKT_API_KEY, is taken from.",
            facts={"status": 401, "code": seen.code},
        )
    if seen.status == 403:
        return Check(
            name,
            Result.FAILED,
            f"The key of {dealer} may not list its sites (403: {seen.said}).",
            "Make a key of the whole account in the portal, as a user with the permission Developer Tools.",
        )
    if not seen.is_json:
        reason = seen.problem or f"{seen.status}: {seen.said}"
        return Check(name, Result.UNKNOWN, f"The key of {dealer} could not be tried ({reason}).", seen.hint)
    return _opened(name, dealer, read, known, walk)


def _opened(name: str, dealer: str, read: Read, known: Collection[str], walk: Walk) -> Check:
    """What an accepted key says of whose account it opens."""
    sites = [_names(raw) for raw in read.objects]
    ours = sum(not names.isdisjoint(known) for names in sites)
    count = f"{len(sites)} site{'s' if len(sites) != 1 else ''}"
    facts = {"sites": len(sites), "known": ours}
    if ours or not known or not sites:
        proof = f", {ours} of them known as {dealer}'s" if ours else "; nothing tells yet whose account it is"
        return Check(name, Result.OK, f"The key of {dealer} is accepted: {count}{proof}.", facts=facts)
    if not _whole(read):
        seen = f"The key of {dealer} is accepted; none of the first {count} is known as {dealer}'s."
        to_do = f"Look in the portal whether {dealer} has these sites."
        return Check(name, Result.UNKNOWN, seen, to_do, facts=facts)
    twin = _twin(read, walk)
    whose = f" They are those of dealer {twin}." if twin is not None else ""
    return Check(
        name,
        Result.FAILED,
        f"The key of {dealer} opens another dealer: none of its {count} is one of {dealer}'s.{whose}",
        f"Set the key that was made in the portal of {dealer}, or correct dealer_id in the manifest.",
        facts=facts,
    )


def _names(raw: Raw) -> frozenset[str]:
    """What identifies a site: its id without the pages' prefix, and the dealer's own reference."""
    site_id, reference = wire.text_id(raw.get("site_id")), wire.text_id(raw.get("account_reference_id"))
    return frozenset(each for each in (site_id and site_id.removeprefix("site_"), reference) if each)


def _twin(read: Read, walk: Walk) -> str | None:
    """Another dealer whose key shows the same sites."""
    shown = {_names(raw) for raw in read.objects}
    others = (each for each in walk.reads if each.kind == "site" and each.dealer_id != read.dealer_id)
    return next((each.dealer_id for each in others if {_names(raw) for raw in each.objects} == shown), None)


def _whole(read: Read) -> bool:
    """Whether the list ended before the longest one that a host gives at once."""
    body = read.seen.body
    data = body.get("data") if wire.is_object(body) else None
    total = data.get("total_count") if wire.is_object(data) else None
    most = min(int(size) for limits in LIMITS.values() for size in limits.values())
    return len(read.objects) == total if isinstance(total, int) else len(read.objects) < most
