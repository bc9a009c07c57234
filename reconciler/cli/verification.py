"""``verification``: a contact's answer to an alarm verification, and the record of all answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import FORMS, moment
from reconciler.errors import ConfigError
from reconciler.times import spoken_utc, utc_text

if TYPE_CHECKING:  # start-up stays instant
    from datetime import datetime

    from reconciler.ledger import Answer
    from reconciler.model import JsonObject
    from reconciler.upstream.verification import Prepared

_PATIENCE = 30.0
"""Seconds to wait for another answer that is being sent."""

SITE = click.argument("site", metavar="SITE")
VERIFICATION = click.argument("verification", metavar="VERIFICATION")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of an answer say, as they were written."""

    contact: str
    action: Literal["dispatch", "disregard"]
    verification_id: str | None
    asked_at: str | None
    yes: bool


asked_for = options.gathered_as(
    "asked",
    Asked,
    click.option(
        "--contact",
        required=True,
        metavar="NAME",
        help="Whose answer it is: contact:acme/hq/john, or john.",
    ),
    click.option(
        "--action",
        required=True,
        type=click.Choice(("dispatch", "disregard")),
        help="dispatch sends people to the building, disregard calls them off.",
    ),
    click.option(
        "--verification-id", metavar="UUID", help="Its UUID; left out: as the listener received it."
    ),
    click.option("--asked-at", metavar="T", help="When CHeKT asked; left out: as the listener received it."),
    click.option("--yes", "-y", is_flag=True, help="Do not ask before it is sent."),
)


@click.group()
def verification() -> None:
    """Answer alarm verifications, each once, and show who answered what."""


@verification.command(
    epilog=f"""\b
Examples:
  reconciler verification answer site:acme/hq 17 sites --contact john --action disregard \\
      --verification-id 0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11 --asked-at 2026-11-20T18:00:05Z

Times are written {FORMS}.""",
    short_help="Answer a verification: dispatch or disregard.",
)
@SITE
@VERIFICATION
@options.project
@asked_for
@options.output_format("text", "json")
@options.max_rate
@click.pass_obj
def answer(
    console: Console,
    site: str,
    verification: str,
    reading: options.Reading,
    asked: Asked,
    output_format: str,
) -> None:
    """Answer VERIFICATION, CHeKT's number of it or its UUID, at SITE as one of its contacts.

    CHeKT wants an answer within 2 minutes; after 5 to 10 it may have dispatched by itself, and a warning says
    so. Each verification is answered once: what is not known to have failed is never sent again.
    """
    from reconciler.account import open_account
    from reconciler.ledger import user_name
    from reconciler.runtime import held_lock
    from reconciler.upstream.ages import age_warning
    from reconciler.upstream.naming import named_site
    from reconciler.upstream.questions import Written
    from reconciler.upstream.verification import prepare, send

    project, runtime = reading.load(), console.runtime(_PATIENCE)
    at = _asked_at(asked.asked_at, runtime.clock())
    written = Written(named_site(project, site), verification, asked.verification_id, at)
    with open_account(project, runtime, "partner") as account:
        prepared = prepare(account, written, asked.contact, asked.action)
        warning = age_warning(prepared.asked.asked_at, runtime.clock())
        if warning:
            console.warn([warning])
        if not asked.yes:
            _confirm(console, prepared)
        with held_lock(project, runtime, f"verification:{project.environment.name}", "verification answer"):
            made = send(account, prepared, by=user_name(), now=runtime.clock())
    late = age_warning(made.asked_at, made.responded_at)
    if not asked.yes and late != warning:  # the question was left open for a while
        console.warn([late])
    if output_format == "json":
        console.document({"environment": project.environment.name, "answer": _json(made), "warning": late})
        return
    number = "" if made.answer_id is None else f" CHeKT's number of the answer is {made.answer_id}."
    note = f" {made.note}." if made.note else ""
    console.out(
        printable(
            f"Answered verification {made.verification} of {made.site} with {made.action} for {made.contact}."
            f"{number}{note}"
        )
    )


def _asked_at(written: str | None, now: datetime) -> datetime | None:
    if written is None:
        return None
    at = moment("--asked-at", written, now)
    if at > now:
        raise ConfigError(f"--asked-at {written} is still to come", hint="Write when CHeKT asked.")
    return at


