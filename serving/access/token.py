"""Keys and short-lived tokens for development: made here, used here, never in production.

Owns the folder var/auth: an Ed25519 private key that only its owner reads, and
the JWKS of its public half; below it the same of the smoke test. Refuses to make a token that lives longer than a day.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import OKPAlgorithm

from serving.http.principal import ROLES
from slipway.atomic import write_json
from slipway.errors import BadInput, Unavailable

LONGEST_SECONDS = 24 * 3600
PRIVATE, PUBLIC = "private.pem", "jwks.json"
SMOKE = "smoke"  # the folder below of the smoke test's own key
ALGORITHM = "EdDSA"


def ensure_keys(folder: Path) -> Path:
    """Make the private key and the JWKS unless they are there; return the JWKS's path.

    Raises:
        Unavailable: the folder cannot be written.
    """
    public, private = folder / PUBLIC, folder / PRIVATE
    if not private.exists():
        key = Ed25519PrivateKey.generate()
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(private, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError as error:
            raise Unavailable(
                f"{private} cannot be written",
                expected=f"a folder that you may write to: {folder}",
                found=str(error.strerror),
                hint=f"ls -ld {folder}; correct its owner or permissions, then run the same command again",
            ) from error
    write_json(public, {"keys": [_public(_private(private))]})
    return public


def make(folder: Path, subject: str, roles: tuple[str, ...], seconds: int, issuer: str, audience: str) -> str:
    """Sign a token with the folder's key, which must be there.

    Raises:
        BadInput: an unknown role, a lifetime past a day, or a key that does not parse.
    """
    if not set(roles) <= ROLES or not 1 <= seconds <= LONGEST_SECONDS:
        raise BadInput(
            "cannot make this token",
            expected=f"roles of {sorted(ROLES)}, 1 to {LONGEST_SECONDS} s",
            found=f"{list(roles)}, {seconds} s",
            hint="slipway token --role predict --minutes 60",
        )
    key = _private(folder / PRIVATE)
    now = int(time.time())
    claims = {"sub": subject, "roles": list(roles), "iss": issuer, "aud": audience, "iat": now, "nbf": now}
    headers = {"kid": _public(key)["kid"]}
    return jwt.encode(claims | {"exp": now + seconds}, key, ALGORITHM, headers=headers)


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(
            f"{path} does not hold a key",
            expected="an Ed25519 private key",
            found=str(error),
            hint=f"rm {path}; slipway token",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(
            f"{path} holds another kind of key",
            expected="Ed25519",
            found=type(key).__name__,
            hint=f"rm {path}; slipway token",
        )
    return key


def _public(key: Ed25519PrivateKey) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(key.public_key()))
    # The key's own name: the start of its public half, so that a new key has a new name.
    return content | {"kid": f"development-{content['x'][:8]}", "use": "sig"}
