"""Whether an image is in its registry, asked over the OCI distribution API.

Asks by digest only: a tag may move after anybody looked at it. Refuses to send
credentials anywhere without TLS but to this machine.
Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md,
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from slipway.answer import Answer
from slipway.errors import SlipwayError

TIMEOUT_SECONDS = 10
OK, UNAUTHORIZED, NOT_FOUND = 200, 401, 404
KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True)
class Images:
    """Registries, asked in the name of whoever `login` says for a host: base64 of `name:secret`, None for no one."""

    login: Callable[[str], str | None] = lambda _: None

    def has(self, image: str, digest: str) -> Answer:
        """Say whether the registry has `digest` of `image`."""
        import requests

        host, _, repository = image.partition("/")
        address = f"{_scheme(host)}://{_server(host)}/v2/{repository}/manifests/{digest}"
        headers, said = {"Accept": ", ".join(KINDS)}, ""
        try:
            with requests.Session() as session:
                session.trust_env = not _loopback(host)
                answer = session.head(address, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                if answer.status_code == UNAUTHORIZED:
                    allowed, said = self._authorize(session, host, repository, answer.headers)
                    headers |= {"Authorization": allowed} if allowed else {}
                    answer = session.head(address, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        except (requests.RequestException, ValueError) as error:
            return Answer(None, f"the registry {host} gave no answer: {type(error).__name__}")
        except SlipwayError as error:
            return Answer(None, f"{error.thing}: {error.found or error.expected}")
        return _judge(host, digest, answer.status_code, answer.headers.get("Docker-Content-Digest"), said)

    def _authorize(
        self, session: Any, host: str, repository: str, headers: Mapping[str, str]
    ) -> tuple[str | None, str]:
        """Return what a challenge asks for, or None and why there is nothing to show."""
        kind, _, rest = headers.get("WWW-Authenticate", "").partition(" ")
        secret = self.login(host)
        if kind.lower() == "basic":
            return (f"Basic {secret}", "") if secret else (None, f"there is no login for {host}")
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = said.get("realm", "")
        if kind.lower() != "bearer" or not realm:
            return None, f"it asks for {kind or 'nothing'}, not Basic or Bearer"
        if urlsplit(realm).scheme != "https" and not _loopback(urlsplit(realm).netloc):
            return None, f"its token server {realm} has no TLS"
        asked = {"service": said.get("service", ""), "scope": f"repository:{repository}:pull"}
        shown = {"Authorization": f"Basic {secret}"} if secret else {}
        answer = session.get(realm, params=asked, headers=shown, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        found = answer.json() if answer.status_code == OK else None
        token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
        who = "" if secret else f", and there is no login for {host}"
        return (f"Bearer {token}", "") if token else (None, f"its token server answered {answer.status_code}{who}")


def _judge(host: str, digest: str, code: int, found: str | None, said: str) -> Answer:
    if code == OK and found in (None, digest):
        return Answer(True, f"{host} has {digest}")
    if code == OK:
        return Answer(False, f"{host} answers with another digest, {found}")
    if code == NOT_FOUND:
        return Answer(False, f"{host} has no {digest}")
    return Answer(None, f"the registry {host} answered {code}" + (f": {said}" if said else ""))


def _server(host: str) -> str:
    return "registry-1.docker.io" if host == "docker.io" else host


def _loopback(host: str) -> bool:
    return re.fullmatch(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", host) is not None


def _scheme(host: str) -> str:
    return "http" if _loopback(host) else "https"
