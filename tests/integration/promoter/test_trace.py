"""From the id of a request that a real server answered to the data behind its model, by its journal in PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from journal import upkeep
from registry import logged_model
from serving.access import token
from tests.fixtures.servers import Postgres, Server, wait_until
from tests.fixtures.typed import Typed, typed
from tests.integration.promoter.conftest import PromoterSite

MODEL = Path(__file__).parents[2] / "fixtures/flight-delay"
pytestmark = pytest.mark.long


def registered(site: PromoterSite) -> dict[str, Any]:
    """Register the model of the fixture under the number that its manifest says; return the manifest."""
    manifest: dict[str, Any] = json.loads((MODEL / "manifest.json").read_text())
    name, number = manifest["model"]["name"], int(manifest["model"]["version"])
    tracking = site.tracking()
    run = tracking.client.create_run(logged_model.prepare(tracking, name, None)).info.run_id
    for one in range(1, number + 1):
        tags = {"image_digest": f"sha256:{one:064x}", "git_commit": manifest["git_commit"], "verdict": "passed"}
        tags |= {"data_md5": manifest["data_md5"]}
        tracking.client.create_model_version(name, f"runs:/{run}/model", run_id=run, tags=tags)
    return manifest | {"run": run}


def ask(server: Server, bearer: str, name: str) -> None:
    rows = json.loads((MODEL / "golden.json").read_text())["rows"][:2]
    headers = {"authorization": f"Bearer {bearer}", "x-request-id": name}
    httpx.post(f"{server.url}/predict", json={"rows": rows}, headers=headers, timeout=10).raise_for_status()


def traced(site: PromoterSite, folder: Path, database: str, *words: str) -> Typed:
    settings = {
        "SLIPWAY_GITOPS_REMOTE": str(site.remote), "SLIPWAY_AUDIT_URL": str(site.audit.engine.url),
        "SLIPWAY_ACTOR": "Ada <ada@example.org>", "MLFLOW_TRACKING_URI": site.store,
        "KUBECONFIG": str(site.kubeconfig), "SLIPWAY_DATABASE_URL": database, "HOME": str(folder),
    }  # fmt: skip
    return typed(["trace", *words], settings, folder)


def test_a_request_is_walked_to_version_run_commit_and_data(
    site: PromoterSite, postgres: Postgres, tmp_path: Path
) -> None:
    database = postgres.new_database()
    upkeep.migrate(database)
    with psycopg.connect(database, autocommit=True) as connection:  # as on a machine that is not on UTC
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET timezone TO 'Asia/Kolkata'")
    manifest = registered(site)
    jwks = token.ensure_keys(tmp_path / "keys")
    bearers = {one: token.make(tmp_path / "keys", one, ("predict",), 600, "slipway", "slipway") for one in ("a", "b")}
    server = Server(MODEL, tmp_path / "server", jwks=jwks, database_url=database).start()
    try:
        for bearer, name in (
            (bearers["a"], "flight-0000000000001"),
            (bearers["b"], "flight-0000000000002"),
            (bearers["a"], "flight-0000000000002"),
        ):
            ask(server, bearer, name)
        with psycopg.connect(database, autocommit=True) as connection:
            count = "SELECT count(*) FROM predictions"
            wait_until(lambda: connection.execute(count).fetchone() == (3,), what="the journal being written")
    finally:
        server.stop()

    done = traced(site, tmp_path, database, "flight-0000000000001", "--json")
    assert done.code == 0, done.err
    said = done.said()
    assert (said["kind"], said["model"], said["version"], said["run_id"]) == (
        "prediction",
        "flight-delay",
        7,
        manifest["run"],
    )
    assert (said["git_commit"], said["data_md5"]) == (manifest["git_commit"], manifest["data_md5"])
    (one,) = said["predictions"]
    assert (one["request_id"], len(one["scores"]), one["version"]) == ("flight-0000000000001", 2, 7)
    assert one["at"].endswith("+00:00")
    assert len(traced(site, tmp_path, database, "flight-0000000000002", "--json").said()["predictions"]) == 2
    text = traced(site, tmp_path, database, "flight-0000000000001").out
    assert "flight-0000000000001  predicted" in text
    assert f"data     md5 {manifest['data_md5']}" in text

    done = traced(site, tmp_path, database, "'; DROP TABLE predictions; --", "--json")
    assert done.code == 3
    assert "is unknown to" in done.said()["thing"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM predictions").fetchone() == (3,)
        connection.execute("UPDATE predictions SET model_version = 'dev' WHERE request_id = 'flight-0000000000001'")
    done = traced(site, tmp_path, database, "flight-0000000000001", "--json")
    assert (done.code, done.said()["found"]) == (3, "version dev")
