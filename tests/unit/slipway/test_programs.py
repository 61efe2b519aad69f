"""A program that is missing, not allowed to run, or run in a folder that is gone: an error that says what to do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from image import context, engine, sbom
from registry import signing, source
from release import kustomize
from release.git.git import Git
from release.images import logins
from release.policy import check as policy
from release.settings import read
from release.views import changes
from slipway import programs
from slipway.errors import Unavailable
from tools.rooms import ROOMS

ROOT = Path(__file__).parents[3]
# They start the project's own interpreter, or servers that come as wheels.
OWN = {
    "slipway/processes.py", "serving/cli.py", "image/bento.py", "devstack/files.py", "devstack/reload.py",
    "devstack/supervision.py",
}  # fmt: skip
# The one place, and what is run alone inside the base image, without the project.
HERE = {"slipway/programs.py", "image/rootfs.py"}
STARTERS = ("run", "Popen", "call", "check_call", "check_output", "execv", "execve", "execvp", "system")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    return tmp_path


CALLS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "a version's commit": ("git", lambda folder: source.inspect(folder, False)),
    "the manifests": ("git", lambda folder: Git(folder).run("init")),
    "who acts": ("git", lambda folder: read({}, folder)),
    "an SSH signature": ("ssh-keygen", lambda _: signing.sign(b"x", __file__, "slipway-verdict")),
    "an OpenPGP signature": ("gpg", lambda _: signing.sign(b"x", "A" * 40, "slipway-verdict")),
    "what a release changes": ("kustomize", kustomize.build),
    "the policy of manifests": ("kustomize", policy.build),
    "what a branch changes": ("dvc", lambda folder: changes._call(folder, "dvc", "diff")),
    "the image's packages": ("uv", lambda _: context.export_requirements(ROOT)),
    "the bill of materials": ("syft", lambda _: sbom.packages(engine.Engine("buildah"), "x")),
    "a login": ("docker-credential-pass", lambda _: logins._helped("pass", "ghcr.io")),
    "an image": ("buildah", lambda _: engine.Engine("buildah").digest("x")),
}  # fmt: skip


@pytest.mark.parametrize("what", CALLS)
def test_a_missing_program_is_named_with_its_purpose_and_what_to_type(bare: Path, what: str) -> None:
    program, call = CALLS[what]
    with pytest.raises(Unavailable) as refused:
        call(bare)
    assert refused.value.thing.startswith(f"`{program}` is not installed; it ")
    assert refused.value.hint
    assert "then run the same command again" in refused.value.hint


def test_no_engine_of_images_names_all_three(bare: Path) -> None:
    with pytest.raises(Unavailable, match=r"buildah(.|\n)*podman(.|\n)*docker") as refused:
        engine.find()
    assert "apt-get install buildah" in (refused.value.hint or "")


def test_what_may_not_be_run_and_what_is_no_program_is_named(bare: Path) -> None:
    (bare / "bin").mkdir()
    for content, mode, found in (
        ("x", 0o755, "Exec format error"),
        ("#!/nowhere/sh\n", 0o755, "No such file"),
    ):
        (bare / "bin/kubectl").write_text(content)
        (bare / "bin/kubectl").chmod(mode)
        with pytest.raises(Unavailable, match="`kubectl` cannot be started") as refused:
            programs.run(["kubectl", "version"])
        assert found in str(refused.value)


def test_a_folder_that_is_gone_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is gone; git was to run there"):
        programs.run(["git", "status"], cwd=tmp_path / "gone")


def test_every_known_program_says_what_it_is_for_and_how_to_get_it() -> None:
    for name in programs.PROGRAMS:
        error = programs.missing(name)
        assert len(error.thing) > len(f"`{name}` is not installed; it ") + 5
        assert any(word in (error.hint or "") for word in ("install", "make "))


def test_the_makefile_asks_before_a_recipe_needs_them(bare: Path) -> None:
    command = [f"{sys.base_prefix}/bin/python3", str(ROOT / "slipway/programs.py"), "skopeo"]
    alone = {"PYTHONPATH": str(ROOT), "PATH": str(bare)}
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.startswith("error: `skopeo` is not installed; it looks up the digest of an image")


def test_nothing_else_starts_a_program() -> None:
    starters = {
        str(path.relative_to(ROOT))
        for room in (*ROOMS, "tools")
        for path in (ROOT / room).rglob("*.py")
        if _starts(path)
    }
    assert starters == OWN | HERE
    for name in OWN - {"devstack/files.py", "devstack/reload.py"}:
        assert "sys.executable" in (ROOT / name).read_text(), f"{name} starts something else than Python"


def _starts(path: Path) -> bool:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)]
    return any(call.value.id in ("subprocess", "os") and call.attr in STARTERS for call in named)  # type: ignore[attr-defined]
