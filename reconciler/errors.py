"""Every error the reconciler raises on purpose.

ReconcilerError
├── ManifestError             invalid_manifest  what the user wrote is wrong (all problems at once)
│   └── ConfigError           invalid_config    reconciler.yaml, an option, an environment variable
├── SecretError               secret            a secret reference cannot be resolved
├── PlanError                 plan              the plan cannot be made
│   ├── UnsafePlanError       unsafe_plan       the safety policy forbids it
│   ├── StalePlanError        stale_plan        a saved plan no longer fits
│   ├── UnsupportedError      unsupported       the surface or the accepted grade forbids a change
│   └── ApprovalError         not_approved      nobody agreed to this plan on a pull request
│       └── PlanChangedError  plan_changed      the plan is not the one that was agreed to any more
├── ApplyError                apply
│   ├── PartialApplyError     partial_apply     some changes were made, some were not
│   ├── NotConvergedError     not_converged     all succeeded, yet something is left to change
│   └── InterruptedApplyError interrupted       stopped by the user between two writes
├── AlreadyAnsweredError      already_answered  a verification has been answered, or may have been
├── ReportError               report            an arming state cannot be reported
├── LedgerError               ledger            the ledger cannot be read or written
│   ├── LockedError           locked            another run holds this environment
│   └── LeaseLostError        lease_lost        another worker may run this lane
└── RemoteError               api               the API, or the way to it, failed
    ├── AuthError             auth              credentials missing, refused or not permitted
    ├── ApiError              api               an error response, with status, endpoint, trace id
    ├── AmbiguousError        ambiguous         a write may or may not have taken effect
    └── GitHubError           github            GitHub's API refused or did not answer

An error says what happened, where (``source`` or ``address``) and what to do (``hint``). Foreign
exceptions are translated where they enter, with ``raise ... from exc``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:  # building the model takes longer than printing an error
    from reconciler.model import Address, JsonObject, Plan, Source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a sentence, the place it stands, and the way out."""

    message: str
    source: Source | None = None
    hint: str = ""
    address: Address | None = None

    def to_json(self) -> JsonObject:
        """The entry of ``error.errors`` in JSON output (DESIGN section 6)."""
        return {
            "message": self.message,
            "source": self.source.to_json() if self.source else None,
            "hint": self.hint,
        }


class ReconcilerError(Exception):
    """What happened, where, and what to do about it.

    ``problems`` holds the single findings where one run can have many; it is empty otherwise.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        source: Source | None = None,
        address: Address | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.source = source
        self.address = address
        self.problems = tuple(problems)

    def to_json(self) -> JsonObject:
        """``{"error": {...}}`` as fixed by DESIGN section 6."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "address": str(self.address) if self.address else None,
                "source": self.source.to_json() if self.source else None,
                "hint": self.hint,
                "errors": [problem.to_json() for problem in self.problems],
            }
        }


class ManifestError(ReconcilerError):
    """Something in a manifest is wrong; ``problems`` lists every finding of the run."""

    code = "invalid_manifest"

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """One error for all ``problems`` (at least one), placed at the first of them."""
        first, count = problems[0], len(problems)
        message = first.message if count == 1 else f"{count} errors, the first: {first.message}"
        return cls(message, hint=first.hint, source=first.source, address=first.address, problems=problems)


class ConfigError(ManifestError):
    """reconciler.yaml, an option or an environment variable is wrong."""

    code = "invalid_config"


class SecretError(ReconcilerError):
    """A ``{env|file|keyring: ...}`` reference cannot be resolved. Never carries the value."""

    code = "secret"


class PlanError(ReconcilerError):
    """The plan cannot be made."""

    code = "plan"

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """One error for all ``problems`` (at least one), placed at the first of them."""
        first, count = problems[0], len(problems)
        message = first.message if count == 1 else f"{count} reasons, the first: {first.message}"
        return cls(message, hint=first.hint, source=first.source, address=first.address, problems=problems)


class UnsafePlanError(PlanError):
    """The safety policy forbids the plan; nothing was changed. ``refused`` is that plan, to be shown."""

    code = "unsafe_plan"
    refused: Plan | None = None


class StalePlanError(PlanError):
    """A saved plan does not fit the account, the manifests or the clock any more."""

    code = "stale_plan"


class UnsupportedError(PlanError):
    """The surface or the accepted grade does not allow a change that the manifests ask for."""

    code = "unsupported"


class ApprovalError(PlanError):
    """There is no plan that people agreed to by merging a pull request."""

    code = "not_approved"


class PlanChangedError(ApprovalError):
    """The changes to make are not those that the merged pull request showed."""

    code = "plan_changed"


class ApplyError(ReconcilerError):
    """An apply did not end as it should."""

    code = "apply"


class PartialApplyError(ApplyError):
    """Some changes were made, some failed, were skipped or are of unknown outcome."""

    code = "partial_apply"


class NotConvergedError(ApplyError):
    """Every call succeeded and yet the account differs from the manifests."""

    code = "not_converged"


class InterruptedApplyError(ApplyError):
    """The user stopped the run; writes in flight were finished, none was begun after."""

    code = "interrupted"


class AlreadyAnsweredError(ReconcilerError):
    """An alarm verification has an answer, or may have one; none is sent twice."""

    code = "already_answered"


class ReportError(ReconcilerError):
    """An arming state was not reported: it cannot follow on what was reported before, or was refused."""

    code = "report"


class LedgerError(ReconcilerError):
    """The ledger cannot be opened, read or written."""

    code = "ledger"


class LockedError(LedgerError):
    """Another living run holds the environment's lock: ``command``, ``since`` (UTC), where they are known.

    ``holder``: all that is known of it, for JSON: ``user``, ``host``, ``pid``, ``command``, ``since``.
    """

    code = "locked"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        command: str = "",
        since: datetime | None = None,
        holder: JsonObject | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.command = command
        self.since = since
        self.holder = holder

    def to_json(self) -> JsonObject:
        """As every error, and ``error.holder`` beside it."""
        error = super().to_json()["error"]
        assert isinstance(error, dict)
        return {"error": {**error, "holder": self.holder}}


class LeaseLostError(LedgerError):
    """Another worker runs a lane, or may: nothing of it may be sent or remembered here any more."""

    code = "lease_lost"


class RemoteError(ReconcilerError):
    """The API, or the way to it, failed."""

    code = "api"


class AuthError(RemoteError):
    """Credentials are missing, refused, expired or lack a permission."""

    code = "auth"


class ApiError(RemoteError):
    """An error response.

    ``status``: HTTP status. ``endpoint``: ``METHOD /path``. ``server_code`` and ``field``: what the
    body named, or None. ``trace_id``: what CHeKT's support needs to find the request.
    """

    code = "api"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        endpoint: str,
        server_code: str | None = None,
        field: str | None = None,
        trace_id: str | None = None,
        hint: str = "",
        address: Address | None = None,
    ) -> None:
        super().__init__(message, hint=hint, address=address)
        self.status = status
        self.endpoint = endpoint
        self.server_code = server_code
        self.field = field
        self.trace_id = trace_id


class AmbiguousError(RemoteError):
    """A write was sent and no usable answer came back: it may or may not have taken effect.

    ``status``: of the answer that told nothing, None where no answer came.
    """

    code = "ambiguous"

    def __init__(
        self, message: str, *, hint: str = "", address: Address | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, hint=hint, address=address)
        self.status = status


class GitHubError(RemoteError):
    """GitHub's API refused a request or did not answer; ``status`` is None where no answer came."""

    code = "github"

    def __init__(self, message: str, *, status: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
