"""`slipway tune`: runs the search here or on a Dask cluster and keeps every candidate in MLflow.

The parent run is the search, each candidate a child. What it recommends is a
patch to params.yaml: a search changes nothing by itself.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from slipway import mlflow_errors, room
from slipway.errors import BadInput, Unavailable
from slipway.redaction import without_credentials
from training import contract
from training.layout import CONTRACT, PREPARED
from training.params import Params
from training.search import Result, search

CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Where:
    """Where the search runs and where its runs are kept."""

    tracking_uri: str
    scheduler: str | None = None
    jobs: int = -1


def tune(params: Params, where: Where, seen: Callable[[Result], None]) -> list[Result]:
    """Search, log and return every candidate, the best first; `seen` hears of each as it is done.

    Raises:
        BadInput: there are no prepared rows, or params.yaml has no space for the estimator.
        Unavailable: the Dask scheduler or MLflow does not answer.
    """
    rows = _rows()
    with _on(where.scheduler, rows), _Log(params, where) as log:
        results = []
        for result in search(params, rows, where.jobs, contract.target(CONTRACT)):
            log.keep(result)
            seen(result)
            results.append(result)
    return sorted(results, key=lambda result: (next(iter(result.scores.values())), result.number))


class _Log:
    """The open parent run of one search."""

    def __init__(self, params: Params, where: Where) -> None:
        import mlflow

        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._mlflow: Any = mlflow
        self._client = mlflow.MlflowClient(tracking_uri=where.tracking_uri)
        self._where = without_credentials(where.tracking_uri)
        self._params = params
        self._scheduler = where.scheduler or "this machine"

    def __enter__(self) -> _Log:
        name = f"{self._params.model.name}-tune"
        with self._reaching():
            known = self._client.get_experiment_by_name(name)
            self._experiment = known.experiment_id if known else self._client.create_experiment(name)
            self._parent = self._start("search", {"slipway.scheduler": self._scheduler})
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        with contextlib.suppress(self._mlflow.exceptions.MlflowException):
            self._client.set_terminated(self._parent, "FAILED" if failed else "FINISHED")

    def keep(self, result: Result) -> None:
        with self._reaching():
            run = self._start(f"candidate {result.number}", {"mlflow.parentRunId": self._parent})
            metric = self._mlflow.entities.Metric
            now = int(time.time() * 1000)
            settings = {"estimator": self._params.train.estimator} | result.candidate
            self._client.log_batch(
                run,
                metrics=[metric(name, value, now, 0) for name, value in result.scores.items()],
                params=[self._mlflow.entities.Param(key, str(value)) for key, value in settings.items()],
            )
            self._client.set_terminated(run)

    def _start(self, name: str, tags: dict[str, str]) -> str:
        return str(self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except self._mlflow.exceptions.MlflowException as error:
            raise mlflow_errors.known(error, "keep a search's runs", self._where) or Unavailable(
                "MLflow did not take the search's runs",
                expected="a tracking server that answers",
                found=str(error).splitlines()[0],
                hint=mlflow_errors.hint(error),
            ) from error


@contextlib.contextmanager
def _on(scheduler: str | None, rows: pd.DataFrame) -> Iterator[None]:
    """Send joblib's work to the Dask cluster at `scheduler`, if one is named; the rows travel once."""
    if scheduler is None:
        yield
        return
    import joblib
    from distributed import Client

    try:
        client: Any = Client(scheduler, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise Unavailable(
            f"no Dask scheduler answers at {scheduler}",
            expected="an address such as tcp://host:8786",
            found=str(error).splitlines()[0] or type(error).__name__,
            hint="start one with: dask scheduler",
        ) from error
    client.register_worker_callbacks(room.find)
    with client, joblib.parallel_config("dask", scatter=[rows], wait_for_workers_timeout=CONNECT_SECONDS):
        yield


def _rows() -> pd.DataFrame:
    path = PREPARED / "train.parquet"
    if not path.exists():
        raise BadInput(f"{path} is not there", expected="prepared rows", hint="dvc repro prepare")
    return pd.read_parquet(path)
