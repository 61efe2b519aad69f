"""Approvals are real: what CODEOWNERS names belongs to the repository's own organisation, or nothing is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.workflows import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    shutil.copy(ROOT / "Makefile", tmp_path)
    owners = tmp_path / ".github/CODEOWNERS"
    owners.write_text(owners.read_text() + "/docs/ @somebody @Example/writers\n")
    return tmp_path


def make(folder: Path, target: str, repository: str | None = "example/flights") -> subprocess.CompletedProcess[str]:
    named = {"GITHUB_REPOSITORY": repository} if repository is not None else {}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "GITHUB_"))}
    words = ["make", "--no-print-directory", target]
    return subprocess.run(words, cwd=folder, env=clean | named, capture_output=True, text=True, check=False)


def test_owners_of_another_organisation_are_refused_and_named(project: Path) -> None:
    done = make(project, "check-owners")
    assert done.returncode == 2  # make's own; the recipe's is in its words
    assert "Error 4" in done.stderr
    assert "@slipway/approvers" in done.stderr
    assert "Example/writers" not in done.stderr  # GitHub takes an organisation's name in any case
    assert "make owners GITHUB_REPOSITORY=example/flights" in done.stderr


def test_after_the_set_up_every_team_is_of_the_organisation(project: Path) -> None:
    before = (project / ".github/CODEOWNERS").read_text()
    assert make(project, "owners").returncode == 0
    assert make(project, "check-owners").returncode == 0
    after = (project / ".github/CODEOWNERS").read_text()
    assert "/gitops/apps/*/production/              @example/approvers" in after
    assert "@somebody @example/writers" in after
    assert [line for line in after.splitlines() if line.startswith("#")] == [
        line for line in before.splitlines() if line.startswith("#")
    ]


def test_a_placeholder_that_comes_back_is_refused_again(project: Path) -> None:
    make(project, "owners")
    owners = project / ".github/CODEOWNERS"
    owners.write_text(owners.read_text() + "/gitops/apps/*/production/ @your-org/approvers\n")
    assert "@your-org/approvers" in make(project, "check-owners").stderr


@pytest.mark.parametrize(("target", "repository"), [("owners", None), ("check-owners", ""), ("check-owners", "/name")])
def test_a_repository_that_is_not_named_is_bad_input(project: Path, target: str, repository: str | None) -> None:
    done = make(project, target, repository)
    assert "Error 3" in done.stderr
    assert "OWNER/NAME" in done.stderr
