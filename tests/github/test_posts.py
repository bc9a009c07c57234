from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.errors import GitHubError
from reconciler.github.api import GitHub
from reconciler.github.posts import Comments, Issues, Stamp, marker, put, size, written
from tests.github import fake
from tests.github.conftest import connect
from tests.github.fake import BOT, FakeGitHub, Fault

LABEL = "production sites"
HEAD = "a" * 40


def stamp(run: int = 7, attempt: int = 1) -> Stamp:
    return Stamp(HEAD, (run, attempt), "sha256:" + "0" * 64)


def test_the_second_plan_is_written_into_the_comment_of_the_first(
    service: FakeGitHub, github: GitHub
) -> None:
    board = Comments(github, 5, BOT)
    first = put(board, LABEL, stamp(7), "one change")
    second = put(board, LABEL, stamp(8), "two changes")
    assert first == second
    assert service.bodies(5) == [written(LABEL, stamp(8), "two changes")]


def test_a_comment_is_found_on_any_page(service: FakeGitHub, github: GitHub) -> None:
    ours = [service.comment(5, "chatter", "someone") for _ in range(230)] and service.comment(
        5, written(LABEL, stamp(1), "old")
    )
    for _ in range(130):
        service.comment(5, "chatter", "someone")
    assert put(Comments(github, 5, BOT), LABEL, stamp(), "new") == ours.id
    assert ours.body.endswith("new")
    assert len(service.comments) == 361


def test_a_comment_that_somebody_else_wrote_is_left_alone_whatever_it_says(
    service: FakeGitHub, github: GitHub
) -> None:
    forged = service.comment(5, written(LABEL, stamp(99), "approve me"), "someone")
    put(Comments(github, 5, BOT), LABEL, stamp(), "the plan")
    assert forged.body == written(LABEL, stamp(99), "approve me")
    assert service.bodies(5)[1:] == [written(LABEL, stamp(), "the plan")]


def test_labels_do_not_meet(service: FakeGitHub, github: GitHub) -> None:
    board = Comments(github, 5, BOT)
    for label in ("production", "production sites", "dev"):
        put(board, label, stamp(), label)
    put(board, "production", stamp(8), "changed")
    assert [body.rsplit("\n", 1)[1] for body in service.bodies(5)] == ["changed", "production sites", "dev"]


def test_without_leave_to_create_only_what_stands_is_edited(service: FakeGitHub, github: GitHub) -> None:
    board = Comments(github, 5, BOT)
    assert put(board, LABEL, stamp(), "nothing", create=False) is None
    assert service.comments == []
    put(board, LABEL, stamp(), "something")
    put(board, LABEL, stamp(8), "nothing any more", create=False)
    assert service.bodies(5) == [written(LABEL, stamp(8), "nothing any more")]


def test_an_older_run_that_ends_late_does_not_overwrite_a_newer_one(
    service: FakeGitHub, github: GitHub
) -> None:
    board = Comments(github, 5, BOT)
    put(board, LABEL, stamp(9), "of the newer run")
    put(board, LABEL, stamp(8), "of the older run")
    put(board, LABEL, stamp(9, attempt=1), "of the newer run")
    assert service.bodies(5) == [written(LABEL, stamp(9), "of the newer run")]


def test_several_of_ours_become_the_oldest_with_the_newest_text(service: FakeGitHub, github: GitHub) -> None:
    oldest = service.comment(5, written(LABEL, stamp(3), "first"))
    service.comment(5, written(LABEL, stamp(11), "newest"))
    service.comment(5, written(LABEL, stamp(4), "second"))
    board = Comments(github, 5, BOT)
    assert put(board, LABEL, stamp(5), "mine") == oldest.id
    assert service.bodies(5) == [written(LABEL, stamp(3), "first"), written(LABEL, stamp(11), "newest")]
    assert put(board, LABEL, stamp(11), "newest") == oldest.id
    assert service.bodies(5) == [written(LABEL, stamp(11), "newest")]


