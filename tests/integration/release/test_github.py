from __future__ import annotations

import time
from dataclasses import replace

import pytest

from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.reject import reject
from release.actions.stage import stage
from release.forges.forge import branch_of
from release.forges.github import GitHub, connect
from slipway.errors import BadInput, Refused, Unavailable
from tests.fixtures import github as standin
from tests.fixtures.github import State
from tests.integration.release.conftest import ReleaseBench

BRANCH, TIP = branch_of("tiny", 7), "a" * 40


@pytest.fixture
def state(state: State) -> State:
    state.branches[BRANCH] = TIP
    return state


def test_a_request_is_opened_once(forge: GitHub, state: State) -> None:
    first = forge.request(BRANCH, TIP, "Release", "one")
    again = forge.request(BRANCH, TIP, "Release", "one, later")
    assert first.number == again.number == state.created == 1
    assert state.pulls[0]["body"] == "one"
    assert (first.model, first.version, first.tip, first.state) == ("tiny", 7, TIP, "open")
    assert [one.branch for one in forge.open_requests("tiny")] == [BRANCH]
    assert forge.open_requests("other") == []


def test_a_request_that_somebody_else_has_just_opened_is_found(forge: GitHub, state: State) -> None:
    forge.request(BRANCH, TIP, "Release", "one")
    state.hidden = 1
    assert forge.request(BRANCH, TIP, "Release", "one").number == 1
    assert state.created == 1


def test_a_request_of_another_commit_is_refused(forge: GitHub, state: State) -> None:
    forge.request(BRANCH, TIP, "Release", "one")
    with pytest.raises(Refused, match="changed meanwhile"):
        forge.request(BRANCH, "b" * 40, "Release", "one")


def test_a_fork_cannot_pose_as_a_request(forge: GitHub, state: State) -> None:
    forge.request(BRANCH, TIP, "Release", "one")
    state.pulls[0]["head"]["repo"]["full_name"] = "mallory/manifests"
    assert forge.open_requests("tiny") == []


def test_only_an_approval_of_this_commit_counts(forge: GitHub, state: State) -> None:
    forge.request(BRANCH, TIP, "Release", "one")
    review = standin.example("pull-request-review-items") | {"state": "APPROVED", "commit_id": "b" * 40}
    state.reviews = [review]
    assert forge.open_requests("tiny")[0].approvals == ()
    state.reviews = [review | {"commit_id": TIP}]
    assert forge.open_requests("tiny")[0].approvals == (review["user"]["login"],)
    state.reviews = [review | {"commit_id": TIP}, review | {"commit_id": TIP, "state": "CHANGES_REQUESTED"}]
    assert forge.open_requests("tiny")[0].approvals == ()


def test_the_verdict_stands_on_the_commit(forge: GitHub, state: State) -> None:
    request = forge.request(BRANCH, TIP, "Release", "one")
    forge.report(request.tip, False, "x" * 500)
    forge.report(request.tip, False, "x" * 500)
    assert [(one["sha"], one["state"], one["context"]) for one in state.statuses] == [
        (TIP, "failure", "slipway/promotion")
    ]
    assert len(state.statuses[0]["description"]) == 140


def test_closing_says_why_once_and_deletes_the_branch(forge: GitHub, state: State) -> None:
    request = forge.request(BRANCH, TIP, "Release", "one")
    forge.close(request, "wrong on Mondays")
    forge.close(request, "wrong on Mondays")
    assert state.comments == ["Closed: wrong on Mondays"]
    assert (state.pulls[0]["state"], state.branches) == ("closed", {})


@pytest.mark.parametrize(
    ("status", "headers", "kind", "text"),
    [
        (401, {}, Unavailable, "GITHUB_TOKEN"),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000000"}, Unavailable, "rate limit"),
        (429, {"Retry-After": "60"}, Unavailable, "rate limit"),
        (403, {}, Refused, "may write"),
        (404, {}, Refused, "GITHUB_REPOSITORY"),
        (422, {}, Refused, "protection"),
        (500, {}, Unavailable, "run the same command again"),
        (503, {}, Unavailable, "run the same command again"),
    ],
)
def test_githubs_errors_say_what_to_do(
    forge: GitHub, state: State, status: int, headers: dict[str, str], kind: type[Exception], text: str
) -> None:
    state.fail.append(("POST", "pulls", status, headers))
    began = time.monotonic()
    with pytest.raises(kind, match=text):
        forge.request(BRANCH, TIP, "Release", "one")
    assert time.monotonic() - began < 30
    assert state.created == 0
    state.fail.clear()
    assert forge.request(BRANCH, TIP, "Release", "one").number == 1


@pytest.mark.long
def test_a_promotion_twice_and_after_a_cut_leaves_one_pull_request(
    desk: ReleaseBench, forge: GitHub, state: State
) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        state.fail.append(("POST", "pulls", 503, {}))
        state.branches = standin.Branches(desk.remote)
        with pytest.raises(Unavailable, match="open the pull request"):
            promote(replace(context, forge=forge), "tiny", "1")
    state.fail.clear()
    for _ in range(2):
        with desk.acting() as context:
            done = promote(replace(context, forge=forge), "tiny", "1")
    assert done.request is not None
    assert (done.request.number, state.created, len(state.statuses)) == (1, 1, 1)
    assert desk.branches() == ["main", "release/tiny/1"]
    text = state.pulls[0]["body"]
    assert "| staged | yes |" in text
    assert "```diff" in text
    assert '+  slipway/model-version: "1"' in text
    with desk.acting(forge=forge) as context:
        with pytest.raises(Refused, match="approved on GitHub"):
            approve(context, "tiny")
        reject(context, "tiny", "1", "wrong on Mondays")
    assert state.comments == ["Closed: wrong on Mondays"]
    assert desk.branches() == ["main"]


def test_github_without_a_token_is_named() -> None:
    with pytest.raises(BadInput, match="GITHUB_TOKEN unset"):
        connect("octocat/manifests", "main", "", "https://api.github.com")


def test_who_closed_a_request_and_when_is_githubs_to_say(forge: GitHub, state: State) -> None:
    number = forge.request(BRANCH, TIP, "Release", "one").number
    assert forge.closed(BRANCH, TIP) is None
    assert number is not None
    state.close(number, "ada")
    found = forge.closed(BRANCH, TIP)
    assert found is not None
    assert (found.by, found.at) == ("ada on GitHub", "2026-11-20T10:00:00+00:00")
    assert forge.closed(BRANCH, "b" * 40) is None
    assert forge.request(BRANCH, TIP, "Release", "again").number == 2
    assert forge.closed(BRANCH, TIP) is None


def test_a_merged_request_was_not_closed(forge: GitHub, state: State) -> None:
    number = forge.request(BRANCH, TIP, "Release", "one").number
    assert number is not None
    state.merge(number)
    assert forge.closed(BRANCH, TIP) is None
