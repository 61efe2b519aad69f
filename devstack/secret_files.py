"""The passwords of compose.yaml: one file each, made once by chance, below a folder that only its owner enters.

The files themselves may be read by all, since a container's user is another
than the one who made them; what keeps others out is their folder's mode.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from devstack import credentials
from devstack.credentials import Credentials

FOLDER = Path("var/compose")
GRAFANA = "grafana_password"


def ensure(folder: Path) -> list[Path]:
    """Write what is missing; return every secret's path.

    Raises:
        SlipwayError: the folder cannot be written, or its credentials are not what they must be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    known = credentials.ensure(folder)
    contents = _contents(known)
    if not (folder / GRAFANA).exists():
        contents[GRAFANA] = secrets.token_hex(16)
    for name, text in contents.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            credentials.write_private(path, text)
        path.chmod(0o644)
    return [folder / name for name in sorted({*contents, GRAFANA})]


def _contents(known: Credentials) -> dict[str, str]:
    keys = {"accessKey": known.s3_access_key, "secretKey": known.s3_secret_key}
    identity = {"name": "stack", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    redis = ["bind * -::*", "protected-mode yes", f"requirepass {known.redis_password}", 'save ""', "appendonly no"]
    redis += ["maxmemory 128mb", "maxmemory-policy allkeys-lru"]
    return {
        "postgres_password": known.postgres_password,
        "redis_password": known.redis_password,
        "redis_conf": "\n".join(redis) + "\n",
        "s3_access_key": known.s3_access_key,
        "s3_secret_key": known.s3_secret_key,
        "s3_identities": json.dumps({"identities": [identity]}) + "\n",
        "cache_secret": known.cache_secret,
        "mlflow_webhook_key": known.mlflow_webhook_key,
    }
