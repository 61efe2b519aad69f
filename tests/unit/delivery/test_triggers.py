from __future__ import annotations

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


def test_the_branch_of_a_request_starts_nothing_and_its_pull_request_gets_every_check() -> None:
    assert started(Event("push", RELEASED, branch="release/flight-delay/7", actor=APP)) == set()
    assert started(Event("pull_request", RELEASED, branch="main", actor=APP)) == {"ci", "e2e"}


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
