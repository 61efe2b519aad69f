"""The jobs of ci.yml, run as GitHub runs them.

`test` and `image` run whole by themselves, as `make test` and `make test-image`: here their jobs run one test each.
The database of vulnerabilities is a stand-in that answers as OSV does.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import github
from tests.fixtures.act import REPOSITORY, Here, fresh_clone, only, succeeded
from tests.fixtures.osv import Osv, answering
from tests.fixtures.pages import held_by

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1600)]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    fresh_clone(tmp_path)
    return Here(tmp_path)


def commit(clone: Path, message: str) -> str:
    subprocess.run(["git", "commit", "--quiet", "-am", message], cwd=clone, check=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True).stdout


def pull_request(base: str = "", head: str = "somebody/slipway", user: str = "a") -> dict[str, Any]:
    source = {"ref": "change", "repo": {"full_name": head}}  # a fork by default: no comment is tried
    said = {"number": 7, "head": source, "base": {"sha": base, "ref": "main"}, "user": {"login": user}}
    return {"pull_request": said}


def test_check(here: Here) -> None:
    (block,) = held_by("tests/integration/delivery/test_ci.py::test_check")
    # What `run` types, which says beside it where the actions are.
    assert block.steps[0].command == "act pull_request --job check --platform ubuntu-latest=-self-hosted"
    ran = succeeded(here.run("ci", "check", "pull_request", pull_request()))
    assert "Check format, lint, types, import contracts and workflows" in ran


def test_check_refuses_a_workflow_that_runs_a_stranger_s_words(here: Here) -> None:
    file = here.clone / ".github/workflows/ci.yml"
    file.write_text(file.read_text().replace("run: make changes", "run: echo ${{ github.event.pull_request.title }}"))
    commit(here.clone, "Echo a title")
    done = here.run("ci", "check", "pull_request", pull_request())
    assert done.returncode != 0
    assert "untrusted" in done.stdout  # actionlint's word for it


def test_test_runs_the_tests_and_fails_with_them(tmp_path: Path) -> None:
    here = only(tmp_path, "test_atomic")
    done = here.run("ci", "test", "pull_request", pull_request())
    assert "Run unit and integration tests" in succeeded(done)
    assert " passed" in done.stdout
    tests = here.clone / "tests/unit/slipway/test_atomic.py"
    tests.write_text(tests.read_text() + "\n\ndef test_atomic_is_broken() -> None:\n    assert False\n")
    commit(here.clone, "Break a test")
    done = here.run("ci", "test", "pull_request", pull_request())
    assert done.returncode != 0
    assert "test_atomic_is_broken" in done.stdout


def test_manifests(here: Here) -> None:
    assert "Render and check every overlay" in succeeded(here.run("ci", "manifests", "pull_request", pull_request()))


@pytest.fixture
def osv() -> Iterator[Osv]:
    with answering() as made:
        yield made


def test_security(tmp_path: Path, osv: Osv) -> None:
    fresh_clone(tmp_path)
    here = Here(tmp_path, environment=osv.environment())
    ran = succeeded(here.run("ci", "security", "pull_request", pull_request()))
    assert {"Search for secrets", "Search for known vulnerabilities"} <= set(ran)
    assert {"mlflow", "dvc", "onnxruntime"} <= osv.asked
    osv.vulnerable = "onnxruntime"
    done = here.run("ci", "security", "pull_request", pull_request())
    assert done.returncode != 0
    assert "onnxruntime" in done.stdout


def test_security_refuses_a_key_in_a_file(here: Here) -> None:
    (here.clone / "key.txt").write_text("-----BEGIN RSA " + "PRIVATE KEY-----\n")  # no key, and not found in this file
    subprocess.run(["git", "add", "key.txt"], cwd=here.clone, check=True)
    commit(here.clone, "Commit a key")
    done = here.run("ci", "security", "pull_request", pull_request())
    assert done.returncode != 0
    assert "key.txt" in done.stdout


def test_image(tmp_path: Path) -> None:
    here = only(tmp_path, "test_registry")
    done = here.run("ci", "image", "pull_request", pull_request())
    assert {"Install the tools that build images", "Build the image, run it locked down, package a version"} <= set(
        succeeded(done)
    )
    assert " passed" in done.stdout


def test_changes(here: Here) -> None:
    base = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here.clone, check=True, capture_output=True, text=True)
    params = here.clone / "params.yaml"
    params.write_text(params.read_text().replace("late_from_minutes: 15", "late_from_minutes: 30"))
    commit(here.clone, "Call it late later")
    here.program("gh", 'cp "${@: -1}" "$(dirname "$0")/../said.md"')
    done = here.run("ci", "changes", "pull_request", pull_request(base.stdout.strip()))
    assert "Compare parameters, metrics and manifests" in succeeded(done)
    assert here.asked("gh") == []
    own = pull_request(base.stdout.strip(), head=REPOSITORY)
    assert "Comment on the pull request" in succeeded(here.run("ci", "changes", "pull_request", own))
    assert here.asked("gh") == ["pr comment 7 --edit-last --create-if-none --body-file var/changes.md"]
    assert "late_from_minutes" in (here.folder / "said.md").read_text()
    bot = pull_request(base.stdout.strip(), head=REPOSITORY, user="dependabot[bot]")
    assert "Comment on the pull request" not in succeeded(here.run("ci", "changes", "pull_request", bot))


def test_scope_leaves_out_what_a_request_of_releases_alone_does_not_change(here: Here) -> None:
    base = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here.clone, check=True, capture_output=True, text=True)
    file = here.clone / "gitops/apps/flight-delay/production/release/kustomization.yaml"
    file.write_text(file.read_text() + "# Another release.\n")
    commit(here.clone, "Release")
    request = pull_request(base.stdout.strip())
    done = here.run("ci", "scope", "pull_request", request)
    assert "Find what the change touches" in succeeded(done)
    assert "release=true" in done.stdout
    assert "Check format, lint, types, import contracts and workflows" not in succeeded(
        here.run("ci", "check", "pull_request", request)
    )
    ran = succeeded(here.run("ci", "security", "pull_request", request))
    assert "Search for secrets" in ran
    assert "Search for known vulnerabilities" not in ran


@pytest.fixture
def forge() -> Iterator[github.State]:
    with github.serving() as running:
        yield running
        assert running.problems == []


def test_promotion(here: Here, forge: github.State) -> None:
    here = replace(here, overrides={"GITHUB_API_URL": forge.url, "GITHUB_TOKEN": github.TOKEN})
    number = forge.propose("change", "c" * 40, {"filename": "training/train.py", "status": "modified"})
    said = {"number": number, "head": {"ref": "change", "repo": {"full_name": REPOSITORY}}, "user": {"login": "a"}}
    assert "Check that production's releases are unchanged" in succeeded(
        here.run("ci", "promotion", "pull_request", {"pull_request": said | {"base": {"sha": "", "ref": "main"}}})
    )
    assert [(one["sha"], one["state"], one["context"]) for one in forge.statuses] == [
        ("c" * 40, "success", "slipway/promotion")
    ]
