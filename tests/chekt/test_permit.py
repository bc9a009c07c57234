"""A run that may send nothing any more sends nothing: it is asked at the last moment before the socket."""

from __future__ import annotations

import itertools

import pytest

from reconciler import chekt
from reconciler.chekt import arming
from reconciler.errors import LeaseLostError
from reconciler.kinds.surfaces import surfaces
from reconciler.redaction import Redactor
from reconciler.sandbox import DEALER_ID, Sandbox, dealer_key, serve

MOMENTS = 3
"""Before a connection is sought, before the head of the request is written, and before its body is."""


class Withdrawn:
    """A permit that is withdrawn at its ``last`` asking."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.asked = itertools.count(1)

    def __call__(self) -> None:
        if next(self.asked) >= self._last:
            raise LeaseLostError("another worker has the lane")


@pytest.mark.parametrize("moment", range(1, MOMENTS + 2))
def test_a_command_leaves_only_with_a_permit_that_lasts_up_to_its_body(moment: int) -> None:
    sandbox = Sandbox(":memory:")
    sandbox.set_up(DEALER_ID, {"sites": [{"external_id": "hq", "name": "HQ"}]})
    permit = Withdrawn(moment)
    try:
        with serve(sandbox) as server:
            connection = chekt.Connection(
                server.url, "dealer", chekt.DealerKeys(dealer_key(DEALER_ID)), permit=permit
            )
            command = arming.Command("arm", "reconciler:nights@1", "key")
            with chekt.connect(connection, surfaces("dealer", sandbox=True), redactor=Redactor()) as client:
                if moment <= MOMENTS:
                    with pytest.raises(LeaseLostError):
                        arming.send(client, str(DEALER_ID), "1", command)
                else:
                    arming.send(client, str(DEALER_ID), "1", command)
        assert next(permit.asked) == moment + (moment <= MOMENTS)
        assert len(sandbox.requests()) == (moment > MOMENTS)
    finally:
        sandbox.close()
