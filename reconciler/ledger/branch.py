"""One branch of the remote as a set of files, moved only forward and only from what was read.

A change is built on the tip that was fetched and pushed without force; a push that comes second is
refused by the remote, and the change is built again on the new tip.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import LedgerError
from reconciler.ledger.git import REMOTE_SECONDS, Git, GitError

MARK = ".reconciler-ledger"
FORMAT = b"1\n"
README = b"""# Ledger of reconciler

Written by `reconciler` (`ledger: git+branch://...` in reconciler.yaml): what it owns in each environment,
which writes have no known outcome, who holds the right to change the account, and what its runs did.
The history of this branch is the record of all runs.

Read it freely. Do not edit or merge it. Squashing its history is safe; so is deleting the branch while
nothing runs: the next plan then finds the resources by their external ids and offers to adopt them.
"""

ATTEMPTS = 20
_REFUSED = re.compile(
    r"denied|forbidden|\b40[13]\b|authentication|could not read (username|password)|protected|declined"
    r"|not allowed|read-only|insufficient permission|unpacker error|repository not found"
    r"|does not appear to be a git repository",
    re.IGNORECASE,
)

WAY_OUT = (
    "Let the run push this branch: in GitHub Actions `permissions: {contents: write}` and a checkout that "
    "keeps its credentials, no branch protection on it."
)


class UnreachableError(LedgerError):
    """The remote did not answer, or lets this run read nothing."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The branch as it was fetched: ``commit`` and ``tree``, None while there is no such branch."""

    commit: str | None = None
    tree: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change on the branch: files by path (None removes), and the commit's message."""

    files: Mapping[str, bytes | None]
    message: str


