"""The record of commands, explained; and the stop that a person lifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from reconciler.enforcer.attribution import told
from reconciler.enforcer.memory import Changed, from_json, to_json
from reconciler.enforcer.memory import resumed as lifted
from reconciler.enforcer.report import commands_json, utc
from reconciler.ledger import CommandRecord
from reconciler.model import JsonObject

_LEFT = ("held", "respected")
"""Results of rows that commanded nothing."""

Notes = Mapping[tuple[str, int | None], str]
"""What the ledger keeps of each target, by address and partition."""


def as_json(rows: Sequence[CommandRecord]) -> list[JsonObject]:
    """One object a row, oldest first."""
    return commands_json(rows)


def as_text(rows: Sequence[CommandRecord], stopped: str | None) -> str:
    """What was seen, what was decided and by what, what happened, how late: two or three lines a row."""
    blocks = [_block(row) for row in rows]
    if stopped:
        blocks.append(f"Stopped: {stopped}. `reconciler enforce resume` commands it again.")
    return "\n".join(blocks)


def _block(row: CommandRecord) -> str:
    about = "" if row.partition is None else f"  partition {row.partition}"
    due = "" if row.due is None else f", due {utc(row.due)}, {row.lateness:.1f} s late"
    lines = [
        f"{utc(row.issued_at)}{about}  {row.state_before} -> {row.decided}: {row.result}{due}",
        f"    by {row.schedule}@{row.revision}, tzdata {row.tzdata}: {row.reason}",
    ]
    if row.note:
        lines.append(f"    {row.note}")
    if row.changed_at is not None and row.result not in _LEFT:
        change = Changed(at=row.changed_at, by=row.changed_by, source=row.changed_through)
        passed = _passed(row.issued_at - row.changed_at)
        lines.append(f"    {passed} after it was {told(row.state_before, change)}")
    if row.state_after and row.state_after != row.decided and row.result not in _LEFT:
        lines.append(f"    seen after: {row.state_after}")
    return "\n".join(lines)


def _passed(span: timedelta) -> str:
    """``30 min 2 s``; parts of a second are left out."""
    minutes, seconds = divmod(max(0, int(span.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def stops(notes: Notes, address: str, partition: int | None) -> str | None:
    """Why nothing is commanded to a site, or to a partition of it, any more; None where it is."""
    return next(
        (
            memory.stopped
            for memory in map(from_json, _of(notes, address, partition).values())
            if memory.stopped
        ),
        None,
    )


def resumed(notes: Notes, address: str, partition: int | None) -> Notes:
    """The notes of a stopped site (None: of all its partitions) with the stop lifted."""
    memories = {key: from_json(text) for key, text in _of(notes, address, partition).items()}
    return {key: to_json(lifted(memory)) for key, memory in memories.items() if memory.stopped}


def _of(notes: Notes, address: str, partition: int | None) -> Notes:
    return {key: text for key, text in notes.items() if key[0] == address and partition in (None, key[1])}
