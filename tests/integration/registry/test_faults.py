from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.errors import Unavailable
from tests.integration.registry.conftest import Store
from tests.integration.registry.proxy import Proxy
from tests.integration.s3 import S3

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
FORK = multiprocessing.get_context("fork")
# Where a registration writes, in order: killed before and after each.
STEPS = (
    "runs/create",
    "runs/log-inputs",
    "logged-models",
    "runs/outputs",
    "mlflow-artifacts/artifacts",
    "runs/log-batch",
    "runs/update",
    "model-versions/create",
    "registered-models/alias",
)


@pytest.fixture
def remote(proxy: Proxy, store: Store) -> Store:
    """The MLflow server on PostgreSQL and S3, through the proxy."""
    return type(store)(proxy.url, None)


def state(store: Store, name: str) -> tuple[list[int], list[str], list[str]]:
    """Return the versions, the status of every active run, and who is challenger."""
    tracking = store.open()
    experiment = tracking.client.get_experiment_by_name(name)
    runs = tracking.client.search_runs([experiment.experiment_id]) if experiment else []
    versions = tracking.versions(name)
    challengers = [str(one.number) for one in versions if "challenger" in one.aliases]
    return [one.number for one in versions], [run.info.status for run in runs], challengers


def _register(store: Store, root: Path, kill_at: str = "") -> None:
    def say(step: str) -> None:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        store.register(root, say=say)
    except BaseException:  # noqa: BLE001 - a child reports by its exit code alone
        os._exit(1)
    os._exit(0)


def _killed_at(proxy: Proxy, when: str, step: str, store: Store, root: Path) -> None:
    child = FORK.Process(target=_register, args=(store, root))

    def kill(_method: str, path: str) -> None:
        if step in path and _method != "GET" and child.pid:
            os.kill(child.pid, signal.SIGKILL)

    setattr(proxy, when, kill)
    child.start()
    child.join(90)
    setattr(proxy, when, lambda _method, _path: None)
    assert child.exitcode == -signal.SIGKILL, f"{step} was never asked for"


@pytest.mark.parametrize("step", ["logging the run", "storing the model", "creating the version"])
@pytest.mark.long
def test_killed_at_any_step_the_rerun_leaves_exactly_one(store: Store, root: Path, step: str) -> None:
    store.open()  # imports and looks up in this process, so that the fork is quick
    child = FORK.Process(target=_register, args=(store, root, step))
    child.start()
    child.join(90)
    assert child.exitcode == -signal.SIGKILL
    done = store.register(root)
    assert state(store, "tiny") == ([done.version.number], ["FINISHED"], [str(done.version.number)])


@pytest.mark.long
def test_two_commands_at_once_converge_on_one_version(store: Store, root: Path) -> None:
    command = [str(Path(sys.executable).with_name("slipway")), "register", "-C", str(root), "--json"]
    # MLflow leaves the address of the store it opened last in this process's environment.
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    running = [subprocess.Popen(command, **piped) for _ in range(2)]
    said = [one.communicate(timeout=240) for one in running]
    codes = sorted(one.returncode for one in running)
    assert codes in ([0, 0], [0, 5]), said
    versions, runs, challengers = state(store, "tiny")
    assert (len(versions), runs, challengers) == (1, ["FINISHED"], [str(versions[0])])


@pytest.mark.parametrize(
    ("when", "step"),
    [(when, step) for step in STEPS for when in ("before", "after")],
)
@pytest.mark.long
def test_killed_at_any_request_the_rerun_leaves_exactly_one(
    proxy: Proxy, remote: Store, named: Callable[[str], Path], when: str, step: str
) -> None:
    name = f"killed-{when}-{step.replace('/', '-')}"
    root = named(name)
    remote.open()  # imports and looks up in this process, so that the fork is quick
    _killed_at(proxy, when, step, remote, root)
    done = remote.register(root)
    assert state(remote, name) == ([done.version.number], ["FINISHED"], [str(done.version.number)])


