from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from release.forges.github import STATUS
from slipway.cli import COMMANDS
from tests.fixtures.workflows import FOLDER, ROOT, jobs, matches, steps, workflows

MAKE = re.compile(r"(?:sudo )?make ([a-z0-9-]+)")
ALL = [pytest.param(job, id=f"{name}-{key}") for name, key, job in jobs()]
FILES = [*FOLDER.glob("*.yml"), *(ROOT / ".github/actions").glob("*/action.yml")]


def targets() -> set[str]:
    makefiles = (ROOT / "Makefile").read_text() + (ROOT / ".github/delivery.mk").read_text()
    return set(re.findall(r"^([a-z0-9-]+):(?!=)", makefiles, re.MULTILINE))


@pytest.mark.parametrize("job", ALL)
def test_every_step_runs_one_make_target_that_exists(job: dict[str, Any]) -> None:
    for step in steps(job):
        if "run" in step:
            said = MAKE.fullmatch(step["run"])
            assert said, step["run"]
            assert said[1] in targets(), said[1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name + "-" + file.stem)
def test_every_action_is_pinned_by_commit_with_its_version(file: Path) -> None:
    for line in re.findall(r"(?<=\s)uses: (?!\./)(.*)", file.read_text()):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_has_one_commit_everywhere() -> None:
    found = {one for file in FILES for one in re.findall(r"uses: ([\w-]+/[\w-]+)@(\w+)", file.read_text())}
    assert len({name for name, _ in found}) == len(found), sorted(found)


@pytest.mark.parametrize("job", ALL)
def test_rights_are_named_a_job_at_a_time_and_time_is_limited(job: dict[str, Any]) -> None:
    assert job["permissions"]
    assert job["timeout-minutes"] <= 120


@pytest.mark.parametrize("job", ALL)
def test_a_secret_is_read_only_behind_an_environment(job: dict[str, Any]) -> None:
    if "secrets." in json.dumps(job):
        name = job["environment"]
        allowed = json.loads((ROOT / f".github/environments/{name}.json").read_text())
        assert allowed["branches"] == ["main"]


def test_no_workflow_has_rights_of_its_own_and_every_one_a_concurrency_group() -> None:
    for name, one in workflows().items():
        assert one["permissions"] == {}, name
        assert one["concurrency"]["group"], name


def test_what_writes_the_manifests_is_never_cut_off() -> None:
    writers = {name for name, _, job in jobs() if any(step.get("id") == "app" for step in job["steps"])}
    assert writers == {"train", "promote", "rollout", "nightly"}
    for name in writers:
        assert workflows()[name]["concurrency"]["cancel-in-progress"] is False, name


def test_production_is_behind_reviewers() -> None:
    (job,) = [job for name, _, job in jobs() if name == "rollout"]
    assert job["environment"] == "production"
    assert json.loads((ROOT / ".github/environments/production.json").read_text())["reviewers"]


def test_main_requires_every_check_of_ci_and_the_verdict_of_the_promotion() -> None:
    ruleset = json.loads((ROOT / ".github/rulesets/main.json").read_text())
    rules = {rule["type"]: rule.get("parameters") for rule in ruleset["rules"]}
    required = {one["context"] for one in rules["required_status_checks"]["required_status_checks"]}
    assert required == {"check", "test", "manifests", "security", "image", STATUS}
    assert rules["pull_request"]["require_code_owner_review"] is True
    assert rules["pull_request"]["require_last_push_approval"] is True
    assert rules["pull_request"]["required_approving_review_count"] >= 1


def ci() -> dict[str, dict[str, Any]]:
    return {key: job for name, key, job in jobs() if name == "ci"}


def test_a_required_job_says_passed_only_where_it_ran_or_the_change_is_releases_alone() -> None:
    found = {
        key: job.get("if") for key, job in ci().items() if key in ("check", "test", "manifests", "security", "image")
    }
    # A job whose needs failed is skipped, and GitHub counts skipped as passed: whoever needs another says when it runs.
    releases = "${{ !cancelled() && needs.scope.outputs.release != 'true' }}"
    always = {"manifests": None, "security": "${{ !cancelled() }}"}
    assert found == {"check": releases, "test": releases, "image": releases, **always}
    assert all(job.get("needs") in (None, "scope") for job in ci().values())
    assert [key for key, job in ci().items() if job["name"] in ("promotion", STATUS)] == ["promotion"]


def test_a_request_is_not_held_back_by_what_became_known_of_a_library() -> None:
    (step,) = [step for step in ci()["security"]["steps"] if step.get("run") == "make check-vulnerabilities"]
    assert step["if"] == "needs.scope.outputs.locked != 'false'"
    (secrets,) = [step for step in ci()["security"]["steps"] if step.get("run") == "make check-secrets"]
    assert "if" not in secrets
    assert "make check-vulnerabilities" in [
        step.get("run") for name, _, job in jobs() if name == "nightly" for step in job["steps"]
    ]


def owners(path: str) -> str:
    lines = [line.split() for line in (ROOT / ".github/CODEOWNERS").read_text().splitlines()]
    found = ""
    for pattern, *who in [line for line in lines if line and not line[0].startswith("#")]:
        anchored = pattern.removeprefix("/") + ("**" if pattern.endswith("/") else "")
        if pattern == "*" or matches(anchored, path):
            found = " ".join(who)
    return re.sub(r"@[\w-]+/", "", found)  # whose the teams are is a matter of where the repository lives


@pytest.mark.parametrize(
    "path",
    [
        "gitops/apps/flight-delay/production/release/kustomization.yaml",
        "gitops/apps/flight-delay/production/kustomization.yaml",
        "gitops/apps/another-model/production/release/kustomization.yaml",
        "gitops/apps/flight-delay/base/rollout.yaml",
        "gitops/base/rollout.yaml",
        "gitops/base-next/production/kustomization.yaml",
        "gitops/argocd/models/flight-delay/kustomization.yaml",
        "gitops/argocd/projects.yaml",
        ".github/CODEOWNERS",
        ".github/rulesets/main.json",
        ".github/workflows/promote.yml",
        "release/actions/approve.py",
    ],
)
def test_what_decides_about_production_belongs_to_the_approvers(path: str) -> None:
    assert owners(path) == "approvers"


def test_the_rest_belongs_to_others() -> None:
    assert owners("gitops/apps/flight-delay/staging/release/kustomization.yaml") == "operators"
    assert owners("training/train.py") == "maintainers"


def test_the_cluster_s_tests_of_a_change_run_by_night_with_ten_times_the_requests() -> None:
    change, night = (
        next(job for name, key, job in jobs() if (name, key) == (one, "kind")) for one in ("e2e", "nightly")
    )
    assert change["steps"] == night["steps"]
    assert [job["env"].pop("SLIPWAY_E2E_REQUESTS") for job in (change, night)] == ["10000", "100000"]
    assert night["env"].pop("SLIPWAY_E2E") == "all"
    assert change["env"] == night["env"]


def test_the_page_says_of_every_job_how_it_is_executed() -> None:
    page = (ROOT / "docs/how-to/continuous-delivery.md").read_text()
    said = re.findall(r"^\| `([a-z0-9]+)` \| `([a-z]+)` \| \S", page, re.MULTILINE)
    assert sorted(said) == sorted((name, key) for name, key, _ in jobs())


def test_every_command_that_a_target_runs_exists() -> None:
    said = set(re.findall(r"\bslipway ([a-z]+)", (ROOT / ".github/delivery.mk").read_text()))
    assert {"stage", "reconcile", "changes"} <= said
    assert said <= set(COMMANDS)
