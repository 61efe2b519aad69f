"""`make setup` of a folder that was moved or copied: .venv's scripts name the interpreter by its whole path."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = """
[project]
name = "slipway"
version = "0.1.0"
requires-python = ">=3.11"
scripts = {slipway = "slipway:main"}
optional-dependencies = {all = []}
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["slipway"]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project of the Makefile's own, without a library."""
    folder = tmp_path / "clone"
    (folder / "slipway").mkdir(parents=True)
    (folder / ".github").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / ".github/delivery.mk", folder / ".github")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "slipway/__init__.py").write_text("def main(): print(__file__)\n")
    return folder


def setup(folder: Path, *words: str) -> str:
    command = ["make", "setup", f"UV={ROOT / '.venv/bin/uv'}", *words]
    plain = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_that_stays_is_not_set_up_again_and_one_that_moved_is(clone: Path, tmp_path: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / "uv.lock").touch()
    (clone / ".venv/synced").write_text(f"{clone}\n")
    assert "Nothing to be done" in setup(clone)
    clone.rename(tmp_path / "new (place)")
    assert "--reinstall" in setup(tmp_path / "new (place)", "--dry-run")


@pytest.mark.long
def test_a_moved_and_a_copied_clone_run_their_own_code(clone: Path, tmp_path: Path) -> None:
    copy, new = tmp_path / "copy of it", tmp_path / "elsewhere/clone"
    subprocess.run([ROOT / ".venv/bin/uv", "lock", "--quiet"], cwd=clone, check=True)
    setup(clone)
    shutil.copytree(clone, copy, symlinks=True)
    assert "for this folder" in setup(copy)
    assert "Nothing to be done" in setup(copy)
    new.parent.mkdir()
    clone.rename(new)
    setup(new)
    for folder in (copy, new):
        ran = subprocess.run([folder / ".venv/bin/slipway"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == str(folder / "slipway/__init__.py")
        # pip is no library of this small project; of the real one it is.
        kept = [path for path in (folder / ".venv").rglob("*") if path.is_file() and not path.match("bin/pip*")]
        left = [path for path in kept if path.suffix != ".pyc"]
        assert not [path for path in left if f"{clone}/".encode() in path.read_bytes()]
