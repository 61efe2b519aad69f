"""How each server of the comparison is started, asked and told from its neighbours.

All get the same model and the same rows; each in the form that its own documentation shows.
MLServer's pins clash with ours: it gets an environment of its own under var/bench.
"""

from __future__ import annotations

import atexit
import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from journal import upkeep
from serving.access import token
from tests.fixtures.servers import Postgres, Redis, Server, free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVER_CORE = "0"
UNLIMITED = {"SLIPWAY_BURST_LIMIT": "1000000/second", "SLIPWAY_SUSTAINED_LIMIT": "60000000/minute"}
# Its workers ask for a loop that newer versions of uvloop no longer make by themselves.
MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Started:
    """A server that was started; `began` is when, `settled` whether it is done with that."""

    process: psutil.Process
    url: str
    began: float
    headers: dict[str, str]
    settled: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Peer:
    """A server to compare: how to start it, and rows in the form it takes."""

    start: Callable[[], Started]
    body: Callable[[Rows], dict[str, Any]]


def peers(work: Path, folder: Path) -> dict[str, Peer]:
    """Return every server by the name in the table; `folder` holds the exported model and model.joblib."""

    def python(name: str) -> Peer:
        command = [sys.executable, str(HERE / "peers.py"), name, str(folder), "{port}"]
        return Peer(lambda: _start(command, "/predict", {}), _rows)

    def bento(service: str, folder_of_it: Path, environment: dict[str, str]) -> Peer:
        command = [sys.executable, "-m", "bentoml", "serve", service, "--working-dir", str(folder_of_it)]
        settings = {"BENTOML_DO_NOT_TRACK": "True"} | environment
        return Peer(lambda: _start([*command, "--port", "{port}"], "/predict", settings), _rows)

    mounted = {"SLIPWAY_AUTH": "off", "SLIPWAY_MODEL": str(folder)} | UNLIMITED
    peer_folder = {"PEER_FOLDER": str(folder)}
    return {
        "uvicorn echo": python("echo"),
        "slipway, everything on": Peer(lambda: _ours(work, folder), _rows),
        "slipway, mounted in a Bento": bento("serving.service:Slipway", ROOT, mounted),
        "FastAPI + ONNX, no feature": python("fastapi-onnx"),
        "BentoML + ONNX": bento("bento_peers:Onnx", HERE, peer_folder),
        "FastAPI + scikit-learn": python("fastapi-sklearn"),
        "BentoML + scikit-learn": bento("bento_peers:Sklearn", HERE, peer_folder),
        "mlflow models serve": Peer(lambda: _mlflow(work, folder), lambda rows: _frame(rows, folder)),
        "MLServer, scikit-learn": Peer(lambda: _mlserver(work, folder), lambda rows: _tensors(rows, folder)),
    }


def _ours(work: Path, folder: Path) -> Started:
    place = Path(tempfile.mkdtemp(dir=work))
    place.chmod(0o755)
    database, redis = Postgres(), Redis(place / "redis")
    atexit.register(redis.kill)
    atexit.register(database.stop)
    url = database.new_database()
    upkeep.migrate(url)
    jwks = token.ensure_keys(place / "keys")
    bearer = token.make(place / "keys", "bench", ("predict",), 3600, "slipway", "slipway")
    server = Server(
        folder, place / "server", jwks=jwks, redis_url=redis.url, database_url=url, environment="production",
        burst_limit="1000000/second", sustained_limit="60000000/minute", spool_bytes=1 << 30,
    )  # fmt: skip
    for room in ("serving", "journal", "slipway"):  # as the image holds it, and as every peer's libraries are installed
        compileall.compile_dir(ROOT / room, quiet=1)
    began = time.monotonic()
    server.begin(prefix=("taskset", "-c", SERVER_CORE))  # every peer is asked until it answers right
    headers = {"authorization": f"Bearer {bearer}"}
    return Started(psutil.Process(server.process.pid), server.url + "/predict", began, headers, server.ready)


def _mlflow(work: Path, folder: Path) -> Started:
    import joblib
    import mlflow

    saved = work / "mlflow-model"
    if not saved.exists():
        model = joblib.load(folder / "model.joblib")
        mlflow.sklearn.save_model(
            model, saved, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle", pip_requirements=[]
        )
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(saved), "--env-manager", "local"]
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true"}
    return _start([*command, "--workers", "1", "--port", "{port}"], "/invocations", settings)


def _mlserver(work: Path, folder: Path) -> Started:
    environment = ROOT / "var/bench/mlserver"
    _install(environment)
    place = Path(tempfile.mkdtemp(dir=work))
    settings = {
        "host": "127.0.0.1",
        "parallel_workers": 1,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "debug": False,
    }
    model = {
        "name": "flights",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(folder / "model.joblib"), "version": "7"},
    }
    (place / "model-settings.json").write_text(json.dumps(model))
    (place / "settings.json").write_text(json.dumps(settings))
    command = [str(environment / "bin/mlserver"), "start", str(place)]
    return _start(
        command,
        "/v2/models/flights/infer",
        {"PYTHONPATH": "", "MLSERVER_HTTP_PORT": "{port}", "MLSERVER_METRICS_DIR": str(place / "metrics")},
    )


def _install(environment: Path) -> None:
    """Give MLServer an environment with the scikit-learn that made the model."""
    if (environment / "bin/mlserver").exists():
        return
    from importlib.metadata import version

    same = [f"{name}=={version(name)}" for name in ("scikit-learn", "numpy", "pandas", "joblib")]
    subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
    install = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(environment / "bin/python")]
    subprocess.run([*install, *MLSERVER, *same], check=True)


def _start(command: list[str], path: str, environment: dict[str, str]) -> Started:
    port = str(free_port())
    words = ["taskset", "-c", SERVER_CORE, *(word.replace("{port}", port) for word in command)]
    chosen = {name: value.replace("{port}", port) for name, value in environment.items()}
    clean = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | chosen
    began = time.monotonic()
    process = subprocess.Popen(words, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Started(psutil.Process(process.pid), f"http://127.0.0.1:{port}{path}", began, {})


def _rows(rows: Rows) -> dict[str, Any]:
    return {"rows": rows}


def _names(folder: Path) -> dict[str, str]:
    content = json.loads((folder / "schema.json").read_bytes())
    kinds = {feature["name"]: feature["type"] for feature in content["features"]}
    return {name: kinds[name] for name in content["inputs"]["numeric"] + content["inputs"]["categorical"]}


def _frame(rows: Rows, folder: Path) -> dict[str, Any]:
    names = list(_names(folder))
    return {"dataframe_split": {"columns": names, "data": [[row.get(name) for name in names] for row in rows]}}


def _tensors(rows: Rows, folder: Path) -> dict[str, Any]:
    inputs = []
    for name, kind in _names(folder).items():
        text = kind == "string"
        data = [row.get(name, "" if text else None) for row in rows]
        tensor = {"name": name, "shape": [len(rows)], "datatype": "BYTES" if text else "FP64", "data": data}
        inputs.append(tensor | ({"parameters": {"content_type": "str"}} if text else {}))
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}
