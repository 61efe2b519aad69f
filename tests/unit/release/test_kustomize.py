"""The one builder of manifests: which program it takes, and what it says where that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from release import kustomize
from slipway.errors import BadInput, Unavailable


def program(folder: Path, name: str, script: str) -> None:
    """Put a program of this name into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH besides the shell's own."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), "/usr/sbin-none"]))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def test_kubectl_builds_where_kustomize_is_not_installed(path: Path) -> None:
    program(path, "kubectl", 'echo "kubectl $*"')
    assert kustomize.build(Path("a/b")) == "kubectl kustomize a/b\n"
    program(path, "kustomize", 'echo "kustomize $*"')
    assert kustomize.build(Path("a/b")) == "kustomize build a/b\n"


def test_who_names_a_program_gets_no_other(path: Path) -> None:
    program(path, "kubectl", "echo kubectl")
    with pytest.raises(Unavailable, match="kustomize"):
        kustomize.build(Path("a/b"), "kustomize")


def test_what_cannot_be_built_is_named_with_the_reason(path: Path) -> None:
    program(path, "kustomize", "echo no such base >&2; exit 1")
    with pytest.raises(BadInput, match="kustomize cannot build m/staging") as raised:
        kustomize.build(Path("gitops/apps/m/staging"))
    assert raised.value.found == "no such base"
    assert raised.value.hint


def test_a_build_without_end_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kustomize, "TIMEOUT_SECONDS", 0.2)
    program(path, "kustomize", "while :; do :; done")
    with pytest.raises(Unavailable, match="gave no answer"):
        kustomize.build(Path("a/b"))