class Branch:
    """The branch ``name`` of ``remote`` (by default ``origin``, else the only one)."""

    def __init__(self, git: Git, name: str, remote: str | None) -> None:
        self._git = git
        self._remote = git.remote(remote)
        self._ref = f"refs/heads/{name}"
        self.name = name
        self._checked: set[str] = set()
        self._read: tuple[str, str, Mapping[str, bytes]] = ("", "", {})

    def __str__(self) -> str:
        return f"branch {self.name} of {self._remote}"

    def fetch(self) -> Tip:
        """The tip as the remote has it now.

        Raises LedgerError where the remote cannot be reached, or the branch is not a ledger.
        """
        last = ""
        for attempt in range(5):
            _pause(attempt)
            try:
                tip = self._fetched()
            except GitError as exc:
                last = exc.text
                if _REFUSED.search(last):
                    break
                continue
            if tip is not None:
                self._check(tip)
                return tip
        raise UnreachableError(
            f"the ledger on {self} cannot be read: {last or 'it moves faster than it can be fetched'}",
            hint="Check the network and that this run may read the repository (`contents: read`).",
        )

    def _fetched(self) -> Tip | None:
        """None where it moved on while it was fetched."""
        listed = self._git.run("ls-remote", self._remote, self._ref, seconds=REMOTE_SECONDS)
        commit = next((row.split()[0] for row in listed.splitlines() if row.endswith(f"\t{self._ref}")), None)
        if commit is None:
            return Tip()
        tree = self._tree(commit)
        if tree is None:
            # A clone that is whole stays whole; a shallow one needs the tip only.
            depth = ("--depth=1",) if self._git.shallow else ()
            self._git.run(
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-prune",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--refmap=",
                *depth,
                self._remote,
                self._ref,
                seconds=REMOTE_SECONDS,
            )
            tree = self._tree(commit)
        return None if tree is None else Tip(commit, tree)

    def _tree(self, commit: str) -> str | None:
        answer = self._git.run("cat-file", "--batch-check", given=f"{commit}^{{tree}}\n".encode())
        return None if answer.endswith("missing") else answer.split()[0]

    def _check(self, tip: Tip) -> None:
        if tip.tree is None or tip.tree in self._checked:
            return
        [mark] = self._git.blobs([f"{tip.tree}:{MARK}"])
        if mark is None:
            raise LedgerError(
                f"the {self} is not a ledger: it has no {MARK}",
                hint="Name a branch of its own under `ledger:`; it is made by the first run.",
            )
        if mark != FORMAT:
            raise LedgerError(
                f"the ledger on {self} has format {mark.decode(errors='replace').strip()!r}; this version of "
                f"reconciler knows {FORMAT.decode().strip()}",
                hint="Upgrade chekt-reconciler to the version that wrote the ledger, or a later one.",
            )
        self._checked = {tip.tree}

    def files(self, tip: Tip, folder: str) -> dict[str, bytes]:
        """The files directly in ``folder``, by path."""
        if tip.tree is None:
            return {}
        if self._read[:2] != (tip.tree, folder):
            rows = self._git.run("ls-tree", "-z", tip.tree, "--", f"{folder}/").split("\0")
            split = (row.partition("\t") for row in rows if row)
            names = {path: about.split()[2] for about, _, path in split if about.split()[1] == "blob"}
            contents = self._git.blobs(list(names.values()))
            found = {path: text for path, text in zip(names, contents, strict=True) if text is not None}
            self._read = (tip.tree, folder, found)
        return dict(self._read[2])

    def update(self, edit: Callable[[Tip], Edit]) -> Tip:
        """Push what ``edit`` makes of the tip, as often as another push comes first; the new tip.

        ``edit`` is called for every tip and may raise; no change makes no commit. Raises LedgerError,
        with the way out, where the remote refuses.
        """
        made = Tip()
        for attempt in range(ATTEMPTS):
            tip = self.fetch()
            if made.commit is not None and tip == made:
                return tip  # the push went through although its answer was lost
            change = edit(tip)
            tree = self._written(tip, change.files)
            if tree is None or tree == tip.tree:
                return tip
            parents = () if tip.commit is None else ("-p", tip.commit)
            commit = self._git.run(
                "commit-tree", "--no-gpg-sign", tree, *parents, given=change.message.encode()
            )
            made = Tip(commit, tree)
            try:
                self._push(commit)
            except GitError as exc:
                self._judge(exc, tip, last=attempt == ATTEMPTS - 1)
                _pause(attempt + 1)
            else:
                return made
        raise AssertionError("the last attempt returns or raises")

    def _push(self, commit: str) -> None:
        self._git.run(
            "push",
            "--quiet",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            self._remote,
            f"{commit}:{self._ref}",
            seconds=REMOTE_SECONDS,
        )

    def _judge(self, error: GitError, tip: Tip, *, last: bool) -> None:
        """Raises where another attempt makes no sense: refused, and not because someone was faster."""
        if not last and (not _REFUSED.search(error.text) or self.fetch() != tip):
            return
        raise LedgerError(f"the ledger on {self} cannot be written: {error.text}", hint=WAY_OUT) from error

    def _written(self, tip: Tip, files: Mapping[str, bytes | None]) -> str | None:
        """The tree of ``tip`` with ``files``, made in an index of its own; None while there is nothing."""
        if not files or (tip.tree is None and not any(files.values())):
            return tip.tree
        if tip.tree is None:
            files = {**files, MARK: FORMAT, "README.md": README}
        with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
            rows = self._rows(tip, files, Path(folder))
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git.run("read-tree", *([tip.tree] if tip.tree else ["--empty"]), variables=index)
            self._git.run("update-index", "-z", "--index-info", given=rows, variables=index)
            return self._git.run("write-tree", variables=index)

    def _rows(self, tip: Tip, files: Mapping[str, bytes | None], folder: Path) -> bytes:
        """What tells an index of ``files``; their contents are objects then."""
        contents = {path: content for path, content in files.items() if content is not None}
        drafts = [folder / str(number) for number in range(len(contents))]
        for draft, content in zip(drafts, contents.values(), strict=True):
            draft.write_bytes(content)
        paths = "".join(f"{draft}\n" for draft in drafts).encode()
        blobs = self._git.run("hash-object", "-w", "--no-filters", "--stdin-paths", given=paths).split()
        rows = [f"100644 {blob}\t{path}" for path, blob in zip(contents, blobs, strict=True)]
        none = "0" * len(tip.tree or blobs[0])
        gone = [f"0 {none}\t{path}" for path in files if path not in contents]
        return "".join(f"{row}\0" for row in [*rows, *gone]).encode()


def _pause(attempt: int) -> None:
    """Nothing before the first attempt, then longer and longer with jitter, 4 s at most."""
    if attempt:
        time.sleep(random.uniform(0.5, 1.0) * min(4.0, 0.1 * 2**attempt))  # noqa: S311  # no secret
