"""What is edited while `dvc repro` runs is never recorded as what ran."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DVC = Path(sys.executable).with_name("dvc")
PACKAGE = """\
from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
"""
# A stage of a project of its own, as docs/how-to/second-model.md describes it: it reads, waits and writes.
STAGE = """\
import time
from pathlib import Path


def main() -> None:
    content = Path("table.csv").read_text() + Path("params.yaml").read_text()
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    Path("out.txt").write_text(content)
    Path("kept").mkdir(exist_ok=True)
    Path("kept/part.txt").write_text(content)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    (tmp_path / "training").mkdir()
    (tmp_path / "training/__init__.py").write_text(PACKAGE)
    (tmp_path / "training/slow.py").write_text(STAGE)
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "lookup/deep").mkdir(parents=True)
    (tmp_path / "lookup/deep/names.csv").write_text("x\n")
    (tmp_path / "params.yaml").write_text('slow: {rate: 1, day: "2013-01-01"}\nother: 1\n')
    stage = {
        "cmd": "python -m training.stage slow",
        "deps": ["training/slow.py", "table.csv", "lookup", "training"],
        "params": ["slow"],
        "outs": ["out.txt", "kept"],
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"slow": stage}}))
    return tmp_path


def repro(project: Path, edit: Callable[[Path], object]) -> tuple[int, str]:
    """Start `dvc repro`, edit while the stage runs, let it end."""
    environment = {**os.environ, "PATH": f"{DVC.parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    environment["PYTHONPATH"] = f"{project}:{ROOT}"
    for mark in ("started", "go"):
        (project / mark).unlink(missing_ok=True)
    with subprocess.Popen(
        [DVC, "repro"], cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        deadline = time.monotonic() + 60
        while not (project / "started").exists() and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (project / "started").exists(), running.communicate()[0]
        edit(project)
        (project / "go").touch()
        printed = running.communicate(timeout=60)[0]
    return running.returncode, printed


def appended(path: str) -> Callable[[Path], object]:
    return lambda project: (project / path).write_text((project / path).read_text() + "# edited\n")


def undone(path: str) -> Callable[[Path], object]:
    def edit(project: Path) -> None:
        before = (project / path).read_text()
        (project / path).write_text("another\n")
        (project / path).write_text(before)

    return edit


def replaced(old: str, new: str, path: str = "params.yaml") -> Callable[[Path], object]:
    return lambda project: (project / path).write_text((project / path).read_text().replace(old, new))


def refused(project: Path, edit: Callable[[Path], object], named: str) -> None:
    code, printed = repro(project, edit)
    assert code != 0, printed
    assert named in printed, printed
    assert "next:     dvc repro" in printed, printed
    assert not (project / "out.txt").exists(), "an output of a refused run is left"
    assert not (project / "kept").exists()
    assert not (project / "dvc.lock").exists(), "the run was recorded"


def recorded(project: Path) -> None:
    code, printed = repro(project, lambda _: None)
    assert code == 0, printed
    assert (project / "dvc.lock").exists()


def test_a_source_edited_while_its_stage_runs_is_not_recorded_as_what_ran(project: Path) -> None:
    refused(project, appended("training/slow.py"), "training/slow.py")


@pytest.mark.long
@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (appended("table.csv"), "table.csv"),
        (undone("table.csv"), "table.csv"),
        (lambda project: (project / "table.csv").unlink() or (project / "table.csv").touch(), "table.csv"),
        (appended("lookup/deep/names.csv"), "lookup/deep/names.csv"),
        (lambda project: (project / "lookup/new.csv").touch(), "lookup/new.csv"),
        (lambda project: (project / "lookup/deep/names.csv").rename(project / "lookup/names.csv"), "lookup/names.csv"),
        (replaced("rate: 1", "rate: 2"), "slow in params.yaml"),
        (replaced("2013-01-01", "2013-01-02"), "slow in params.yaml"),
        (replaced("- out.txt", "- other.txt", "dvc.yaml"), "other outputs in dvc.yaml"),
    ],
    ids=["data", "undone", "anew", "folder", "added", "moved", "parameter", "day", "outputs"],
)
def test_whatever_a_stage_reads_is_held_against_its_start(
    project: Path, edit: Callable[[Path], object], named: str
) -> None:
    if "dvc.yaml" not in named:
        refused(project, edit, named)
        recorded(project)
        return
    code, printed = repro(project, edit)
    assert code != 0, printed
    assert named in printed
    assert not (project / "dvc.lock").exists()


@pytest.mark.long
def test_what_a_stage_does_not_read_may_be_edited(project: Path) -> None:
    def edit(project: Path) -> None:
        replaced("other: 1", "other: 2")(project)
        (project / "README.md").write_text("edited\n")

    code, printed = repro(project, edit)
    assert code == 0, printed
    assert (project / "kept/part.txt").exists()
