"""Which login MLflow's server gets, by the variables and the file that MLflow's own client reads.

Source: https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/
"""

from __future__ import annotations

import base64
import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - a variable's name
CREDENTIALS = Path(".mlflow") / "credentials"  # below the home folder


@dataclass(frozen=True)
class Login:
    """A user with a password, or a token; None is what nobody set."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """Return the HTTP header that sends it; a user without a password is not sent."""
        if self.username and self.password:
            pair = f"{self.username}:{self.password}".encode()
            return {"Authorization": "Basic " + base64.standard_b64encode(pair).decode()}
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def described(self, where: str) -> str:
        """Say which login the server at `where` gets, never its secret."""
        if self.username and self.password:
            return f"the user `{self.username}`"
        if self.token:
            return f"the token in {TOKEN}"
        if "@" in where:
            return "the login in MLFLOW_TRACKING_URI"
        if self.username or self.password:
            given, lacking = (USER, PASSWORD) if self.username else (PASSWORD, USER)
            return f"{given} without {lacking}: MLflow's client then sends no login"
        return f"no login: {USER} and {PASSWORD} are not set"


def login(environment: Mapping[str, str] = os.environ) -> Login:
    """Return the login of this process: a variable counts before the file."""
    kept = _kept(Path(environment.get("HOME") or "~").expanduser() / CREDENTIALS)
    username, password = (environment.get(name) or kept.get(name.lower()) for name in (USER, PASSWORD))
    return Login(username, password, environment.get(TOKEN) or None)


def _kept(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    kept = configparser.ConfigParser(interpolation=None)  # a password may hold a percent sign
    kept.read(path)
    return dict(kept["mlflow"]) if kept.has_section("mlflow") else {}
