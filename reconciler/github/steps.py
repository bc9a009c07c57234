"""The commands of the Action: run the product, tell GitHub, set the outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import GitHubError, ReconcilerError
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
    """One step under way. ``outputs``: what is set at its end, whatever happens."""

    job: Job
    runner: Runner
    github: GitHub | None
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """Do what the inputs ask for and return the step's exit code, 0 or 1."""
        command = self.job.inputs.command
        try:
            code = _COMMANDS[command](self)
        except ReconcilerError as exc:
            self._failed(exc.to_json()["error"])
            code = 1
        self.outputs.setdefault("exit-code", str(code))
        for name, value in self.outputs.items():
            self.runner.output(name, value)
        return 0 if code in (0, _CHANGES) else 1

    def validate(self) -> int:
        """Check the manifests; every error is told at its place."""
        job = self.job
        ran = product.run(
            self.runner, ["validate", *product.reading(job.inputs), str(job.inputs.path)], job.workspace
        )
        if ran.error:
            self._failed(ran.error)
            return 1
        annotate_warnings(self.runner, ran.document["warnings"])
        count = sum(ran.document["resources"].values())
        self.runner.summary(f"### Valid: {count} resources\n")
        return 0

    def plan(self) -> int:
        """Make a plan, or take the one of ``plan-path``, and show it on the pull request."""
        saved = self.job.inputs.plan_path
        made = self._made() if saved is None else product.read_plan(saved)
        if made is None:
            return 1
        self._show(made)
        self._comment(made, agreeable=saved is None)
        return 0 if made.empty else _CHANGES

    def drift(self) -> int:
        """Compare account and manifests; a difference is told in one open issue until it is gone."""
        made = self._made()
        if made is None:
            return 1
        self._show(made)
        self._issue(made)
        return 0 if made.empty else _CHANGES

    def apply(self) -> int:
        """Carry out the plan of ``plan-path``, or the one that was agreed to on the merged pull request."""
        job = self.job
        saved = job.inputs.plan_path
        made = self._made() if saved is None else product.read_plan(saved)
        if made is None:
            return 1
        self._show(made)
        if not any(change.action is not Action.MANUAL for change in made.changes):
            return 0
        if saved is None:
            if self.github is None:
                raise GitHubError("without a token nobody can tell what was agreed to", hint="Set `token`.")
            approval.check(approval.approved(self.github, job), made)
        path = self._keep(made)
        ran = product.run(self.runner, ["apply", "--yes", "--format=json", str(path)], job.workspace)
        self.runner.summary(pages.applied(made, ran.document))
        if ran.error:
            self._failed(ran.error)
        return ran.code

    def enforce(self) -> int:
        """Arm and disarm what is due."""
        job = self.job
        targets = [f"--target={each}" for each in job.inputs.targets]
        arguments = ["enforce", str(job.inputs.path), "--once", *targets, *product.reading(job.inputs)]
        ran = product.run(self.runner, arguments, job.workspace)
        if ran.error:
            self._failed(ran.error)
            return 1
        self.runner.summary(pages.enforced(ran.document))
        if ran.code:
            self.outputs["failure-reason"] = "not-enforced"
            self.runner.annotate(
                "error", "reconciler: not enforced", "A target is not in its state; the summary names it."
            )
        return ran.code

    def _made(self) -> Plan | None:
        """A fresh plan, saved for a later step; None where there is none, which has been told then."""
        inputs = self.job.inputs
        arguments = [*product.reading(inputs), *product.selection(inputs), str(inputs.path)]
        ran = product.run(self.runner, ["plan", *arguments], self.job.workspace)
        if ran.error:
            self._failed(ran.error)
            return None
        made = from_json(ran.text)
        self._keep(made)
        return made

    def _keep(self, made: Plan) -> Path:
        """Save ``made`` where the outputs say it is."""
        path = self.job.temp / "reconciler" / self.job.inputs.label.replace("/", "-") / "plan.json"
        product.save_plan(made, self.job.inputs.path, path)
        self.outputs["plan-path"] = self.outputs["json-plan-path"] = str(path)
        return path

    def _show(self, made: Plan) -> None:
        """``made`` in the log, the summary, the annotations and the outputs."""
        self.runner.tell(render_plan(made, "text"))
        self.runner.summary(pages.summary(made, self.runner.room()))
        annotate_warnings(self.runner, made.warnings)
        self.outputs["changes"] = "false" if made.empty else "true"
        for action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE, Action.ADOPT):
            self.outputs[f"to-{action}"] = str(made.count(action))
        self.outputs["manual"] = str(made.count(Action.MANUAL))

    def _failed(self, error: Any) -> None:
        """Tell ``error`` everywhere a person may look."""
        job = self.job
        self.outputs["failure-reason"] = error["code"].replace("_", "-")
        annotate_error(self.runner, error, job)
        page = pages.failure(job.inputs.command, error, job)
        self.runner.summary(page)
        if job.inputs.command == "plan" and job.inputs.comment != "never":
            self._post(Stamp(self._head(), job.run), page, create=True)

    def _comment(self, made: Plan, *, agreeable: bool) -> None:
        """Show ``made`` on the pull request. ``agreeable``: merging stands for agreeing to it."""
        mode = self.job.inputs.comment
        if mode == "never":
            return
        digest = changes_digest(made) if agreeable else ""
        stamp = Stamp(self._head(), self.job.run, digest)
        create = mode == "true" or not made.empty
        self._post(stamp, pages.comment(made, self.job, stamp), create=create)

    def _head(self) -> str:
        pull, followed = self.job.pull_request, self.job.followed
        return pull.head_sha if pull else followed.head_sha if followed else ""

    def _post(self, stamp: Stamp, page: str, *, create: bool) -> None:
        """Put ``page`` on the pull request, where there is one and the token may write to it."""
        github = self.github
        if github is None:
            return
        try:
            number = self._number(github)
            if number is None:
                return
            board = Comments(github, number, github.login())
            post = put(board, self.job.inputs.label, stamp, page, create=create)
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
        level = "notice" if error.status in (401, 403, 404) else "warning"
        told = f"{what} could not be written, see the summary: {error.message} {error.hint}".strip()
        self.runner.annotate("notice" if level == "notice" else "warning", "reconciler", told)


_COMMANDS = {
    "validate": Step.validate,
    "plan": Step.plan,
    "apply": Step.apply,
    "drift": Step.drift,
    "enforce": Step.enforce,
}
