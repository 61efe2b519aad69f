"""Whether an image is in its registry, asked over the OCI distribution API.

Asks by digest only: a tag may move after anybody looked at it. Refuses to send
credentials anywhere without TLS but to this machine.
Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10
KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True)
class Images:
    """Registries, with the credentials of `docker login` or `skopeo login` by host."""

    credentials: dict[str, str] = field(default_factory=dict, repr=False)

    def has(self, image: str, digest: str) -> tuple[bool | None, str]:
        """Say whether the registry has `digest` of `image`, and why; None where it gives no answer."""
        import requests

        host, _, repository = image.partition("/")
        address = f"{_scheme(host)}://{_server(host)}/v2/{repository}/manifests/{digest}"
        headers = {"Accept": ", ".join(KINDS)}
        try:
            with requests.Session() as session:
                session.trust_env = not _loopback(host)
                answer = session.head(address, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                if answer.status_code == 401:
                    allowed = self._authorization(session, host, repository, answer.headers.get("WWW-Authenticate", ""))
                    headers |= {"Authorization": allowed} if allowed else {}
                    answer = session.head(address, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        except (requests.RequestException, ValueError) as error:
            return None, f"the registry {host} gave no answer: {type(error).__name__}"
        return _judge(host, digest, answer.status_code, answer.headers.get("Docker-Content-Digest"))

    def _authorization(self, session: Any, host: str, repository: str, challenge: str) -> str | None:
        kind, _, rest = challenge.partition(" ")
        secret = self.credentials.get(host)
        if kind.lower() == "basic":
            return f"Basic {secret}" if secret else None
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = urlsplit(said.get("realm", ""))
        if realm.scheme != "https" and not _loopback(realm.netloc):
            return None
        asked = {"service": said.get("service", ""), "scope": f"repository:{repository}:pull"}
        headers = {"Authorization": f"Basic {secret}"} if secret else {}
        answer = session.get(
            said["realm"], params=asked, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
        found = answer.json() if answer.status_code == 200 else {}
        token = found.get("token") or found.get("access_token")
        return f"Bearer {token}" if token else None


def credentials(files: list[Path]) -> dict[str, str]:
    """Read what `docker login`, `podman login` or `skopeo login` wrote; the first file that knows a host counts."""
    found: dict[str, str] = {}
    for file in files:
        if not file.is_file():
            continue
        auths = json.loads(file.read_text() or "{}").get("auths", {})
        for host, entry in auths.items():
            if entry.get("auth"):
                name = re.sub(r"^https?://|/.*$", "", host)
                base64.b64decode(entry["auth"], validate=True)
                found.setdefault("docker.io" if name == "index.docker.io" else name, entry["auth"])
    return found


def _judge(host: str, digest: str, code: int, found: str | None) -> tuple[bool | None, str]:
    if code == 200 and found in (None, digest):
        return True, f"{host} has {digest}"
    if code == 200:
        return False, f"{host} answers with another digest, {found}"
    if code == 404:
        return False, f"{host} has no {digest}"
    return None, f"the registry {host} answered {code}"


def _server(host: str) -> str:
    return "registry-1.docker.io" if host == "docker.io" else host


def _loopback(host: str) -> bool:
    return re.fullmatch(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", host) is not None


def _scheme(host: str) -> str:
    return "http" if _loopback(host) else "https"
