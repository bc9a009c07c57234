"""What proves that an object is ours, and the names under which the ledger keeps it."""

from __future__ import annotations

import pytest

from reconciler.model import Address
from reconciler.planning.ownership import outgoing


@pytest.mark.parametrize(
    ("path", "remote_id", "kept"),
    [
        (("acme", "central"), "17", ("acme", "central#17")),
        (("central",), "17", ("central#17",)),
        (("acme", "hq", "door"), "a/b 7", ("acme", "hq", "door#a%2Fb+7")),
    ],
)
def test_what_gave_up_its_place_is_kept_beside_it_under_a_name_that_no_manifest_can_have(
    path: tuple[str, ...], remote_id: str, kept: tuple[str, ...]
) -> None:
    assert outgoing(Address("device", path), remote_id) == Address("device", kept)