def test_a_text_forged_into_another_of_our_comments_is_never_written_in_our_name(
    service: FakeGitHub, github: GitHub
) -> None:
    board = Comments(github, 5, BOT)
    put(board, LABEL, stamp(7), "the plan")
    put(board, "another", stamp(7), "another plan")
    another = service.comments[1]
    another.body, another.editor = written(LABEL, stamp(99), "forged"), "collaborator"
    put(board, LABEL, stamp(8), "the next plan")
    assert [post.body for post in service.comments if "forged" in post.body and post.editor == BOT] == []


@pytest.mark.parametrize("latency", [0.0, 0.004])
def test_twenty_runs_at_once_leave_one_comment(service: FakeGitHub, latency: float) -> None:
    service.latency = latency
    start = threading.Barrier(20)

    def one(run: int) -> int | None:
        client = connect(service)
        start.wait()
        try:
            return put(Comments(client, 5, BOT), LABEL, stamp(run), f"plan {run}")
        finally:
            client.close()

    with ThreadPoolExecutor(20) as pool:
        numbers = set(pool.map(one, range(1, 21)))
    assert len(service.bodies(5)) == 1
    assert numbers == {service.comments[0].id}


def test_a_comment_deleted_between_look_and_edit_is_written_anew(service: FakeGitHub, github: GitHub) -> None:
    board = Comments(github, 5, BOT)
    put(board, LABEL, stamp(), "plan")

    def gone(call: str) -> None:
        if call.startswith("PATCH"):
            service.comments.clear()

    service.before = gone
    put(board, LABEL, stamp(8), "next plan")
    assert service.bodies(5) == [written(LABEL, stamp(8), "next plan")]


def test_a_broken_answer_to_a_create_does_not_make_two(service: FakeGitHub, github: GitHub) -> None:
    service.faults.append(Fault(r"POST .*/comments", 502, after=True))
    put(Comments(github, 5, BOT), LABEL, stamp(), "plan")
    assert len(service.bodies(5)) == 1


def test_line_ends_of_a_person_s_editor_do_not_hide_a_comment(service: FakeGitHub, github: GitHub) -> None:
    post = service.comment(5, written(LABEL, stamp(), "plan").replace("\n", "\r\n"))
    assert put(Comments(github, 5, BOT), LABEL, stamp(8), "next") == post.id


def test_a_token_that_may_not_write_is_refused_at_once(service: FakeGitHub, naps: list[float]) -> None:
    client = connect(service, fake.READ_ONLY, naps)
    with pytest.raises(GitHubError, match="403: Resource not accessible"):
        put(Comments(client, 5, BOT), LABEL, stamp(), "plan")
    client.close()
    assert (naps, service.comments) == ([], [])


def test_drift_has_one_open_issue(service: FakeGitHub, github: GitHub) -> None:
    service.open_pull(1, HEAD)
    board = Issues(github, "Drift: production", BOT)
    first = put(board, LABEL, stamp(1), "drift")
    assert put(board, LABEL, stamp(2), "more drift") == first
    assert first is not None
    board.close(first)
    assert put(board, LABEL, stamp(3), "none", create=False) is None
    assert put(board, LABEL, stamp(4), "drift again") != first
    assert [issue.state for issue in service.issues] == ["closed", "open"]


@pytest.mark.parametrize("text", ["a" * 100, "é\n" * 50, "😀" * 40, "\n\n\n"])
def test_size_is_never_below_what_any_unit_would_count(text: str) -> None:
    crlf = text.replace("\n", "\r\n")
    assert size(text) >= max(len(text), len(crlf), len(text.encode("utf-16-le")) // 2)


def test_a_label_is_one_line_that_ends_nowhere_else() -> None:
    assert marker(LABEL) == "<!-- reconciler:production sites -->"
