"""Which URLs may be the root of an API."""

from __future__ import annotations

import pytest

from reconciler.errors import ConfigError
from reconciler.urls import check_url, is_loopback


@pytest.mark.parametrize(
    "url",
    [
        "http://api.chekt.com",
        "http://127.evil.example.com",
        "ftp://api.chekt.com",
        "api.chekt.com",
        "https://",
        "https://user:secret@api.chekt.com",
        "https://api.chekt.com?x=1",
        "https://api.chekt.com:port",
        "https://[::1",
        "http://127.0.0.999",
        "http://localhost.evil.example.com",
    ],
)
def test_an_unsafe_base_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_url(url, "the base URL")
    assert "secret" not in str(caught.value.to_json())


@pytest.mark.parametrize(
    "url",
    [
        "https://api.chekt.com/",
        "http://127.0.0.1:8787",
        "http://127.8.9.10",
        "http://localhost:1",
        "http://localhost.:1",
        "http://[::1]:8787",
        "http://sandbox.localhost",
    ],
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    assert check_url(url, "the base URL") == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "https://LOCALHOST./x", "http://[::1]:80", "https://api.localhost"]
)
def test_this_machine_is_known_by_its_names(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1.example.com",
        "https://0.0.0.0",
        "https://api.chekt.com",
        "https://localhost.example",
    ],
)
def test_another_host_is_not_taken_for_this_machine(url: str) -> None:
    assert not is_loopback(url)
