from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.release.oci import Images

pytestmark = pytest.mark.image
KIND = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "images")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(settings))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", tmp_path / "registry.yml"], stdout=log, stderr=log)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1):
            break
        time.sleep(0.05)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def put(host: str, path: str, content: bytes, kind: str, verb: str = "PUT") -> str:
    request = urllib.request.Request(f"http://{host}{path}", content, {"Content-Type": kind}, method=verb)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.headers.get("Location", ""))


def push(host: str, tag: str, label: str) -> str:
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"l": label}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    place = put(host, "/v2/team/tiny/blobs/uploads/", b"", "application/octet-stream", "POST").removeprefix(
        f"http://{host}"
    )
    put(host, f"{place}&digest={digest}", config, "application/octet-stream")
    blob = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": KIND, "config": blob, "layers": []}).encode()
    put(host, f"/v2/team/tiny/manifests/{tag}", manifest, KIND)
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def test_an_image_is_there_by_digest_whatever_its_tag_says_now(host: str) -> None:
    first = push(host, "7", "first")
    assert Images().has(f"{host}/team/tiny", first) == (True, f"{host} has {first}")
    second = push(host, "7", "second")
    assert first != second
    assert Images().has(f"{host}/team/tiny", first)[0] is True
    assert Images().has(f"{host}/team/tiny", f"sha256:{'0' * 64}")[0] is False
    assert Images().has(f"{host}/team/other", first)[0] is False


def test_a_registry_that_does_not_answer_says_neither_yes_nor_no() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        assert Images().has(f"127.0.0.1:{found.getsockname()[1]}/a", f"sha256:{'0' * 64}")[0] is None
