"""The graph that `dvc repro` runs, and the remotes that its outputs go to."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp
import pytest
import yaml

from tests.integration.s3 import S3

ROOT = Path(__file__).parents[3]
DVC = Path(sys.executable).with_name("dvc")


def dvc(folder: Path, *words: str, code: int = 0, environment: Mapping[str, str] | None = None) -> str:
    settings = {
        **os.environ,
        "PATH": f"{DVC.parent}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        **(environment or {}),
    }
    ran = subprocess.run([DVC, *words], cwd=folder, capture_output=True, text=True, check=False, env=settings)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Git and DVC repository with one cheap stage and the project's own DVC settings."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    stage = {"cmd": "echo table > table.txt", "outs": ["table.txt"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"fetch": stage}}))
    dvc(tmp_path, "repro")
    return tmp_path


def forget(repository: Path) -> None:
    (repository / "table.txt").unlink()
    shutil.rmtree(repository / ".dvc/cache")


@pytest.mark.long
def test_the_default_remote_is_a_folder_of_the_project(repository: Path) -> None:
    dvc(repository, "push")
    assert list((repository / "var/dvc").rglob("*"))
    forget(repository)
    dvc(repository, "pull")
    assert (repository / "table.txt").read_text() == "table\n"


@pytest.mark.long
def test_outputs_travel_through_s3(repository: Path, s3: S3) -> None:
    dvc(repository, "remote", "add", "--local", "--default", "s3", f"s3://{s3.bucket}/dvc")
    dvc(repository, "remote", "modify", "--local", "s3", "endpointurl", s3.endpoint)
    dvc(repository, "push", environment=s3.environment())
    forget(repository)
    dvc(repository, "pull", environment=s3.environment())
    assert (repository / "table.txt").read_text() == "table\n"


@pytest.mark.long
def test_a_remote_that_refuses_the_credentials_says_so(repository: Path, s3: S3) -> None:
    dvc(repository, "remote", "add", "--local", "--default", "s3", f"s3://{s3.bucket}/refused")
    dvc(repository, "remote", "modify", "--local", "s3", "endpointurl", s3.endpoint)
    said = dvc(repository, "push", code=255, environment=s3.environment(secret_key="wrong"))
    assert "Forbidden" in said or "403" in said or "signature" in said.lower(), said
    assert "wrong" not in said


def test_the_lock_file_is_of_this_code_and_these_parameters() -> None:
    """A change to a stage's code that was not followed by `dvc repro` fails here, not at a release."""
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(lock) == set(stages)
    stale = [
        f"{name}: {dependency['path']}"
        for name, stage in lock.items()
        for dependency in stage["deps"]
        if (ROOT / dependency["path"]).suffix not in {".parquet", ".onnx", ".skops", ".json"}
        and hashlib.md5((ROOT / dependency["path"]).read_bytes()).hexdigest() != dependency["md5"]  # noqa: S324
    ]
    assert not stale, f"run dvc repro and commit dvc.lock: {stale}"
    assert {d["path"] for s in lock.values() for d in s["deps"]} == {d for s in stages.values() for d in s["deps"]}


def test_every_module_a_stage_imports_is_among_its_dependencies() -> None:
    """What changes a stage's result makes it run again."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    graph = grimp.build_graph("training", "flights", "slipway", cache_dir=None)
    free = {"training.layout", "training.params", "training.stage"}
    free |= {"slipway.errors", "slipway.atomic", "slipway.names", "slipway.params_file", "slipway.strict_yaml"}
    for name, stage in stages.items():
        # What a task offers is imported by its name, which no graph of imports shows: the flights have two classes.
        named = {module for module in TASKS.get(name, ()) if module in graph.modules}
        started = [module_of(stage["cmd"]), *named]
        used = named.union(*(graph.find_upstream_modules(module, as_package=False) for module in started))
        missing = {file_of(module) for module in used - free - graph_roots(graph)}
        missing -= set(stage["deps"]) | CONSTANTS.get(name, set())
        assert not missing, f"{name}: {sorted(missing)}"


def module_of(command: str) -> str:
    name = command.removeprefix("python -m training.stage ")
    return name if "." in name else f"training.{name}"


def file_of(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


def graph_roots(graph: grimp.ImportGraph) -> set[str]:
    return {module for module in graph.modules if "." not in module}


# Reached through files that are dependencies: the prepared rows and the model.
TRAINED = ("training.tasks.binary", "slipway.tasks.binary")
TASKS = {"train": TRAINED, "evaluate": (*TRAINED, "training.evaluation.binary", "slipway.metrics.binary")}
CONSTANTS = {"evaluate": {"training/features.py"}}
