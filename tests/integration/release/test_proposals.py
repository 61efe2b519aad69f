"""The check slipway/promotion of changes that people propose, on a GitHub that answers as its description says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from release.cli.proposal import proposal
from release.forges.forge import branch_of
from release.forges.github import LISTED_FILES, GitHub
from release.promoter.proposals import report
from slipway.errors import BadInput, Refused, SlipwayError
from tests.fixtures.github import State

TIP = "c" * 40
CODE = {"filename": "training/train.py", "status": "modified"}
RELEASE = {"filename": "gitops/apps/tiny/production/release/kustomization.yaml", "status": "modified"}
EMPTY = "@@ -0,0 +1 @@\n+# Nothing is released here yet."
NAMES = "@@ -0,0 +1 @@\n+  slipway/image-digest: sha256:0"


def said(state: State) -> list[tuple[str, str, str]]:
    return [(one["sha"], one["state"], one["context"]) for one in state.statuses]


@pytest.mark.parametrize(
    ("files", "verdict"),
    [
        ([CODE], "success"),
        ([RELEASE | {"filename": "gitops/apps/tiny/staging/release/kustomization.yaml"}], "success"),
        ([RELEASE | {"filename": "gitops/apps/tiny/production/kustomization.yaml"}], "success"),
        ([RELEASE | {"filename": "docs/gitops/apps/tiny/production/release/kustomization.yaml"}], "success"),
        ([RELEASE | {"status": "removed"}], "success"),
        ([RELEASE | {"status": "added", "patch": EMPTY}], "success"),
        ([RELEASE], "failure"),
        ([CODE, RELEASE], "failure"),
        ([RELEASE | {"status": "added", "patch": NAMES}], "failure"),
        ([RELEASE | {"status": "renamed", "previous_filename": "x.yaml"}], "failure"),
        ([CODE | {"status": "renamed", "previous_filename": RELEASE["filename"]}], "success"),
        ([CODE | {"filename": f"docs/{number}.md"} for number in range(250)] + [RELEASE], "failure"),
        ([CODE | {"filename": f"docs/{number}.md"} for number in range(LISTED_FILES)], "failure"),
    ],
)
def test_the_verdict_is_about_what_production_runs(
    forge: GitHub, state: State, files: list[dict[str, Any]], verdict: str
) -> None:
    state.propose("change", TIP, *files, by="a-fork")
    (outcome,) = report(forge, "gitops")
    assert said(state) == [(TIP, verdict, "slipway/promotion")]
    assert outcome.kind == {"success": "passed", "failure": "refused"}[verdict]


def test_an_added_release_without_its_lines_is_not_taken_for_an_empty_one(forge: GitHub, state: State) -> None:
    state.propose("change", TIP, RELEASE | {"status": "added"})
    del state.files[1][0]["patch"]
    report(forge, "gitops")
    assert said(state) == [(TIP, "failure", "slipway/promotion")]


def test_manifests_at_the_top_of_their_own_repository(forge: GitHub, state: State) -> None:
    state.propose("change", TIP, RELEASE | {"filename": "apps/tiny/production/release/kustomization.yaml"})
    report(forge, ".")
    assert said(state) == [(TIP, "failure", "slipway/promotion")]


def test_one_commits_statuses_are_asked_for_once(forge: GitHub, state: State) -> None:
    state.propose("change", TIP, CODE)
    report(forge, "gitops")
    assert said(state) == [(TIP, "success", "slipway/promotion")]
    assert len([asked for asked in state.asked if asked.endswith(f"{TIP}/status")]) == 1, state.asked
    forge.report(TIP, True, "changes no release in production")  # later, somebody else may have set another
    assert len([asked for asked in state.asked if asked.endswith(f"{TIP}/status")]) == 2


def test_a_verdict_is_given_once_and_again_for_what_was_pushed_since(forge: GitHub, state: State) -> None:
    state.propose("change", TIP, CODE)
    report(forge, "gitops")
    assert report(forge, "gitops") == []
    before = len(state.asked)
    assert report(forge, "gitops") == []
    assert state.asked[before:] == ["GET /pulls"], "what has its verdict is not asked for again"
    state.pulls[0]["head"]["sha"] = "d" * 40
    state.files[1].append(state.files[1][0] | RELEASE)
    report(forge, "gitops")
    assert [one[:2] for one in said(state)] == [(TIP, "success"), ("d" * 40, "failure")]


def test_what_is_pushed_while_files_are_listed_waits_for_the_next_pass(
    forge: GitHub, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.propose("change", TIP, CODE)
    listed = GitHub._files

    def pushing(self: GitHub, pull: Any) -> Any:
        found = listed(self, pull)
        state.pulls[0]["head"]["sha"] = "d" * 40
        return found

    monkeypatch.setattr(GitHub, "_files", pushing)
    assert report(forge, "gitops") == []
    assert state.statuses == []


def test_a_request_keeps_the_verdict_of_the_rules(forge: GitHub, state: State) -> None:
    branch = branch_of("tiny", 7)
    state.propose(branch, TIP, RELEASE)
    assert report(forge, "gitops") == []
    state.propose(branch, TIP, RELEASE, by="a-fork")
    report(forge, "gitops")
    assert said(state) == [(TIP, "failure", "slipway/promotion")], "a fork's branch is no request, whatever its name"


def test_other_branches_and_closed_ones_are_left_alone(forge: GitHub, state: State) -> None:
    number = state.propose("change", TIP, CODE)
    state.pulls[0]["base"]["ref"] = "next"
    assert report(forge, "gitops", number) == []
    state.pulls[0]["base"]["ref"] = "main"
    state.close(number)
    assert report(forge, "gitops", number) == []
    assert state.statuses == []


def run(state: State, *words: str) -> tuple[str, BaseException | None]:
    environment = {"GITHUB_REPOSITORY": "octocat/manifests", "GITHUB_TOKEN": "secret-token"}
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "SLIPWAY_ACTOR": ""}
    done = CliRunner().invoke(proposal, list(words), env=environment | {"GITHUB_API_URL": state.url})
    assert "secret-token" not in done.output
    return done.output, done.exception if isinstance(done.exception, SlipwayError) else None


def test_the_command_says_it_of_one(state: State) -> None:
    state.propose("change", TIP, CODE)
    state.propose("other", "d" * 40, RELEASE)
    output, error = run(state, "1")
    assert (output, error) == ("pull request 1 changes no release in production\n", None)
    assert said(state) == [(TIP, "success", "slipway/promotion")]
    output, error = run(state, "2", "--json")
    assert isinstance(error, Refused)
    assert json.loads(output)["outcomes"][0]["said"] == (
        "pull request 2 changes tiny's release in production: that is for slipway promote and rollback"
    )
    assert run(state, "2") == ("has its verdict already\n", None)


def test_the_command_lets_a_queue_s_commit_pass(state: State) -> None:
    assert run(state, "--queued", TIP) == (f"{TIP} may merge\n", None)
    assert said(state) == [(TIP, "success", "slipway/promotion")]


@pytest.mark.parametrize("words", [(), ("1", "--queued", TIP)])
def test_the_command_asks_for_one_of_both(state: State, words: tuple[str, ...]) -> None:
    assert isinstance(run(state, *words)[1], BadInput)
