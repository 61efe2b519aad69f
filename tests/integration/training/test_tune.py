import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flights import prepare

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@pytest.fixture
def prepared(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    text = (project / "params.yaml").read_text()
    text = text.replace("candidates: 20", "candidates: 3").replace("folds: 3", "folds: 2")
    (project / "params.yaml").write_text(
        text.replace("estimator: HistGradientBoosting", "estimator: HistGradientBoosting")
    )
    prepare.main()
    return project


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler and two workers, each a process of its own."""
    address = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with contextlib.ExitStack() as running:
        commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", address]]
        worker = ["worker", "--scheduler-file", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        for words in [*commands, worker, worker]:
            process = subprocess.Popen([BIN / "dask", *words], env=environment, **quiet)  # type: ignore[call-overload]
            running.callback(process.wait)
            running.callback(process.terminate)
        yield str(address)


def slipway(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BIN / "slipway", *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def found(ran: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, object] = json.loads(ran.stdout)
    return answer


@pytest.mark.long
def test_a_cluster_finds_what_one_machine_finds(prepared: Path, scheduler: str) -> None:
    address = wait_for_address(Path(scheduler))
    there = found(slipway(prepared, "tune", "--json", "--scheduler", address))
    here = found(slipway(prepared, "tune", "--json", "--jobs", "1"))
    assert there == here
    kept_in_mlflow(prepared, address)
    applied(prepared, str(here["patch"]))


def wait_for_address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise AssertionError("no scheduler")


def kept_in_mlflow(project: Path, address: str) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{project / 'var/mlflow/mlflow.db'}")
    experiment = client.get_experiment_by_name("flight-delay-tune")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = {
        run.info.run_id: run.data.tags["slipway.scheduler"] for run in runs if "slipway.scheduler" in run.data.tags
    }
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") in parents]
    assert sorted(parents.values()) == sorted([address, "this machine"])
    assert len(children) == 6
    assert all("log_loss" in run.data.metrics and run.data.params["estimator"] for run in children)
    assert {run.info.status for run in runs} == {"FINISHED"}


def applied(project: Path, change: str) -> None:
    if change:
        subprocess.run(["git", "init", "--quiet", project], check=True)
        subprocess.run(["git", "apply"], cwd=project, input=change, text=True, check=True)


@pytest.mark.long
def test_a_scheduler_that_does_not_answer_is_named(prepared: Path) -> None:
    ran = slipway(prepared, "tune", "--scheduler", "tcp://127.0.0.1:1")
    assert ran.returncode == 5
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in ran.stderr
