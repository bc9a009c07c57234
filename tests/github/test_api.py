from __future__ import annotations

import httpx
import pytest

from reconciler.errors import GitHubError
from reconciler.github.api import GitHub
from tests.github import fake
from tests.github.conftest import connect
from tests.github.fake import BOT, FakeGitHub, Fault


def comments(github: GitHub) -> int:
    return len(list(github.pages("/issues/5/comments")))


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        pytest.param(Fault("GET", 502, times=3), [1, 2, 4], id="server error"),
        pytest.param(Fault("GET", 429, {"Retry-After": "7"}), [7], id="too many"),
        pytest.param(Fault("GET", 403, {"Retry-After": "30"}), [30], id="secondary limit"),
        pytest.param(
            Fault("GET", 403, message="You have exceeded a secondary rate limit"), [1], id="without a header"
        ),
        pytest.param(
            Fault("GET", 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
            [1],
            id="reset passed",
        ),
    ],
)
def test_what_passes_is_waited_for(
    service: FakeGitHub, github: GitHub, naps: list[float], fault: Fault, waits: list[float]
) -> None:
    service.comment(5, "one")
    service.faults.append(fault)
    assert comments(github) == 1
    assert naps == waits


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault("GET", 403, times=9, message="Resource not accessible by integration"), id="right"
        ),
        pytest.param(Fault("GET", 404, times=9), id="unknown"),
        pytest.param(Fault("GET", 429, {"Retry-After": "3600"}, times=9), id="a limit for an hour"),
    ],
)
def test_what_does_not_pass_is_not_waited_for(
    service: FakeGitHub, github: GitHub, naps: list[float], fault: Fault
) -> None:
    service.faults.append(fault)
    with pytest.raises(GitHubError) as caught:
        comments(github)
    assert caught.value.status == fault.status
    assert naps == []


def test_a_server_that_stays_broken_is_given_up(
    service: FakeGitHub, github: GitHub, naps: list[float]
) -> None:
    service.faults.append(Fault("GET", 503, times=99))
    with pytest.raises(GitHubError, match="503"):
        comments(github)
    assert naps == [1, 2, 4, 8]


def test_rate_limits_are_waited_for_two_minutes_in_all(
    service: FakeGitHub, github: GitHub, naps: list[float]
) -> None:
    service.faults.append(Fault("GET", 429, {"Retry-After": "50"}, times=99))
    with pytest.raises(GitHubError, match="429"):
        comments(github)
    assert naps == [50, 50]


def test_a_write_is_not_repeated_after_a_broken_answer_but_after_a_limit(
    service: FakeGitHub, github: GitHub, naps: list[float]
) -> None:
    service.faults.append(Fault("POST", 502, after=True))
    with pytest.raises(GitHubError, match="502"):
        github.post("/issues/5/comments", {"body": "x"})
    service.faults.append(Fault("POST", 403, {"Retry-After": "2"}))
    github.post("/issues/5/comments", {"body": "y"})
    assert (service.bodies(5), naps) == (["x", "y"], [2])


@pytest.mark.parametrize(("method", "sent"), [("post", 1), ("patch", 5)])
def test_a_connection_lost_under_way_repeats_only_what_may_be_done_twice(method: str, sent: int) -> None:
    calls: list[str] = []

    def lost(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        raise httpx.ReadError("reset")

    client = GitHub(
        api_url="http://github.example",
        graphql_url="",
        repository="a/b",
        token="t",
        sleep=lambda _: None,
        transport=httpx.MockTransport(lost),
    )
    with pytest.raises(GitHubError, match="no answer"):
        getattr(client, method)("/x", {})
    client.close()
    assert len(calls) == sent


def test_all_pages_are_read(service: FakeGitHub, github: GitHub) -> None:
    for number in range(301):
        service.comment(5, str(number))
    assert comments(github) == 301
    assert service.requests == ["GET /repos/acme/sites/issues/5/comments"] * 4


def test_no_answer_is_an_error_that_says_so() -> None:
    naps: list[float] = []
    dead = GitHub(
        api_url="http://127.0.0.1:9", graphql_url="", repository="a/b", token="t", sleep=naps.append
    )
    with pytest.raises(GitHubError, match="no answer from GitHub") as caught:
        dead.get("/x")
    dead.close()
    assert (caught.value.status, len(naps)) == (None, 4)


def test_a_wrong_token_is_refused_with_what_to_do(service: FakeGitHub) -> None:
    client = connect(service, "wrong")
    with pytest.raises(GitHubError, match="401: Bad credentials") as caught:
        comments(client)
    client.close()
    assert "permission" in caught.value.hint


@pytest.mark.parametrize(("token", "login"), [(fake.TOKEN, BOT), (fake.PERSON, "maintainer")])
def test_a_token_knows_who_it_writes_as(service: FakeGitHub, token: str, login: str) -> None:
    client = connect(service, token)
    assert client.login() == login
    client.close()
