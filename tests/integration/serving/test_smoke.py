"""The smoke test of a release, asked of a real server: what holds, and each thing that may not."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import smoke
from tests.fixtures.servers import Server, free_port
from tests.integration.serving.conftest import MODEL, Start

MANIFEST = json.loads((MODEL / "manifest.json").read_text())
DIGEST = "sha256:" + "7" * 64


def release(server: Server, keys: Path, **changed: str) -> list[str]:
    said = {
        "url": server.url,
        "folder": str(MODEL),
        "key": str(keys),
        "model": "flight-delay",
        "version": "7",
        "image-digest": DIGEST,
        "model-sha256": MANIFEST["files"]["model.onnx"]["sha256"],
        "golden-sha256": MANIFEST["files"]["golden.json"]["sha256"],
        "latency-milliseconds": "2000",
        "seconds": "2",
    }
    return [
        f"--{name}={value}" for name, value in (said | {k.replace("_", "-"): v for k, v in changed.items()}).items()
    ]


def run(words: list[str]) -> tuple[int, dict[str, Any]]:
    said: list[str] = []
    code = smoke.main(words, said.append)
    assert len(said) == 1, "one line"
    return code, json.loads(said[0])


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    """One server for all: nothing here changes it."""
    made = Server(MODEL, tmp_path_factory.mktemp("released"), jwks=keys / "jwks.json", image_digest=DIGEST,
                  journal="off", burst_limit="100000/second", sustained_limit="1000000/minute")  # fmt: skip
    yield made.start()
    made.stop()


def test_a_release_that_is_what_it_says(released: Server, keys: Path) -> None:
    code, said = run(release(released, keys))
    assert (code, said["ok"], said["failed"]) == (0, True, [])
    assert said["held"]["model version"] == "7"


LIES = {
    "model": ("model", "another"),
    "version": ("model version", "8"),
    "image_digest": ("image digest", "sha256:" + "8" * 64),
    "model_sha256": ("model sha256", "0" * 64),
    "golden_sha256": ("golden.json sha256", "0" * 64),
    "latency_milliseconds": ("latency", "0.001"),
}


@pytest.mark.parametrize("field", LIES)
def test_a_release_that_is_not(released: Server, keys: Path, field: str) -> None:
    check, value = LIES[field]
    code, said = run(release(released, keys, **{field: value}))
    assert (code, [one["check"] for one in said["failed"]]) == (4, [check])


def test_answers_that_are_not_the_registered_ones(released: Server, keys: Path, tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "model")
    golden = json.loads((MODEL / "golden.json").read_text())
    golden["probabilities"][3] += 0.001
    content = json.dumps(golden)
    (tmp_path / "model/golden.json").write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    words = release(released, keys, folder=str(tmp_path / "model"), golden_sha256=digest)
    code, said = run(words)
    assert (code, [one["check"] for one in said["failed"]]) == (4, ["golden answers"])


@pytest.mark.long
def test_an_open_server_is_no_release(start: Start, keys: Path) -> None:
    server = start(auth="off", image_digest=DIGEST, journal="off")
    code, said = run(release(server, keys))
    assert (code, [one["check"] for one in said["failed"]]) == (4, ["asks for a token"])


def test_a_foreign_key_is_told_from_a_bad_release(released: Server, tmp_path: Path) -> None:
    from serving.access import token

    token.ensure_keys(tmp_path)
    code, said = run(release(released, tmp_path))
    assert code == 4
    assert {"check": "version", "ok": False, "expected": 200, "found": 401} in said["failed"]


def test_no_server_is_unavailable(released: Server, keys: Path) -> None:
    code, said = run(release(released, keys, url=f"http://127.0.0.1:{free_port()}", seconds="0.5"))
    assert (code, said["error"]) == (5, "Unavailable")


@pytest.mark.parametrize("wrong", [{"url": "nowhere"}, {"key": "/nowhere"}, {"folder": "/nowhere"}])
def test_a_wrong_call_is_bad_input(released: Server, keys: Path, wrong: dict[str, str]) -> None:
    code, said = run(release(released, keys, **wrong))
    assert (code, said["error"]) == (3, "BadInput")


def test_it_runs_as_a_module(released: Server, keys: Path) -> None:
    command = [sys.executable, "-m", "serving.smoke", *release(released, keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)
