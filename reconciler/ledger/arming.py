"""The arming record: every command (append-only) and the overrides that people set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import LedgerError
from reconciler.ledger.database import Decoders, Tables, instant, stamp
from reconciler.ledger.lanes import lane_of
from reconciler.model import Address


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One arming decision that was sent, or why it was not.

    ``revision`` names the manifests and ``tzdata`` the release of the time-zone data it was decided
    with. ``due`` is when the state should have begun, ``lateness`` seconds from then to ``issued_at``.
    ``result``: ``confirmed``, ``refused``, ``unconfirmed``, ``unknown``, ``held`` or the like. ``note``: what
    stood in the way, as far as anybody said. ``changed_at``, ``changed_by``, ``changed_through``: the change
    by hand that is respected, or undone by the command; who made it and by what means, as far as is known.
    """

    target: Address
    partition: int | None
    schedule: str
    revision: str
    tzdata: str
    reason: str
    state_before: str
    decided: str
    result: str
    state_after: str | None
    due: datetime | None
    issued_at: datetime
    lateness: float
    note: str = ""
    changed_at: datetime | None = None
    changed_by: str = ""
    changed_through: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """A state a person asked for until an instant. ``partition`` None: the whole site."""

    id: int
    target: Address
    partition: int | None
    state: str
    until: datetime
    reason: str
    made_by: str
    created_at: datetime
    cleared_at: datetime | None = None


_COMMAND: Decoders = {
    "target": Address.parse,
    "due": instant,
    "issued_at": instant,
    "changed_at": instant,
}
_OVERRIDE: Decoders = {
    "target": Address.parse,
    "until": instant,
    "created_at": instant,
    "cleared_at": instant,
}


