"""A model whose features are called as tables call them, served for real."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.servers import Server
from tests.integration.serving.conftest import MODEL, Client

ODD = (
    "mean radius", "Sepal.Length", "a-b", "1st", "self", "class", "__init__", "", 'say "hi"', "caf\u00e9", "cafe\u0301",
    "\U0001f600", "back\\slash", "a:b", "rows", "x" * 300,
)  # fmt: skip


def renamed(folder: Path) -> Path:
    """Copy the fixture's model with other names of features."""
    shutil.copytree(MODEL, folder)
    contract = json.loads((folder / "schema.json").read_bytes())
    old = contract["inputs"]["numeric"] + contract["inputs"]["categorical"]
    names = dict(zip(old, ODD, strict=True))
    contract["inputs"] = {kind: [names[n] for n in listed] for kind, listed in contract["inputs"].items()}
    for feature in contract["features"]:
        feature["name"] = names[feature["name"]]
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["rows"] = [{names[n]: value for n, value in row.items()} for row in golden["rows"]]
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, content in (("schema.json", contract), ("golden.json", golden)):
        raw = json.dumps(content).encode()
        (folder / name).write_bytes(raw)
        manifest["files"][name] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.long
def test_features_of_any_name_are_served_on_every_route(
    keys: Path, client: Callable[..., Client], tmp_path: Path, new_database: Callable[[], str]
) -> None:
    folder = renamed(tmp_path / "odd")
    server = Server(folder, tmp_path, jwks=keys / "jwks.json", database_url=new_database()).start()
    try:
        ask_everywhere(client(server), folder)
    finally:
        server.stop()


def ask_everywhere(caller: Client, folder: Path) -> None:
    golden: dict[str, Any] = json.loads((folder / "golden.json").read_bytes())
    rows = golden["rows"]
    by_rows = caller.predict(rows).raise_for_status().json()["predictions"]
    columns = {name: [row[name] for row in rows] for name in ODD}
    by_columns = caller.http.post("/predict", json={"columns": columns}).raise_for_status().json()["columns"]
    assert [next(iter(one.values())) for one in by_rows] == next(iter(by_columns.values()))
    properties = (
        caller.http.get("/openapi.json").raise_for_status().json()["components"]["schemas"]["Row"]["properties"]
    )
    assert set(properties) == set(ODD)
    assert 'feature="mean radius"' in caller.http.get("/metrics").raise_for_status().text
    answer = caller.predict([rows[0] | {"mean radius": "x"}])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "rows[0].mean radius"
