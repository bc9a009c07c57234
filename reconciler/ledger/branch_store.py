"""A ledger on a git branch: read from it, and what was remembered pushed to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from reconciler.ledger import lines
from reconciler.ledger.branch import Branch, Edit, Tip, UnreachableError
from reconciler.ledger.branch_ledger import KEY_VARIABLE, BranchLedger
from reconciler.ledger.branch_lock import BranchLock
from reconciler.ledger.claim import read_claim, run_url, wall_clock
from reconciler.ledger.git import Git
from reconciler.ledger.lock import Holder


class BranchStore:
    """The ledger of ``environment`` on the branch ``name`` of the repository around ``directory``.

    ``remote``: by default ``origin``, else the only one. ``lease``: how long a claim holds unrenewed.
    ``env``: environment variables. Raises LedgerError where there is no such repository or remote.
    """

    def __init__(
        self,
        directory: Path,
        environment: str,
        name: str,
        *,
        remote: str | None,
        lease: timedelta,
        env: Mapping[str, str],
    ) -> None:
        git = Git(directory)
        self.branch = Branch(git, name, remote)
        # A project in a folder of its repository has a folder of its own on the branch.
        own = quote(environment, safe=" ").replace(".", "%2E")
        self.folder = f"{git.prefix}/{own}" if git.prefix else own
        self.lease = lease
        self.env = env
        self._environment = environment
        self._lock: BranchLock | None = None
        self._ledger: BranchLedger | None = None
        self._reading_only = False
        self._pushing = threading.RLock()
        # What the branch held of what is remembered here, and what is remembered: the difference is pushed.
        self._base: lines.Lines = {}
        self._ours: lines.Lines = {}

    def exists(self) -> bool:
        return True

    def open(self, warn: Callable[[str], None] | None = None) -> BranchLedger:
        """With ``warn``, what changes outside of a lock is not kept: it is a plan's."""
        if self._lock is not None:
            self._lock.renew()  # pushes what an earlier ledger of this run left
        ledger = BranchLedger(
            self._environment,
            guard=self._check_lock,
            key=self.env.get(KEY_VARIABLE) or None,
            checkpoint=self._checkpoint,
            closing=self._close,
        )
        try:
            self._remember(ledger, self._reached(warn))
        except BaseException:
            ledger.close()
            raise
        self._reading_only = warn is not None
        others = ledger.of_another_key()
        if others and warn is not None:
            warn(
                f"{KEY_VARIABLE} is not the one the ledger was written with: the secrets of {len(others)} "
                "resources count as changed and are sent again once"
            )
        return ledger

    def _reached(self, warn: Callable[[str], None] | None) -> Tip:
        try:
            return self.branch.fetch()
        except UnreachableError as exc:
            if warn is None or self._lock is not None:
                raise
            warn(f"{exc.message}. Planned as if nothing were owned: no delete is shown.")
            return Tip()

    def lock(self, name: str, *, command: str, now: datetime) -> BranchLock:  # noqa: ARG002  # see wall_clock
        return BranchLock(self, self._lock_file(name), name, command)

    def shelf(self) -> None:
        return None

    def holder(self, name: str) -> Holder | None:
        path = self._lock_file(name)
        content = self.branch.files(self.branch.fetch(), self.folder).get(path)
        claim = read_claim(content, f"{path} on {self.branch}")
        return claim.holder if claim and wall_clock() < claim.over_at(self.lease) else None

    def _lock_file(self, name: str) -> str:
        what, colon, _ = name.partition(":")
        return f"{self.folder}/lock{f'-{what}' if colon else ''}.json"

    def hold(self, lock: BranchLock | None) -> None:
        """``lock`` guards everything remembered from now on; None: nothing does."""
        self._lock = lock

    def forgo(self) -> None:
        """Push nothing more: what the branch holds now is another run's."""
        self._base, self._ours, self._reading_only = {}, {}, True

    def fill(self, tip: Tip) -> None:
        """Remember what the branch holds at ``tip``, in place of what the open ledger remembers."""
        if self._ledger is not None:
            self._remember(self._ledger, tip)

    def _remember(self, ledger: BranchLedger, tip: Tip) -> None:
        """``ledger`` is the open one once it is filled: a renewal never pushes one that is not."""
        files = self.branch.files(tip, self.folder)
        by_name = {path.rpartition("/")[2]: content for path, content in files.items()}
        with self._pushing:
            ledger.fill(by_name, self._place, wall_clock())
            self._base = {
                table.file: lines.lines_of(by_name[table.file], self._place(table.file))
                for table in lines.TABLES
                if table.file in by_name
            }
            self._ours = ledger.lines()
            self._ledger = ledger

    def _place(self, file: str) -> str:
        return f"{self.folder}/{file} on {self.branch}"

    def _check_lock(self) -> None:
        if self._lock is not None:
            self._lock.check()

    def _checkpoint(self) -> None:
        if self._lock is not None:
            self._lock.renew()

    def _close(self) -> None:
        """The ledger is closed: outside of a lock its changes are pushed now, inside with the lock's end."""
        with self._pushing:
            if self._ledger is None:
                return
            self._ours = self._ledger.lines()
            if self._lock is None and not self._reading_only and self._ours != self._base:
                self.push("change")
            self._ledger = None

    def push(self, command: str, others: Callable[[Tip], Mapping[str, bytes | None]] | None = None) -> Tip:
        """Push what is remembered, together with the files that ``others`` makes of the tip.

        ``others`` may raise to prevent it. Raises LedgerError.
        """
        with self._pushing:
            if self._ledger is not None:
                self._ours = self._ledger.lines()
            ours = self._ours

            def edit(tip: Tip) -> Edit:
                files = dict(others(tip)) if others is not None else {}
                theirs = self.branch.files(tip, self.folder)
                counts: list[str] = []
                for table in lines.TABLES:
                    path = f"{self.folder}/{table.file}"
                    before = lines.lines_of(theirs.get(path, b""), self._place(table.file))
                    after = lines.merged(
                        table, ours.get(table.file, ()), self._base.get(table.file, ()), before
                    )
                    if after != before:
                        files[path] = lines.text_of(after)
                        gone, new = set(before) - set(after), set(after) - set(before)
                        counts.append(f"{table.name}: {len(after)} (+{len(new)} -{len(gone)})")
                return Edit(files, self._message(command, counts))

            tip = self.branch.update(edit)
            self._base = ours
            return tip

    def _message(self, command: str, counts: list[str]) -> str:
        trace, ended = self._ledger.last_run() if self._ledger is not None else ("", {})
        writes = ", ".join(f"{count} {status}" for status, count in ended.items())
        about = {
            "Environment": self._environment,
            "Writes": writes if trace else "",
            "Trace": trace,
            "Run": run_url(self.env),
        }
        rows = [f"{name}: {value}" for name, value in about.items() if value]
        return "\n".join([f"{self._environment}: {command}", "", *counts, "", *rows, ""])

    @property
    def unpushed(self) -> int:
        """How many lines are remembered here and not on the branch."""
        ours = self._ledger.lines() if self._ledger is not None else self._ours
        return sum(len(set(ours.get(t.file, ())) ^ set(self._base.get(t.file, ()))) for t in lines.TABLES)