class ArmingTables(Tables):
    """The arming commands and overrides of one environment."""

    def record_command(self, command: CommandRecord) -> int:
        """Append ``command``; it can never be changed or removed. Returns its number."""
        return self._database.insert(
            "INSERT INTO commands (environment, target, partition, schedule, revision, tzdata, reason,"
            " state_before, decided, result, state_after, due, issued_at, lateness, note,"
            " changed_at, changed_by, changed_through)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._database.environment,
                str(command.target),
                command.partition,
                command.schedule,
                command.revision,
                command.tzdata,
                command.reason,
                command.state_before,
                command.decided,
                command.result,
                command.state_after,
                None if command.due is None else stamp(command.due),
                stamp(command.issued_at),
                command.lateness,
                command.note,
                None if command.changed_at is None else stamp(command.changed_at),
                command.changed_by,
                command.changed_through,
            ),
        )

    def commands(self, target: Address | None = None) -> list[CommandRecord]:
        """The commands to ``target`` (None: to all), oldest first."""
        text = None if target is None else str(target)
        return self._database.read(
            CommandRecord,
            _COMMAND,
            "SELECT * FROM commands WHERE environment = ? AND (? IS NULL OR target = ?) ORDER BY id",
            (self._database.environment, text, text),
        )

    def command_totals(self) -> dict[str, tuple[int, float]]:
        """How many commands ended with each result, and their lateness in seconds, summed."""
        rows = self._database.rows(
            "SELECT result, count(*), sum(CASE WHEN lateness > 0 THEN lateness ELSE 0 END) FROM commands"
            " WHERE environment = ? GROUP BY result ORDER BY result",
            (self._database.environment,),
        )
        return {result: (count, lateness) for result, count, lateness in rows}

    def watched(self) -> dict[tuple[str, int | None], str]:
        """What the enforcer noted of each target, by address and partition: its own text."""
        rows = self._database.rows(
            "SELECT target, partition, memory FROM watched"
            " WHERE environment = ? AND substr(target, 1, ?) = ?",
            (self._database.environment, *self._database.in_part),
        )
        return {(target, None if number < 0 else number): memory for target, number, memory in rows}

    def watch(self, target: str, partition: int | None, memory: str) -> None:
        """Keep the enforcer's note of a target, in place of the one before."""
        self._database.change(
            "INSERT INTO watched (environment, target, partition, memory) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (environment, target, partition) DO UPDATE SET memory = excluded.memory",
            (self._database.environment, target, -1 if partition is None else partition, memory),
        )

    def overrides_since(self, since: datetime) -> list[Override]:
        """The overrides that held at ``since`` or later, cleared ones too, oldest first."""
        text = stamp(since)
        return self._database.read(
            Override,
            _OVERRIDE,
            "SELECT * FROM overrides WHERE environment = ? AND until > ?"
            " AND (cleared_at IS NULL OR cleared_at > ?) AND substr(target, 1, ?) = ? ORDER BY id",
            (self._database.environment, text, text, *self._database.in_part),
        )

    def overrides(self, now: datetime | None = None) -> list[Override]:
        """The overrides not cleared, oldest first; with ``now``, only those still running then."""
        found = self._database.read(
            Override,
            _OVERRIDE,
            "SELECT * FROM overrides WHERE environment = ? AND cleared_at IS NULL ORDER BY id",
            (self._database.environment,),
        )
        return [each for each in found if now is None or now < each.until]

    def set_override(
        self,
        target: Address,
        partition: int | None,
        state: str,
        *,
        until: datetime,
        reason: str,
        made_by: str,
        now: datetime,
    ) -> Override:
        """Put ``target`` into ``state`` until ``until``; replaces the one in force for it."""
        if until <= now:
            raise LedgerError(
                f"the override of {target} would end before it starts",
                hint="Give a time that is still to come.",
                address=target,
            )
        with self._database.transaction():
            self.clear_override(target, partition, now)
            self._wake(target, now)
            number = self._database.insert(
                "INSERT INTO overrides (environment, target, partition, state, until, reason, made_by,"
                " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._database.environment,
                    str(target),
                    partition,
                    state,
                    stamp(until),
                    reason,
                    made_by,
                    stamp(now),
                ),
            )
        return Override(number, target, partition, state, until, reason, made_by, now)

    def readdress_targets(self, moves: Mapping[Address, Address]) -> None:
        """Let overrides, and the enforcer's notes, go along with targets that have a new name.

        ``moves``: new address by old one, all at once, so that names may be passed on.
        """
        environment = self._database.environment
        with self._database.transaction():
            for before, now in moves.items():
                for table in ("overrides", "watched"):
                    self._database.change(
                        f"UPDATE {table} SET target = ? WHERE environment = ? AND target = ?",  # noqa: S608 - ours
                        (f"~{now}", environment, str(before)),
                    )
            for now in moves.values():
                self._database.change(
                    "DELETE FROM watched WHERE environment = ? AND target = ?", (environment, str(now))
                )
                for table in ("overrides", "watched"):
                    self._database.change(
                        f"UPDATE {table} SET target = ? WHERE environment = ? AND target = ?",  # noqa: S608 - ours
                        (str(now), environment, f"~{now}"),
                    )

    def clear_override(self, target: Address, partition: int | None, now: datetime) -> bool:
        """End the override in force for exactly this target and partition; False if there was none."""
        cleared = self._database.change(
            "UPDATE overrides SET cleared_at = ? WHERE environment = ? AND target = ?"
            " AND (partition = ? OR (partition IS NULL AND ? IS NULL)) AND cleared_at IS NULL",
            (stamp(now), self._database.environment, str(target), partition, partition),
        )
        if cleared:
            self._wake(target, now)
        return cleared > 0

    def _wake(self, target: Address, now: datetime) -> None:
        """Let a fleet look at the lane of ``target`` now, again if it is at it."""
        self._database.change(
            "UPDATE lanes SET look_at = ?, priority = 0, woken = 1"
            " WHERE environment = ? AND lane = ? AND look_at IS NOT NULL",
            (stamp(now), self._database.environment, lane_of(target)),
        )
