"""Serve the registered model, and start the server anew when the code or the registered version changes.

`python -m devstack.reload` is what `make up` and compose.yaml run as the
API for development. The version is the one with the alias `champion`, without
one that with `challenger`; while there is neither, it waits and reports that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slipway import processes
from slipway.atomic import write_json
from slipway.errors import BadInput, Unavailable

STATE = "api.json"
ALIASES = ("champion", "challenger")
WATCHED = ("serving", "journal", "slipway")
POLL_SECONDS = 2.0
STOP_SECONDS = 20.0
REGISTER = 'eval "$(slipway stack env)" && make run'


@dataclass
class Reloader:
    """The server that runs now, and the version that it serves."""

    environment: Mapping[str, str]
    model: str
    folder: Path
    version: str | None = None
    server: subprocess.Popen[bytes] | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Serve and reload until stopped."""
        from watchfiles import PythonFilter, watch

        self._turn(changed=True)
        changes = watch(
            *[path for path in WATCHED if Path(path).is_dir()],
            watch_filter=PythonFilter(),
            stop_event=self.ended,
            yield_on_timeout=True,
            ignore_permission_denied=True,  # sources of another user, mounted into a container
            rust_timeout=int(POLL_SECONDS * 1000),
        )
        for found in changes:
            self._turn(changed=bool(found))
        self._stop()

    def _turn(self, *, changed: bool) -> None:
        try:
            wanted = registered(self.environment["MLFLOW_TRACKING_URI"], self.model) or self.version
        except Unavailable as error:  # the next turn asks again; what serves goes on
            wanted = self.version
            if wanted is None:
                self._tell("starting", error.thing)
                return
        if wanted is None:
            self._tell("waiting", f"no version of {self.model} is champion or challenger; next: {REGISTER}")
            return
        if wanted != self.version and not self._export(wanted):
            return
        if wanted != self.version or changed:
            self._stop()
            self.version = wanted
            settings = dict(self.environment) | {"SLIPWAY_MODEL": str(self._exported(wanted))}
            self.server = subprocess.Popen(processes.command("serving"), env=settings)
            self._tell("serving", f"{self.model} version {wanted}")
        elif self.server and self.server.poll() is not None:
            code = self.server.returncode
            self._tell("failed", f"the server ended with exit code {code}; it starts again when a file changes")

    def _export(self, version: str) -> bool:
        self._tell("starting", f"{self.model} version {version}")
        words = ("export", f"{self.model}@{version}", self._exported(version))
        done = processes.run("slipway", *words, env=dict(self.environment))
        if done.code:
            self._tell("failed", f"{self.model} version {version} could not be exported, exit code {done.code}")
        return done.code == 0

    def _exported(self, version: str) -> Path:
        return self.folder / "models" / self.model / version

    def _stop(self) -> None:
        if self.server is None or self.server.poll() is not None:
            return
        self.server.terminate()
        try:
            self.server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()

    def _tell(self, state: str, detail: str) -> None:
        path, state_now = self.folder / STATE, {"state": state, "detail": detail}
        if not path.exists() or json.loads(path.read_bytes()) != state_now:
            write_json(path, state_now)
            print(f"{state}: {detail}", flush=True)


def registered(tracking: str, model: str) -> str | None:
    """Return the version to serve, None while there is none.

    Raises:
        Unavailable: MLflow does not answer.
    """
    for alias in ALIASES:
        query = urllib.parse.urlencode({"name": model, "alias": alias})
        url = f"{tracking}/api/2.0/mlflow/registered-models/alias?{query}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - MLflow's address, from the stack
                return str(json.load(answer)["model_version"]["version"])
        except urllib.error.HTTPError as error:
            if error.code not in (400, 404):  # those mean: no such model, no such alias
                raise Unavailable(
                    f"MLflow at {tracking} did not return the alias {alias} of {model}",
                    expected="HTTP 200, 400 or 404",
                    found=f"HTTP {error.code}",
                    hint="slipway stack status",
                ) from error
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable(
                f"MLflow at {tracking} does not answer yet",
                expected="a model version as JSON",
                found=f"{type(error).__name__}: {error}",
                hint="slipway stack status",
            ) from error
    return None


def main() -> int:
    """Read the environment, serve, and return the exit code."""
    environment = os.environ
    try:
        model, folder = environment["SLIPWAY_STACK_MODEL"], Path(environment["SLIPWAY_STACK_FOLDER"])
        environment["MLFLOW_TRACKING_URI"]
    except KeyError as error:
        raise BadInput(
            f"{error} is not set", expected="what `slipway stack up` sets", hint="slipway stack up"
        ) from None
    reloader = Reloader(dict(environment), model, folder)
    signal.signal(signal.SIGTERM, lambda *_: reloader.ended.set())
    signal.signal(signal.SIGINT, lambda *_: reloader.ended.set())
    (folder / STATE).unlink(missing_ok=True)
    reloader.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
