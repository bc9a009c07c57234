"""The endpoints of what is told to CHeKT, where the environment accepts them."""

from __future__ import annotations

from reconciler.account import Account
from reconciler.kinds.kind import Endpoint
from reconciler.kinds.operations import OperationName, check_accepted


def accepted(account: Account, operation: OperationName) -> Endpoint:
    """The endpoint of ``operation``, as the project corrects it.

    Raises UnsupportedError where less is known of it than a real host's environment accepts; the sandbox is
    ours, so there every grade is good enough.
    """
    endpoint = account.surfaces.operations[operation]
    environment = account.project.environment
    if not environment.is_sandbox:
        check_accepted(endpoint, environment.accept, environment.name)
    return endpoint
