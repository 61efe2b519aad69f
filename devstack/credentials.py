"""The stack's passwords: made once by chance, kept in a file that only its owner reads.

Refuses a file that others may read.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInput, Refused, Unavailable

FILE = "credentials.json"


@dataclass(frozen=True)
class Credentials:
    """What the stack's servers ask of each other; every value is safe in a URL."""

    postgres_user: str
    postgres_password: str
    redis_password: str
    s3_access_key: str
    s3_secret_key: str
    cache_secret: str
    mlflow_webhook_key: str
    """A Fernet key: without the same one MLflow cannot list its webhooks after a restart."""


def ensure(folder: Path) -> Credentials:
    """Read the credentials of `folder`, made first where there are none.

    Raises:
        BadInput: the file is not what this module wrote.
        Refused: others may read the file.
        Unavailable: the file cannot be written.
    """
    path = folder / FILE
    if not path.exists():
        write_private(path, json.dumps(dataclasses.asdict(_made()), indent=2) + "\n")
    return read(folder)


def read(folder: Path) -> Credentials:
    """Read the credentials of `folder`, which must be there; raises as `ensure` does."""
    path = folder / FILE
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise Refused(f"others may read {path}", expected="mode 600", found=f"{mode:o}", hint=f"chmod 600 {path}")
        return Credentials(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(
            f"{path} does not hold the credentials of a stack",
            expected="the file that the first start wrote",
            found=type(error).__name__,
            hint=f"restore it, or lose the stack's data and start anew: slipway stack down; rm -r {folder}",
        ) from None


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step; only its owner can read it at any time.

    Raises:
        Unavailable: the disk refused.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Unavailable(
            f"cannot write {path}",
            expected=f"a folder that you may write to: {path.parent}",
            found=error.strerror or str(error),
            hint=f"free some space (df -h {path.parent}) or correct the permissions, then run the same command again",
        ) from error


def _made() -> Credentials:
    return Credentials(
        postgres_user="slipway",
        postgres_password=secrets.token_hex(24),
        redis_password=secrets.token_hex(24),
        s3_access_key=secrets.token_hex(10),
        s3_secret_key=secrets.token_hex(24),
        cache_secret=secrets.token_hex(32),
        mlflow_webhook_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
    )
