"""`make scope`: which checks a change needs, read from Git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.workflows import ROOT

STAGING = "gitops/apps/flight-delay/staging/release/kustomization.yaml"
PRODUCTION = "gitops/apps/flight-delay/production/release/kustomization.yaml"


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def changed(folder: Path, *paths: str) -> str:
    """Commit a repository, then a branch that changes `paths`, then something else on main; return what main is."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    for path in (STAGING, PRODUCTION, "uv.lock", "params.yaml"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("before\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Before")
    git(folder, "switch", "--quiet", "--create", "change")
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("after\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "After")
    git(folder, "switch", "--quiet", "main")
    (folder / "uv.lock").write_text("locked anew by another\n")
    git(folder, "commit", "--quiet", "-am", "Another")
    git(folder, "switch", "--quiet", "change")
    return git(folder, "rev-parse", "main")


def scope(folder: Path, base: str) -> subprocess.CompletedProcess[str]:
    words = ["make", "--silent", "--no-print-directory", "--file", str(ROOT / ".github/delivery.mk"), "SHELL=/bin/bash"]
    said = {**os.environ, "BASE": base, "GITHUB_OUTPUT": str(folder / "said")}
    return subprocess.run([*words, "scope"], cwd=folder, env=said, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ((PRODUCTION,), "release=true\nlocked=false\n"),
        ((STAGING, PRODUCTION), "release=true\nlocked=false\n"),
        ((PRODUCTION, "params.yaml"), "release=false\nlocked=false\n"),
        ((PRODUCTION, "gitops/apps/flight-delay/production/kustomization.yaml"), "release=false\nlocked=false\n"),
        ((PRODUCTION, "uv.lock"), "release=false\nlocked=true\n"),
        (("docs/gitops/apps/a/staging/release/b.yaml",), "release=false\nlocked=false\n"),
        (("gitops/apps/a/staging/release/b/c.yaml",), "release=false\nlocked=false\n"),
        (("gitops/apps/a/staging/release/é\nb.yaml",), "release=false\nlocked=false\n"),
        (("docs/uv.lock", "uv.lock.txt"), "release=false\nlocked=false\n"),
        ((), "release=false\nlocked=false\n"),
    ],
)
def test_releases_alone_and_what_is_locked_are_told_apart(
    tmp_path: Path, paths: tuple[str, ...], expected: str
) -> None:
    base = changed(tmp_path, *paths)
    done = scope(tmp_path, base)
    assert (done.stdout, done.returncode) == (expected, 0), done.stderr
    assert (tmp_path / "said").read_text() == expected


def test_without_a_base_everything_is_checked(tmp_path: Path) -> None:
    changed(tmp_path, PRODUCTION)
    assert scope(tmp_path, "").stdout == "release=false\nlocked=true\n"


def test_a_base_that_is_not_there_fails_and_says_nothing(tmp_path: Path) -> None:
    changed(tmp_path, PRODUCTION)
    assert scope(tmp_path, "f" * 40).returncode != 0
    assert not (tmp_path / "said").exists()
