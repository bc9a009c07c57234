"""What ``ledger:`` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests import load
from reconciler.manifests.ledger_setting import LedgerDatabase, database_place, ledger_place, passwords_in
from reconciler.model import SecretRef


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("postgresql:///reconciler", LedgerDatabase("postgresql:///reconciler", "reconciler")),
        ("postgresql://?service=acme", LedgerDatabase("postgresql://?service=acme", "reconciler")),
        ("postgres://db.example.com/r", LedgerDatabase("postgresql://db.example.com/r", "reconciler")),
        (
            "postgresql://keeper@db.example.com:5433/r?sslmode=require&schema=acme",
            LedgerDatabase("postgresql://keeper@db.example.com:5433/r?sslmode=require", "acme"),
        ),
        (
            "postgresql:///r?host=/run/postgresql&schema=a_1&user=x%20y",
            LedgerDatabase("postgresql:///r?host=/run/postgresql&user=x%20y", "a_1"),
        ),
    ],
)
def test_a_database_is_a_place_for_a_ledger(text: str, place: LedgerDatabase) -> None:
    assert ledger_place(text) == place


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("postgresql:///r?schema=", "no name of a schema"),
        ("postgresql:///r?schema=Acme", "no name of a schema"),
        ("postgresql:///r?schema=pg_x", "no name of a schema"),
        ('postgresql:///r?schema=a";drop', "no name of a schema"),
        ("mysql:///r", "mysql:// is no place for a ledger"),
    ],
)
def test_what_names_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ledger_place(text)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://keeper:hidden-word@db.example.com/r",
        "postgresql:///r?password=hidden-word",
        "postgresql:///r?sslpassword=hidden-word",
    ],
)
def test_a_password_is_refused_in_a_manifest_and_not_told(tmp_path: Path, url: str) -> None:
    assert passwords_in(url) == ["hidden-word"]
    assert database_place(url).schema == "reconciler", "kept outside of the manifests it may have one"
    (tmp_path / "reconciler.yaml").write_text(f'version: 1\nledger: "{url}"\n', encoding="utf-8")
    with pytest.raises(ManifestError, match="a password is never written in a manifest") as caught:
        load(tmp_path, env={})
    error = caught.value
    assert "hidden-word" not in f"{error} {error.hint} {error.problems}"


def test_the_url_can_be_kept_outside_of_the_manifests(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(
        "version: 1\nledger: {env: RECONCILER_LEDGER_URL}\n", encoding="utf-8"
    )
    assert load(tmp_path, env={}, allow_empty=True).settings.ledger_place == SecretRef(
        "env", "RECONCILER_LEDGER_URL"
    )
