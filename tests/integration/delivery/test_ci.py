"""The quick jobs of ci.yml, run as GitHub runs them.

Not here: `test` and `image`, which are `make test` and `make test-image` themselves, and `security`, whose second step
asks the public database of vulnerabilities.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fixtures.act import Here, fresh_clone, succeeded

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1600)]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    fresh_clone(tmp_path)
    return Here(tmp_path)


def commit(clone: Path, message: str) -> str:
    subprocess.run(["git", "commit", "--quiet", "-am", message], cwd=clone, check=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True).stdout


def pull_request(base: str = "") -> dict[str, object]:
    head = {"ref": "change", "repo": {"full_name": "somebody/slipway"}}  # a fork: no comment is tried
    return {"pull_request": {"number": 7, "head": head, "base": {"sha": base, "ref": "main"}, "user": {"login": "a"}}}


def test_check(here: Here) -> None:
    ran = succeeded(here.run("ci", "check", "pull_request", pull_request()))
    assert "Format, lint, types, import contracts, workflows" in ran


def test_check_refuses_a_workflow_that_runs_a_stranger_s_words(here: Here) -> None:
    file = here.clone / ".github/workflows/ci.yml"
    file.write_text(file.read_text().replace("run: make changes", "run: echo ${{ github.event.pull_request.title }}"))
    commit(here.clone, "Echo a title")
    done = here.run("ci", "check", "pull_request", pull_request())
    assert done.returncode != 0
    assert "untrusted" in done.stdout  # actionlint's word for it


def test_manifests(here: Here) -> None:
    assert "Every overlay rendered and checked" in succeeded(
        here.run("ci", "manifests", "pull_request", pull_request())
    )


def test_changes(here: Here) -> None:
    base = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here.clone, check=True, capture_output=True, text=True)
    params = here.clone / "params.yaml"
    params.write_text(params.read_text().replace("late_from_minutes: 15", "late_from_minutes: 30"))
    commit(here.clone, "Call it late later")
    done = here.run("ci", "changes", "pull_request", pull_request(base.stdout.strip()))
    assert "What changes in parameters, metrics and manifests" in succeeded(done)
    assert "Say it on the pull request" not in succeeded(done)
