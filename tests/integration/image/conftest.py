"""A registry, a base image and an image store of the tests' own.

The base is made from Debian's packages once a machine (SLIPWAY_CACHE keeps it); the store is
kept too, so that only the first run builds from nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.images import CACHE, ROOT, push_base, store
from tests.fixtures.servers import free_port

TOOLS = ("buildah", "podman", "runc", "skopeo", "docker-registry", "debootstrap")


def answers(url: str, seconds: float = 30) -> bytes:
    """Poll until `url` answers 200."""
    ends = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                content: bytes = answer.read()
                return content
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="session")
def tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    assert not missing, f"{', '.join(missing)} not on PATH; next: make image-tools"


@pytest.fixture(scope="session")
def local_registry(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        words = ["docker-registry", "serve", str(folder / "config.yml")]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        answers(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def base(local_registry: str) -> str:
    return push_base(local_registry)


@pytest.fixture(scope="session")
def kept_store(tools: None) -> dict[str, str]:
    return store(CACHE / "containers")


@pytest.fixture
def empty_store(tools: None, tmp_path: Path) -> Iterator[dict[str, str]]:
    folder = tmp_path / "store"
    yield store(folder) | {"SLIPWAY_CACHE": str(tmp_path / "cache")}
    subprocess.run(["umount", "--lazy", str(folder / "graph/overlay")], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


Build = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def build(base: str, local_registry: str, kept_store: dict[str, str]) -> Build:
    """Build and push the image of a folder; return what `--json` says."""

    def run(
        folder: Path,
        *words: str,
        environment: Mapping[str, str] = kept_store,
        source: Path = ROOT,
        code: int = 0,
    ) -> dict[str, Any]:
        command = [sys.executable, "-m", "image", str(folder), "--json", *words]
        settings = {"SLIPWAY_BASE_IMAGE": base, "SLIPWAY_REGISTRY": f"{local_registry}/slipway"}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **settings, **environment},
            cwd=source,
        )
        assert done.returncode == code, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return run
