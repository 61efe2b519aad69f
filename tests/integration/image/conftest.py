"""A registry, a base image and an image store of the tests' own.

The base is made from Debian's packages once a machine (SLIPWAY_CACHE keeps it); the store is
kept too, so that only the first run builds from nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("SLIPWAY_CACHE", "~/.cache/slipway")).expanduser()
TOOLS = ("buildah", "podman", "runc", "skopeo", "docker-registry", "debootstrap")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


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
    layout = CACHE / "debian-base"
    subprocess.run([ROOT / "serving/image/debian-base", layout], check=True)
    name = f"{local_registry}/debian-python"
    copy = ["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]
    subprocess.run([*copy, f"oci:{layout}:base", f"docker://{name}:bookworm"], check=True)
    return f"{name}@{inspected(f'{name}:bookworm')['Digest']}"


def inspected(reference: str) -> dict[str, Any]:
    words = ["skopeo", "inspect", "--tls-verify=false", f"docker://{reference}"]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return found


def store(folder: Path) -> dict[str, str]:
    """Say how an image tool keeps everything below `folder`, and runs without a daemon's privileges."""
    folder.mkdir(parents=True, exist_ok=True)
    kept, running, limits = folder / "storage.conf", folder / "run", folder / "containers.conf"
    kept.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "graph"}"\nrunroot = "{running}"\n')
    limits.write_text(
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        '[network]\nnetwork_backend = "netavark"\n'
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n'
    )
    return {
        "CONTAINERS_STORAGE_CONF": str(kept),
        "CONTAINERS_CONF": str(limits),
        "BUILDAH_ISOLATION": "chroot",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


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

    def run(folder: Path, *words: str, environment: Mapping[str, str] = kept_store, code: int = 0) -> dict[str, Any]:
        command = [sys.executable, "-m", "serving.image", str(folder), "--json", *words]
        settings = {"SLIPWAY_BASE_IMAGE": base, "SLIPWAY_REGISTRY": f"{local_registry}/slipway"}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **settings, **environment},
            cwd=ROOT,
        )
        assert done.returncode == code, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return run
