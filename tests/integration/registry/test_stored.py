"""A row without its files, files without a row, files cut short, a store that is away: each is said for what it is."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from registry import stored
from registry.tracking import open_store
from slipway.answer import Answer
from slipway.artifact import DIGEST_TAGS
from tests.fixtures.registered import uploaded
from tests.integration.registry.conftest import Store
from tests.integration.registry.proxy import Proxy
from tests.integration.s3 import S3

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
def folder(root: Path, store: Store) -> Path:
    """The folder of a registered version in the artifact store."""
    store.register(root)
    return next((root / "var/mlflow/artifacts").rglob("MLmodel")).parent


@pytest.mark.parametrize("file", DIGEST_TAGS)
def test_a_row_whose_file_was_cut_short_or_is_gone(folder: Path, store: Store, file: str) -> None:
    tracking = store.open()
    (version,) = tracking.versions("tiny")
    assert stored.whole(tracking, version) == Answer(True, "the artifact store has what was registered")
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1])
    answer = stored.whole(tracking, version)
    assert answer.passed is False
    assert answer.reason.startswith(f"{file} of tiny version 1 is not what was registered: ")
    (folder / file).unlink()
    assert stored.whole(tracking, version) == Answer(False, f"the artifact store has no {file} of version 1")
    assert stored.missing(tracking, version) == [file]


def test_files_that_a_database_of_an_earlier_day_does_not_know(root: Path, store: Store, tmp_path: Path) -> None:
    tracking = store.open()
    uploaded(tracking, "tiny", artifacts=store.artifacts)
    database, backup = root / "var/mlflow/mlflow.db", tmp_path / "backup.db"
    with contextlib.closing(sqlite3.connect(database)) as now, contextlib.closing(sqlite3.connect(backup)) as then:
        now.backup(then)
    _, later = uploaded(tracking, "tiny")
    assert stored.unowned(tracking, "tiny") == []
    tracking.client.delete_logged_model(later)  # deleted is known; `mlflow gc` takes its files
    assert stored.unowned(tracking, "tiny") == []
    assert stored.unowned(open_store(f"sqlite:///{backup}"), "tiny") == [later]
    assert stored.unowned(tracking, "nobody") == []


@pytest.mark.long
def test_an_s3_behind_a_server_that_is_slow_fails_or_lost_half(
    proxy: Proxy, store: Store, s3: S3, named: Callable[[str], Path]
) -> None:
    remote = type(store)(proxy.url, None)
    remote.register(named("half"))
    tracking = remote.open()
    (version,) = tracking.versions("half")
    assert stored.whole(tracking, version).passed is True
    assert stored.unowned(tracking, "half") == []

    proxy.before = lambda _method, path: 500 if "mlflow-artifacts" in path else None
    assert stored.whole(tracking, version).passed is None
    proxy.before, proxy.delay = lambda _method, _path: None, 30
    began = time.monotonic()
    assert stored.whole(tracking, version).passed is None
    assert time.monotonic() - began < 25
    proxy.delay = 0

    keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key, "region_name": "us-east-1"}
    bucket = boto3.resource("s3", endpoint_url=s3.endpoint, **keys).Bucket(s3.bucket)
    (model,) = tracking.stored_models("half")
    (found,) = [one for one in bucket.objects.all() if f"{model}/artifacts/model.onnx" in one.key]
    content = found.get()["Body"].read()
    found.put(Body=content[: len(content) // 2])
    answer = stored.whole(tracking, version)
    assert answer.passed is False
    assert "model.onnx of half version 1 is not what was registered" in answer.reason
    found.delete()
    assert stored.whole(tracking, version) == Answer(False, "the artifact store has no model.onnx of version 1")
