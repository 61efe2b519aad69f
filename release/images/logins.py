"""Who is logged in to which registry: what `docker login`, `podman login` and `skopeo login` wrote, and their helpers.

Reads one host's secret when it is asked for, and never shows it. Refuses what it
cannot use (an identity token) instead of asking as no one.
Source: https://docs.docker.com/reference/cli/docker/login/,
https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md,
https://github.com/docker/docker-credential-helpers
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slipway import programs
from slipway.errors import BadInput, Unavailable

TIMEOUT_SECONDS = 15
HUB = "https://index.docker.io/v1/"  # Docker Hub's name in every such file
IDENTITY = "<token>"  # what a helper says instead of a name
NOTHING = "credentials not found in native keychain"


def files(environment: Mapping[str, str]) -> list[Path]:
    """Return where logins are written, the one that counts first."""
    home = environment.get("HOME", "/")
    runtime = environment.get("XDG_RUNTIME_DIR")
    named = [environment.get("REGISTRY_AUTH_FILE"), f"{runtime}/containers/auth.json" if runtime else None]
    docker = environment.get("DOCKER_CONFIG") or f"{home}/.docker"
    return [Path(one) for one in [*named, f"{home}/.config/containers/auth.json", f"{docker}/config.json"] if one]


def logins(places: list[Path]) -> Callable[[str], str | None]:
    """Return who is logged in to a host, as base64 of `name:secret`; None for no one. The first file that knows counts.

    Raises, when asked:
        BadInput: a file is not what it must be, or holds an identity token.
        Unavailable: a helper gives no answer.
    """

    def login(host: str) -> str | None:
        for place in places:
            found = _of(place, host)
            if found is not None:
                return found
        return None

    return login


def _of(place: Path, host: str) -> str | None:
    if not place.is_file():
        return None
    try:
        said = json.loads(place.read_text() or "{}")
        helpers, auths = said.get("credHelpers") or {}, said.get("auths") or {}
        entry = next((one for name, one in auths.items() if _host(name) == host), None) or {}
        helper = next((one for name, one in helpers.items() if _host(name) == host), None)
        secret = entry.get("auth")
        base64.b64decode(secret or "", validate=True)
        token = entry.get("identitytoken")
        store = said.get("credsStore")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInput(
            f"{place} holds no logins",
            expected="what docker login, podman login or skopeo login writes",
            found=type(error).__name__,
            hint=f"skopeo login --authfile {place} {host}",
        ) from error
    if helper or (store and not secret):
        return _helped(helper or store, host)
    if token:
        raise _identity(host, str(place))
    return secret or None


def _helped(helper: str, host: str) -> str | None:
    program, address = f"docker-credential-{helper}", HUB if host == "docker.io" else host
    if not re.fullmatch(r"[\w.-]+", helper):
        raise BadInput(
            "a credential helper has no program's name",
            expected="letters and digits",
            found=helper,
            hint="correct credsStore and credHelpers",
        )
    try:
        ran = programs.run(
            [program, "get"], input=address, capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
            purpose=f"is the credential helper of {host}",
        )  # fmt: skip
    except programs.NoAnswer as error:
        raise Unavailable(
            f"the credential helper {program} gave no answer",
            expected=f"the login of {host} within {TIMEOUT_SECONDS} s",
            found=type(error).__name__,
            hint=f"echo {address} | {program} get",
        ) from error
    if ran.returncode:
        if NOTHING in ran.stdout + ran.stderr:
            return None
        raise Unavailable(
            f"the credential helper {program} failed",
            found=f"exit code {ran.returncode}",
            hint=f"echo {address} | {program} get",
        )
    return _read(program, host, ran.stdout)


def _read(program: str, host: str, text: str) -> str:
    try:
        said: dict[str, Any] = json.loads(text)
        name, secret = str(said["Username"]), str(said["Secret"])
    except (ValueError, KeyError, TypeError) as error:  # what it said may be a secret
        raise Unavailable(
            f"the credential helper {program} gave no login",
            expected="Username and Secret",
            hint=f"echo {host} | {program} get",
        ) from error
    if name == IDENTITY:
        raise _identity(host, program)
    return base64.b64encode(f"{name}:{secret}".encode()).decode()


def _identity(host: str, place: str) -> BadInput:
    return BadInput(
        f"the login of {host} in {place} is an identity token",
        expected="a name and a secret, as of a robot account or an access token",
        found="an identity token, which only docker itself can use",
        hint=f"skopeo login {host}",
    )


def _host(name: str) -> str:
    bare = re.sub(r"^https?://|/.*$", "", name)
    return "docker.io" if bare == "index.docker.io" else bare
