"""A version's files in S3, read with boto3 and the variables that MLflow's client takes for it.

Source: https://mlflow.org/docs/latest/self-hosting/architecture/artifact-store/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class S3Files:
    """The keys of a bucket below a prefix; `owner` is the account that the bucket must belong to, if any."""

    client: Any = field(repr=False)
    bucket: str
    prefix: str
    owner: Mapping[str, str]

    def names(self, *, folders: bool = False) -> list[str]:
        """Return the names of the keys right below the prefix, or of the folders."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.prefix}/", Delimiter="/", **self.owner
        )
        rows, key = ("CommonPrefixes", "Prefix") if folders else ("Contents", "Key")
        keys = [row[key].removeprefix(f"{self.prefix}/") for page in pages for row in page.get(rows, [])]
        return sorted(name.rstrip("/") for name in keys if name)

    def download(self, file: str, folder: Path) -> Path:
        """Download one key into `folder`; return where it is now."""
        target = folder / file
        extra = {"ExtraArgs": dict(self.owner)} if self.owner else {}
        self.client.download_file(self.bucket, f"{self.prefix}/{file}", str(target), **extra)
        return target


def client(environment: Mapping[str, str]) -> Any:
    """Return a client of S3, which takes a quarter of a second to make."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    signature: Any = environment.get("MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION", "s3v4")
    return boto3.client(
        "s3",
        endpoint_url=environment.get("MLFLOW_S3_ENDPOINT_URL") or None,
        verify=False if environment.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1") else None,
        config=Config(
            signature_version=UNSIGNED if signature.lower() == "unsigned" else signature,
            s3={"addressing_style": environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE") or "auto"},
        ),
    )


def files(location: str, s3_client: Any, environment: Mapping[str, str]) -> S3Files:
    """Return the files at `location`, an address s3://BUCKET/PREFIX."""
    account = environment.get("MLFLOW_S3_EXPECTED_BUCKET_OWNER")
    owner = {"ExpectedBucketOwner": account} if account else {}
    parts = urlsplit(location)
    return S3Files(s3_client, parts.netloc, parts.path.strip("/"), owner)