@pytest.mark.long
def test_three_at_once_through_a_server_converge_on_one_version(remote: Store, named: Callable[[str], Path]) -> None:
    root = named("at-once")
    remote.open()
    children = [FORK.Process(target=_register, args=(remote, root)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    remote.register(root)  # whoever comes last finds everything settled
    versions, runs, challengers = state(remote, "at-once")
    assert len(versions) == 1
    assert runs == ["FINISHED"]
    assert challengers == [str(versions[0])]
    assert [child.exitcode for child in children].count(0) >= 1


@pytest.mark.long
def test_a_server_that_answers_500_half_way_is_reported_and_the_rerun_completes(
    proxy: Proxy, remote: Store, named: Callable[[str], Path]
) -> None:
    root = named("five-hundred")
    proxy.before = lambda _method, path: 500 if "log-batch" in path else None
    with pytest.raises(Unavailable, match="could not log parameters"):
        remote.register(root)
    assert state(remote, "five-hundred")[0] == []
    proxy.before = lambda _method, _path: None
    done = remote.register(root)
    assert state(remote, "five-hundred") == ([done.version.number], ["FINISHED"], [str(done.version.number)])


@pytest.mark.long
def test_a_version_that_was_created_but_answered_500_is_not_created_twice(
    proxy: Proxy, remote: Store, named: Callable[[str], Path]
) -> None:
    root = named("answer-lost")
    seen: list[str] = []

    def lose_the_first(_method: str, path: str) -> int | None:
        if "model-versions/create" not in path:
            return None
        seen.append(path)
        return 500 if len(seen) == 1 else None

    proxy.after = lose_the_first
    remote.register(root)  # the client asks again by itself
    assert len(seen) == 2
    assert len(state(remote, "answer-lost")[0]) == 1


@pytest.mark.long
def test_a_slow_server_is_waited_for(proxy: Proxy, remote: Store, named: Callable[[str], Path]) -> None:
    proxy.delay = 0.1
    assert remote.register(named("slow")).created


@pytest.mark.long
def test_a_server_that_never_answers_is_given_up(proxy: Proxy, remote: Store, root: Path) -> None:
    proxy.delay = 30
    started = time.monotonic()
    with pytest.raises(Unavailable, match="could not"):
        remote.register(root)
    assert time.monotonic() - started < 25


@pytest.fixture
def direct(postgres: str, s3: S3, store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Store]:
    """PostgreSQL and S3 without a server between."""

    def connect(secret: str | None = None) -> Store:
        for variable, value in s3.environment(secret).items():
            monkeypatch.setenv(variable, value)
        return type(store)(postgres, f"s3://{s3.bucket}/direct")

    return connect


@pytest.mark.long
def test_postgresql_and_s3_directly(direct: Callable[..., Store], named: Callable[[str], Path], tmp_path: Path) -> None:
    from registry.export import export

    store, root = direct(), named("direct")
    done = store.register(root)
    assert done.created
    export(store.open(), "direct", str(done.version.number), tmp_path / "out")
    assert (tmp_path / "out/model.onnx").read_bytes() == (root / "model/model.onnx").read_bytes()


@pytest.mark.long
def test_s3_that_refuses_the_credentials_leaves_no_version(
    postgres: str, s3: S3, direct: Callable[..., Store], named: Callable[[str], Path]
) -> None:
    root = named("refused")
    ran = subprocess.run(  # a process of its own: MLflow keeps the client of the last credentials
        [Path(sys.executable).with_name("slipway"), "register", "-C", root],
        env={
            **os.environ,
            **s3.environment("a-wrong-secret"),
            "MLFLOW_TRACKING_URI": postgres,
            "SLIPWAY_ARTIFACT_ROOT": f"s3://{s3.bucket}/refused",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 5, ran.stdout + ran.stderr
    assert "could not store the model's files" in ran.stderr
    assert "a-wrong-secret" not in ran.stdout + ran.stderr
    assert state(direct(), "refused")[0] == []
    done = direct().register(root)
    assert state(direct(), "refused") == ([done.version.number], ["FINISHED"], [str(done.version.number)])
