from __future__ import annotations

import json

import pytest

from tests.fixtures.workflows import OWN_TOKEN, Event, jobs, matches, started, workflows

STAGED = ("gitops/apps/flight-delay/staging/release/kustomization.yaml",)
RELEASED = ("gitops/apps/flight-delay/production/release/kustomization.yaml",)
APP = "slipway-release[bot]"


def test_what_the_bot_stages_starts_nothing() -> None:
    assert started(Event("push", STAGED, branch="main", actor=APP)) == set()


def test_what_is_merged_to_production_or_rolled_back_starts_nothing() -> None:
    assert started(Event("push", RELEASED, branch="main")) == set()
    assert started(Event("push", RELEASED, branch="main", actor=APP)) == set()


def test_the_branch_of_a_request_starts_nothing_and_its_pull_request_gets_the_checks() -> None:
    assert started(Event("push", RELEASED, branch="release/flight-delay/7", actor=APP)) == set()
    assert started(Event("pull_request", RELEASED, branch="main", actor=APP)) == {"ci"}


def test_a_pull_request_that_changes_manifests_is_tried_on_a_cluster() -> None:
    overlay = ("gitops/apps/flight-delay/production/kustomization.yaml",)
    assert started(Event("pull_request", (*RELEASED, *overlay), branch="main")) == {"ci", "e2e"}


def test_a_pull_request_of_the_workflows_own_token_would_get_no_check() -> None:
    assert started(Event("pull_request", RELEASED, branch="main", actor=OWN_TOKEN)) == set()


def test_the_pull_request_is_opened_with_the_apps_token() -> None:
    (reconcile,) = [job for name, _, job in jobs() if name == "promote"]
    app = next(step for step in reconcile["steps"] if step.get("id") == "app")
    opens = next(step for step in reconcile["steps"] if step.get("run") == "make reconcile")
    assert app["uses"].startswith("actions/create-github-app-token@")
    assert opens["env"]["GITHUB_TOKEN"] == "${{ steps.app.outputs.token }}"


@pytest.mark.parametrize("path", ["dvc.lock", "params.yaml", "training/train.py", "serving/app/service.py", "uv.lock"])
def test_a_merge_that_changes_the_model_or_the_image_trains(path: str) -> None:
    assert started(Event("push", (path,), branch="main")) == {"ci", "train"}
    assert started(Event("push", (path, *STAGED), branch="main")) == {"ci", "train"}


def test_a_merge_of_documentation_is_checked_and_trains_nothing() -> None:
    assert started(Event("push", ("docs/training.md",), branch="main")) == {"ci"}


def test_every_pull_request_is_checked_also_one_of_documentation() -> None:
    assert started(Event("pull_request", ("docs/training.md",), branch="main")) == {"ci"}


def test_a_branch_alone_starts_nothing_and_a_tag_a_release() -> None:
    assert started(Event("push", ("training/train.py",), branch="try-something")) == set()
    assert started(Event("push", tag="v1.2.3")) == {"release"}


def test_nothing_runs_a_strangers_code_with_the_projects_rights() -> None:
    dangerous = {"pull_request_target", "workflow_run", "issue_comment"}
    assert not [name for name, one in workflows().items() if dangerous & set(one["on"])]


def test_a_fork_s_pull_request_gets_a_token_that_reads_and_no_secret() -> None:
    asked = [(name, key, job) for name, key, job in jobs() if "pull_request" in workflows()[name]["on"]]
    assert {name for name, _, _ in asked} == {"ci", "e2e"}
    for name, key, job in asked:
        writes = [scope for scope, right in job["permissions"].items() if right == "write"]
        # GitHub gives a fork's token no right to write, whatever is asked for; the step does not try.
        assert writes == {"changes": ["pull-requests"], "promotion": ["statuses"]}.get(key, []), (name, key)
        tokened = [step for step in job["steps"] if "github.token" in json.dumps(step)]
        own = "head.repo.full_name == github.repository"
        assert all(own in step.get("if", job.get("if", "")) for step in tokened), (name, key)
        assert "environment" not in job, (name, key)
        assert "secrets." not in json.dumps(job), (name, key)
        assert all(
            step["with"]["persist-credentials"] is False for step in job["steps"] if "checkout" in step.get("uses", "")
        )


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("gitops/**", "gitops/apps/a/b.yaml", True),
        ("gitops/**", "docs/gitops/x", False),
        ("gitops/*", "gitops/apps/a", False),
        ("**/x.py", "a/b/x.py", True),
        ("**/x.py", "x.py", True),
        ("dvc.lock", "dvcXlock", False),
        ("v*", "v1.2.3", True),
    ],
)
def test_patterns_match_as_githubs_do(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected
