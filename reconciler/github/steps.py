"""The commands of the Action: run the product, tell GitHub, set the outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.errors import ConfigError, GitHubError, ReconcilerError
from reconciler.github import approval, pages, product
from reconciler.github.annotations import annotate_error, annotate_warnings
from reconciler.github.api import GitHub
from reconciler.github.job import Job
from reconciler.github.posts import Comments, Issues, Stamp, put
from reconciler.github.runner import Runner
from reconciler.model import Action, Plan
from reconciler.planning.digest import changes_digest
from reconciler.render import render_plan
from reconciler.render.json import from_json

_CHANGES = 2
"""Exit code of the product: changes are pending and nothing else (DESIGN section 6)."""


@dataclass(slots=True)
class Step:
    """One step under way.

    ``outputs``: what is set at its end, whatever happens. ``merged``: the pull request whose plan is
    applied, once it is known.
    """

    job: Job
    runner: Runner
    github: GitHub | None
    outputs: dict[str, str] = field(default_factory=dict)
    merged: int | None = None

    def run(self) -> int:
        """Do what the inputs ask for and return the step's exit code, 0 or 1."""
        try:
            code = _COMMANDS[self.job.inputs.command](self)
        except ReconcilerError as exc:
            self._failed(exc.to_json()["error"])
            code = 1
        self.outputs["exit-code"] = str(code)
        for name, value in self.outputs.items():
            self.runner.output(name, value)
        return 0 if code in (0, _CHANGES) else 1

    def validate(self) -> int:
        """Check the manifests; every error is told at its place."""
        inputs = self.job.inputs
        ran = self._ran("validate", *product.reading(inputs), str(inputs.path))
        if ran is None:
            return 1
        annotate_warnings(self.runner, ran.document["warnings"])
        self.runner.summary(f"### Valid: {sum(ran.document['resources'].values())} resources\n")
        return 0

    def plan(self) -> int:
        """Make a plan, or take the one of ``plan-path``, and show it on the pull request."""
        made = self._planned()
        if made is None:
            return 1
        self._comment(made)
        return 0 if made.empty else _CHANGES

    def drift(self) -> int:
        """Compare account and manifests; a difference is told in one open issue until it is gone."""
        made = self._planned()
        if made is None:
            return 1
        self._issue(made)
        return 0 if made.empty else _CHANGES

    def apply(self) -> int:
        """Carry out the plan of ``plan-path``, or the one that was agreed to on the merged pull request."""
        made = self._planned()
        if made is None:
            return 1
        if all(change.action is Action.MANUAL for change in made.changes):
            return 0
        if self.job.inputs.plan_path is None:
            self._check_agreed(made)
        ran = product.run(
            self.runner,
            ["apply", "--yes", "--format=json", self.outputs["plan-path"]],
            self.job.workspace,
        )
        self._report(made, ran)
        return ran.code

    def enforce(self) -> int:
        """Arm and disarm what is due."""
        inputs = self.job.inputs
        targets = [f"--target={each}" for each in inputs.targets]
        ran = self._ran("enforce", str(inputs.path), "--once", *targets, *product.reading(inputs))
        if ran is None:
            return 1
        self.runner.tell(pages.standings(ran.document))
        self.runner.summary(pages.enforced(ran.document))
        if ran.code:
            self.outputs["failure-reason"] = "not-enforced"
            self.runner.annotate(
                "error", "reconciler: not_enforced", "A target is not in its state; the summary names it."
            )
        return ran.code

    def _ran(self, *arguments: str) -> product.Ran | None:
        """A command that went well; None for one that failed, which has been told then."""
        ran = product.run(self.runner, arguments, self.job.workspace)
        if ran.error:
            self._failed(ran.error)
            return None
        return ran

    def _planned(self) -> Plan | None:
        """The plan of this step, shown and saved; None where there is none, which has been told then."""
        inputs = self.job.inputs
        if inputs.plan_path is None:
            options = [*product.reading(inputs), *product.selection(inputs)]
            ran = self._ran("plan", *options, str(inputs.path))
            if ran is None:
                return None
            made = from_json(ran.text)
        else:
            made = product.read_plan(inputs.plan_path)
            if inputs.targets or inputs.excludes or inputs.environment not in ("", made.environment):
                raise ConfigError(
                    f"the plan of `plan-path`, for {made.environment!r}, says itself what it is about",
                    hint="Leave out `target`, `exclude` and another `environment` beside `plan-path`.",
                )
        path = self.job.temp / "reconciler" / inputs.label.replace("/", "-") / "plan.json"
        product.save_plan(made, inputs.path, path)
        self.outputs["plan-path"] = self.outputs["json-plan-path"] = str(path)
        self._show(made)
        return made

    def _show(self, made: Plan) -> None:
        """``made`` in the log, the summary, the annotations and the outputs."""
        self.runner.tell(render_plan(made, "text"))
        self.runner.summary(pages.summary(made, self.runner.room()))
        annotate_warnings(self.runner, made.warnings)
        self.outputs["changes"] = "false" if made.empty else "true"
        for action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE, Action.ADOPT):
            self.outputs[f"to-{action}"] = str(made.count(action))
        self.outputs["manual"] = str(made.count(Action.MANUAL))

    def _check_agreed(self, made: Plan) -> None:
        """Raise ApprovalError unless merging agreed to ``made``."""
        if self.github is None:
            raise GitHubError("without a token nobody can tell what was agreed to", hint="Set `token`.")
        agreed = approval.approved(self.github, self.job)
        self.merged = agreed.number
        approval.check(agreed, made)

    def _report(self, made: Plan, ran: product.Ran) -> None:
        """What the apply of ``made`` did, in the summary and on the pull request it came from.

        The comment remembers what is left of the plan, so that the job can be run again.
        """
        page, left = "", ""
        if "outcomes" in ran.document:
            page = pages.applied(ran.document)
            self.runner.tell(pages.report(ran.document))
            done = {each["address"] for each in ran.document["outcomes"] if each["status"] == "done"}
            rest = tuple(change for change in made.changes if str(change.address) not in done)
            left = changes_digest(replace(made, changes=rest)) if ran.error and rest else ""
            self.runner.summary(page)
        if ran.error:
            self._failed(ran.error, before=page, left=left)
        else:
            self._post_applied(page, left)

    def _failed(self, error: Any, *, before: str = "", left: str = "") -> None:
        """Tell ``error`` everywhere a person may look, below the page that stands ``before`` it."""
        job = self.job
        self.outputs["failure-reason"] = error["code"].replace("_", "-")
        self.runner.tell(pages.findings(error))
        annotate_error(self.runner, error, job)
        page = pages.failure(job.inputs.command, error, job)
        self.runner.summary(page)
        if job.inputs.command == "plan":
            self._post(self._number, job.inputs.label, Stamp(self._head(), job.run), page)
        self._post_applied("\n".join(filter(None, (before, page))), left)

    def _post_applied(self, page: str, left: str) -> None:
        """Tell what became of the merged plan, where there is one."""
        if self.merged is not None:
            number, job = self.merged, self.job
            label = approval.applied_label(job.inputs.label)
            self._post(lambda _: number, label, Stamp(job.sha, job.run, left), page)

    def _comment(self, made: Plan) -> None:
        """Show ``made`` on the pull request.

        Merging agrees to a plan only where it was made here, of the pull request's own manifests: not to one
        of ``plan-path``, nor one made by a workflow that has the base branch checked out.
        """
        inputs = self.job.inputs
        own = inputs.plan_path is None and self.job.event == "pull_request"
        stamp = Stamp(self._head(), self.job.run, changes_digest(made) if own else "")
        create = inputs.comment == "true" or not made.empty
        page = pages.comment(made, self.job, stamp)
        self._post(self._number, inputs.label, stamp, page, create=create)

    def _head(self) -> str:
        pull, followed = self.job.pull_request, self.job.followed
        return pull.head_sha if pull else followed.head_sha if followed else ""

    def _post(
        self,
        where: Callable[[GitHub], int | None],
        label: str,
        stamp: Stamp,
        page: str,
        *,
        create: bool = True,
    ) -> None:
        """Put ``page`` on the pull request ``where``, if the token may write to it."""
        github = self.github
        if github is None or self.job.inputs.comment == "never":
            return
        try:
            number = where(github)
            if number is None:
                return
            post = put(Comments(github, number, github.login()), label, stamp, page, create=create)
        except GitHubError as exc:
            self._untold("the comment", exc)
            return
        if post is not None:
            self.outputs["comment-id"] = str(post)

    def _number(self, github: GitHub) -> int | None:
        """The pull request of this run: of its event, or of the run in a fork that it follows."""
        if self.job.pull_request:
            return self.job.pull_request.number
        followed = self.job.followed
        if followed is None:
            return None
        head = f"{followed.head_owner}:{followed.head_branch}"
        for pull in github.pages("/pulls", state="open", head=head):
            if pull["head"]["sha"] == followed.head_sha:
                return int(pull["number"])
        return None

    def _issue(self, made: Plan) -> None:
        """One open issue of this label as long as there is drift."""
        job, github = self.job, self.github
        if github is None or job.inputs.comment == "never":
            return
        stamp = Stamp("", job.run)
        try:
            board = Issues(github, f"Drift: {job.inputs.label}", github.login())
            page = pages.comment(made, job, stamp)
            number = put(board, job.inputs.label, stamp, page, create=not made.empty)
            if number is not None and made.empty:
                board.close(number)
        except GitHubError as exc:
            self._untold("the issue", exc)

    def _untold(self, what: str, error: GitHubError) -> None:
        """A place that could not be written to: the summary says it all, so the step goes on."""
        told = f"{what} could not be written, see the summary: {error.message} {error.hint}".strip()
        expected = error.status in (401, 403, 404)  # the token of a fork, a locked conversation
        self.runner.annotate("notice" if expected else "warning", "reconciler", told)


_COMMANDS = {
    "validate": Step.validate,
    "plan": Step.plan,
    "apply": Step.apply,
    "drift": Step.drift,
    "enforce": Step.enforce,
}