def _confirm(console: Console, prepared: Prepared) -> None:
    """Ask whether to send the answer. Raises ConfigError without a terminal, InterruptedApplyError on no."""
    from reconciler.errors import InterruptedApplyError

    if not console.interactive:
        raise ConfigError(
            "nobody is there to confirm the answer; nothing was sent",
            hint="Run it on a terminal, or with --yes.",
        )
    asked = prepared.asked
    effect = {
        "dispatch": "Send people to the building",
        "disregard": "Call off the response",
    }[prepared.action]
    question = (
        f"{effect}: answer verification {asked.number} of {asked.site} with {prepared.action}, as "
        f"{prepared.contact}?"
    )
    if not console.confirm(printable(question)):
        raise InterruptedApplyError("not confirmed; nothing was sent")


@verification.command(
    "list",
    epilog="""\b
Examples:
  reconciler verification list
  reconciler verification list sites --env production --format json""",
)
@options.project
@options.output_format("text", "json")
@click.pass_obj
def list_(console: Console, reading: options.Reading, output_format: str) -> None:
    """List every answer: who gave it, when, how old the verification was, and what came of it."""
    from reconciler.runtime import store_of

    project = reading.load()
    store = store_of(project, console.runtime())
    found: list[Answer] = []
    if store.exists():
        with store.open() as book:
            found = book.answers()
    if output_format == "json":
        answers: list[JsonObject] = [_json(each) for each in found]
        console.document({"environment": project.environment.name, "answers": answers})
        return
    lines = [printable(line) for each in found for line in _lines(each)]
    console.out("\n".join(lines) or "No verification was answered from here.")


@verification.command(
    epilog="""\b
Examples:
  reconciler verification resolve site:acme/hq 17 --happened
  reconciler verification resolve site:acme/hq 17 sites --did-not-happen""",
    short_help="Settle an answer of unknown outcome by a person's word.",
)
@SITE
@VERIFICATION
@options.project
@click.option("--happened", is_flag=True, help="You found that CHeKT has the answer.")
@click.option("--did-not-happen", is_flag=True, help="You found that it has none; it may be answered again.")
@click.pass_obj
def resolve(
    console: Console,
    site: str,
    verification: str,
    reading: options.Reading,
    *,
    happened: bool,
    did_not_happen: bool,
) -> None:
    """Say what became of the answer to VERIFICATION whose outcome nobody knows.

    Ask the monitoring centre first. What you say is kept in the ledger for good, with your name.
    """
    from reconciler.ledger import user_name
    from reconciler.runtime import held_lock, store_of
    from reconciler.upstream.naming import named_site
    from reconciler.upstream.verification import resolve as settle

    if happened == did_not_happen:
        raise ConfigError(
            "it cannot both have happened and not" if happened else "did it happen?",
            hint="Write --happened or --did-not-happen.",
        )
    project, runtime = reading.load(), console.runtime(_PATIENCE)
    where = named_site(project, site)
    with (
        held_lock(project, runtime, f"verification:{project.environment.name}", "verification resolve"),
        store_of(project, runtime).open() as book,
    ):
        made = settle(book, where, verification, happened=happened, by=user_name(), now=runtime.clock())
    console.out(printable("\n".join(_lines(made))))


def _lines(answer: Answer) -> list[str]:
    from reconciler.upstream.ages import spoken_age

    age = (
        ""
        if answer.asked_at is None
        else f", {spoken_age(answer.responded_at - answer.asked_at)} after it was asked"
    )
    lines = [
        (
            f"{spoken_utc(answer.responded_at)}  {answer.site}  verification {answer.verification}  "
            f"{answer.action}: {_outcome(answer)}"
        ),
        f"    for {answer.contact} by {answer.answered_by}{age}",
    ]
    return [*lines, *([f"    {answer.note}"] if answer.note else [])]


def _outcome(answer: Answer) -> str:
    if answer.status == "open":
        return "unknown (being sent, or its run was killed)"
    number = "" if answer.answer_id is None else f", CHeKT's number {answer.answer_id}"
    return f"{answer.status}{number}"


def _json(answer: Answer) -> JsonObject:
    age = None if answer.asked_at is None else (answer.responded_at - answer.asked_at).total_seconds()
    return {
        "site": str(answer.site),
        "verification": answer.verification,
        "verification_id": answer.verification_id,
        "contact": str(answer.contact),
        "contact_id": answer.contact_id,
        "action": answer.action,
        "asked_at": None if answer.asked_at is None else utc_text(answer.asked_at, "milliseconds"),
        "responded_at": utc_text(answer.responded_at, "milliseconds"),
        "age_seconds": age,
        "answered_by": answer.answered_by,
        "outcome": "unknown" if answer.status == "open" else answer.status.value,
        "answer_id": answer.answer_id,
        "note": answer.note,
        "idempotency_key": answer.idempotency_key,
    }
