"""One small table for each task, through the real stages, registered in an embedded store and exported: made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine

from journal import upkeep
from registry.export import export
from registry.register import Registration, register
from registry.tracking import Tracking, open_store
from tests.fixtures.servers import Postgres, Redis, Server
from tests.integration.registry import project
from tests.integration.training import tables
from tests.integration.training.tables import Table

WINES = ("Barolo", "Grignolino", "Barbera")
COMMON = {key: tables.SMALL_GATE[key] for key in ("confidence", "resamples", "seed", "size_bytes", "latency_p99_ms")}
CLASSES_GATE: dict[str, Any] = COMMON | {
    "minimum": {"rows": 40, "rarest_class": 8, "blocks": 30},
    "non_inferiority": {"log_loss": 0.05, "roc_auc": 0.02},
    "floors": {"roc_auc": 0.9, "log_loss": 0.4, "balanced_accuracy": 0.85},
    "slices": {"minimum_rows": 40, "minimum_of_a_class": 5, "roc_auc": 0.8},
    "calibration_error": 0.15,
}
NUMBER_GATE: dict[str, Any] = COMMON | {
    "minimum": {"rows": 100, "blocks": 30},
    "non_inferiority": {"rmse": 3.0, "mae": 3.0},
    "floors": {"r2": 0.3, "rmse": 70.0, "mae": 55.0},
    "slices": {"minimum_rows": 40, "mae": 60.0},
    "interval_coverage": 0.09,
}
TWO_GATE = tables.SMALL_GATE | {
    "minimum": {"rows": 40, "positives": 10, "blocks": 30},
    "slices": {"minimum_rows": 40, "minimum_positives": 5, "roc_auc": 0.8},
}


def named(loaded: Any) -> pd.DataFrame:
    return pd.DataFrame(loaded.data, columns=[f"f{place}" for place in range(loaded.data.shape[1])])


def wine(label: Callable[[int], Any]) -> pd.DataFrame:
    loaded = load_wine()
    return named(loaded).assign(label=[label(kind) for kind in loaded.target])


def tables_of() -> dict[str, Table]:
    linear = {"max_iter": 300}
    diabetes = load_diabetes()
    return {
        "binary": Table(
            wine(lambda kind: "yes" if kind == 0 else "no"), "LogisticRegression", linear,
            gate=TWO_GATE, label={"type": "str", "in": ["yes", "no"]}, target={"task": "binary", "positive": "yes"},
            train={"decision": {"costs": {"false_positive": 1.0, "false_negative": 5.0}}},
        ),
        "multiclass": Table(
            wine(WINES.__getitem__), "LogisticRegression", linear, gate=CLASSES_GATE,
            label={"type": "str", "in": list(WINES)}, target={"task": "multiclass"},
        ),
        "regression": Table(
            named(diabetes).assign(label=diabetes.target), "Ridge", {"alpha": 0.1}, gate=NUMBER_GATE,
            label={"type": "float64", "min": 25, "max": 346}, target={"task": "regression", "unit": "point"},
        ),
    }  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A model of one task: its project, its version, and that version as a folder."""

    task: str
    root: Path
    registration: Registration
    folder: Path

    def json(self, file: str) -> Any:
        return json.loads((self.root / file).read_text())

    @property
    def test(self) -> pd.DataFrame:
        return pd.read_parquet(self.root / "data/prepared/test.parquet")

    def rows(self, count: int) -> list[dict[str, Any]]:
        features = self.test.drop(columns=["row_id", "block", "label"]).head(count)
        return [{str(name): float(value) for name, value in row.items()} for row in features.to_dict("records")]


@pytest.fixture(scope="session", params=["binary", "multiclass", "regression"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Run validate, train and evaluate, then register and export."""
    task = request.param
    root = tmp_path_factory.mktemp(task)
    given = tables_of()[task]
    given.write(root)
    gate = given.gate  # the whole of it: each task has keys of its own
    (root / "params.yaml").write_text(json.dumps(given.params() | {"gate": gate}))
    ran = tables.run(root, "validate", "train", "evaluate")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    project.lock(root)
    (root / ".gitignore").write_text("/var/\n/model/\n/data/\n/reports/\n")
    project.git(root, "init", "-q", "-b", "main")
    project.commit(root)
    done = registered(root)
    folder = root / "var/exported"
    export(store(root), "small", str(done.version.number), folder)
    return Made(task, root, done, folder)


def store(root: Path) -> Tracking:
    place = root / "var/mlflow"
    place.mkdir(parents=True, exist_ok=True)
    return open_store(f"sqlite:///{place / 'mlflow.db'}")


def registered(root: Path) -> Registration:
    return register(root, lambda: store(root), (root / "var/mlflow/artifacts").as_uri(), False, lambda _: None)


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    server = Postgres()
    url = server.new_database()
    upkeep.migrate(url)
    yield url
    server.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server.url
    server.kill()


@pytest.fixture(scope="session")
def client(
    made: Made, database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Speak to a server of this model that keeps a journal and a cache."""
    server = Server(
        made.folder, tmp_path_factory.mktemp("server"), auth="off", database_url=database, redis_url=redis_url,
        cache_redis="on", cache_secret="s" * 32,
    )  # fmt: skip
    server.start()
    with httpx.Client(base_url=server.url, timeout=20) as made_client:
        yield made_client
    server.stop()


def answers(made: Made, count: int) -> np.ndarray:
    """Return what evaluate reported of the first test rows."""
    column = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}[made.task]
    reported = pd.read_parquet(made.root / "reports/predictions.parquet")[column]
    return np.array(reported.head(count).to_list(), np.float64)
