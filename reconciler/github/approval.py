"""What people agreed to by merging: the plan in the comment of the commit's pull request.

The comment must be ours, last written by us, and made for the last commit of what was merged. What this does
not stand against is another workflow of the same repository that writes comments with the same bot, so
whoever may push workflows here; the required reviewers of the job's environment do.

An apply that did not finish leaves a second comment with the digest of what is left, so that running the job
again finishes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.errors import ApprovalError, PlanChangedError
from reconciler.github.api import GitHub
from reconciler.github.job import Job
from reconciler.github.posts import Comments, Post, marker
from reconciler.model import Plan
from reconciler.planning.digest import changes_digest

_ELSE = (
    "Make a plan in this workflow and pass its `plan-path` to the apply, behind an environment's reviewers."
)

_EDITOR = """query($id: ID!) {
  node(id: $id) { ... on IssueComment { editor { __typename login } } }
}"""


@dataclass(frozen=True, slots=True)
class Approved:
    """The pull request that was merged, and the digests of the plans that stand for it."""

    number: int
    digests: frozenset[str]


def approved(github: GitHub, job: Job) -> Approved:
    """What was agreed to for the commit of this run.

    Raises ApprovalError where no merged pull request of this commit shows a plan of its last commit,
    GitHubError where that cannot be found out.
    """
    number, head = _merged(github, job)
    label, login = job.inputs.label, github.login()
    board = Comments(github, number, login)
    posts = board.ours(marker(label))
    if not posts:
        raise ApprovalError(
            f"pull request #{number} has no plan called {label!r}",
            hint=f"Plan and apply with the same `environment`, `path` and `label`. {_ELSE}",
        )
    post = posts[0]
    if not post.stamp.digest:
        raise ApprovalError(f"the comment {label!r} of pull request #{number} shows no plan", hint=_ELSE)
    if post.stamp.head != head:
        raise ApprovalError(
            f"the plan of pull request #{number} was made for {post.stamp.head[:12] or 'another commit'}, "
            f"and {head[:12]} was merged",
            hint=f"Let the plan finish before merging. {_ELSE}",
        )
    _check_editor(github, post, login, number)
    digests = {post.stamp.digest}
    for left in board.ours(marker(applied_label(label))):
        if left.stamp.head == job.sha and left.stamp.digest:
            _check_editor(github, left, login, number)
            digests.add(left.stamp.digest)
    return Approved(number, frozenset(digests))


def applied_label(label: str) -> str:
    """The name of the comment that tells what became of the plan called ``label``."""
    return f"{label} applied"


def check(approved: Approved, fresh: Plan) -> None:
    """Raise PlanChangedError where ``fresh`` is not what was agreed to."""
    if changes_digest(fresh) not in approved.digests:
        raise PlanChangedError(
            f"the changes to make are not those that pull request #{approved.number} showed",
            hint=f"The account, another merge or the ledger has moved since. {_ELSE}",
        )


def _merged(github: GitHub, job: Job) -> tuple[int, str]:
    """Number and last commit of the pull request that this run's commit merged."""
    found = [
        pull
        for pull in github.pages(f"/commits/{job.sha}/pulls")
        if pull.get("merged_at")
        and pull.get("merge_commit_sha") == job.sha
        and pull["base"]["ref"] == job.ref_name
    ]
    if not found:
        raise ApprovalError(
            f"commit {job.sha[:12]} was not merged into {job.ref_name} from a pull request", hint=_ELSE
        )
    return int(found[0]["number"]), found[0]["head"]["sha"]


def _check_editor(github: GitHub, post: Post, login: str, number: int) -> None:
    """Raise ApprovalError where another than ``login`` wrote what ``post`` says now, or it is gone."""
    node = github.graphql(_EDITOR, id=post.node_id)["node"]
    if node is None:
        raise ApprovalError(f"the plan in pull request #{number} has been deleted", hint=_ELSE)
    editor = node["editor"]
    if editor is None:
        return
    bot = editor["__typename"] == "Bot"  # whose login GraphQL spells without the end that REST gives it
    name = f"{editor['login']}[bot]" if bot else editor["login"]
    if name != login:
        raise ApprovalError(
            f"the plan in pull request #{number} was edited by {name}, so it proves nothing", hint=_ELSE
        )
