"""What no manifest may hold is left out of an import, which says so; what does not print is escaped."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import Cli, Served


def test_a_control_character_is_left_out_and_a_direction_mark_is_escaped(
    cli: Cli, served: Served, tmp_path: Path
) -> None:
    served.sandbox.seed_dealer(12345, "adc")
    sites = [
        {"external_id": "bell", "name": "a\x07b", "timezone": "UTC"},
        {"external_id": "hq", "name": "HQ", "timezone": "UTC", "address1": "1\x1b Main St"},
        {"external_id": "turned", "name": "\u202eHQ", "timezone": "UTC"},
    ]
    served.sandbox.set_up(12345, {"sites": sites})
    place = tmp_path / "account"
    made = cli("import", "--into", place, "--dealer", "acme=12345")
    said = made.out + made.err
    assert "control character U+0007 has no place in a manifest" in said, said
    assert "site:acme/hq: address1: the control character U+001B" in said
    assert cli("plan", place, "--detailed-exitcode").code == 0
