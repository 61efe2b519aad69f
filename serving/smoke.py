"""Ask a running server the questions that decide whether a release may take traffic.

    python -m serving.smoke --url http://flight-delay-preview --model flight-delay --version 7 ...

A release's analysis runs it from the release's own image, so golden.json is the one that the image
carries, and its digest is compared with the one that was registered. Asks as a client would, with a
token of its own, and changes nothing. Prints one JSON line. Exit codes: 0 every check holds,
3 it was called wrongly, 4 a check failed, 5 the server did not answer.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from serving.access import token
from serving.inference import golden_file
from slipway import artifact, tasks
from slipway.errors import BadInput, SlipwayError, Unavailable
from slipway.task import Task

TOKEN_SECONDS = 60
REQUEST_SECONDS = 10.0


@dataclass(frozen=True)
class Expected:
    """What the release promises; `latency_milliseconds` bounds the 95th percentile of one row."""

    model: str
    version: str
    image_digest: str
    model_sha256: str
    golden_sha256: str
    latency_milliseconds: float


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    check: str
    ok: bool
    expected: Any
    found: Any


class Client:
    """Speaks to one server, a new connection a request: a Service then shows every pod in turn."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                "--url is not the address of a server",
                expected="http://HOST[:PORT]",
                found=url,
                hint="pass --url http://HOST:PORT",
            )
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = (parts.hostname, parts.port)
        self._url = url
        self._headers: dict[str, str] = {}

    def use(self, bearer: str) -> None:
        """Send this token from now on."""
        self._headers = {"authorization": f"Bearer {bearer}"}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and parsed answer.

        Raises:
            Unavailable: no answer, or one that is not JSON.
        """
        content = None if body is None else json.dumps(body)
        connection = self._kind(*self._address, timeout=REQUEST_SECONDS)
        try:
            connection.request(method, path, content, self._headers | {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(
                f"{self._url}{path} did not answer",
                expected=f"JSON within {REQUEST_SECONDS:g} s",
                found=repr(error),
                hint=f"curl -i {self._url}{path}",
            ) from None
        finally:
            connection.close()


def wait_ready(client: Client, seconds: float) -> Check:
    """Poll /readyz until it is ready.

    Raises:
        Unavailable: nothing answered within `seconds`.
    """
    ends, found = time.monotonic() + seconds, 0
    while True:
        try:
            found, _ = client.ask("GET", "/readyz")
        except Unavailable:
            if time.monotonic() > ends:
                raise
        if found == 200 or time.monotonic() > ends:
            return Check("ready", found == 200, 200, found)
        time.sleep(0.2)


def check_closed(client: Client) -> Check:
    """A server that answers anybody is not the one that was released."""
    status, _ = client.ask("GET", "/version")
    return Check("asks for a token", status == 401, 401, status)


def check_version(client: Client, expected: Expected) -> list[Check]:
    """Compare /version with the release, field by field."""
    status, answer = client.ask("GET", "/version")
    if status != 200:
        return [Check("version", False, 200, status)]
    model = answer["model"]
    return [
        _same("model", expected.model, model["name"]),
        _same("model version", expected.version, model["version"]),
        _same("model sha256", expected.model_sha256, str(model["digest"]).removeprefix("sha256:")),
        _same("image digest", expected.image_digest, answer["image_digest"]),
    ]


def check_golden(client: Client, content: bytes, task: Task, expected: Expected) -> list[Check]:
    """Compare golden.json with the registered one, and the server's answers with it."""
    digest = _same("golden.json sha256", expected.golden_sha256, hashlib.sha256(content).hexdigest())
    golden = golden_file.read(content)
    status, answer = client.ask("POST", "/predict", {"rows": golden["rows"]})
    if status != 200:
        return [digest, Check("golden answers", False, 200, {"status": status, "answer": answer})]
    found = [task.read(row) for row in answer["predictions"]]
    wanted = task.expected(golden)
    given = np.array(found, np.float64)
    # As at loading: another processor may round float32's last digit differently.
    same = given.shape == wanted.shape and len(wanted) > 0 and bool((np.abs(given - wanted) <= task.tolerance).all())
    return [digest, Check("golden answers", same, golden[task.golden], found)]


def check_latency(client: Client, rows: list[dict[str, Any]], requests: int, ceiling: float) -> Check:
    """Ask single rows; compare the 95th percentile in milliseconds with the ceiling."""
    taken = []
    for number in range(requests):
        started = time.perf_counter()
        status, _ = client.ask("POST", "/predict", {"rows": [rows[number % len(rows)]]})
        taken.append((time.perf_counter() - started) * 1000)
        if status != 200:
            return Check("latency", False, "200 each time", status)
    taken.sort()
    at_95 = round(taken[max(0, -(-95 * len(taken) // 100) - 1)], 2)
    return Check("latency", at_95 <= ceiling, f"at most {ceiling:g} ms at p95", at_95)


def run(arguments: argparse.Namespace) -> list[Check]:
    """Ask everything; stop early only where nothing further can be asked.

    Raises:
        SlipwayError: the key or golden.json cannot be read, or the server does not answer.
    """
    expected = Expected(
        arguments.model, arguments.version, arguments.image_digest, arguments.model_sha256, arguments.golden_sha256,
        arguments.latency_milliseconds,
    )  # fmt: skip
    content, task = _golden(arguments.folder)
    client = Client(arguments.url)
    checks = [wait_ready(client, arguments.seconds)]
    if not checks[0].ok:
        return checks
    checks.append(check_closed(client))
    bearer = token.make(arguments.key, "smoke", ("predict",), TOKEN_SECONDS, arguments.issuer, arguments.audience)
    client.use(bearer)
    checks += check_version(client, expected)
    checks += check_golden(client, content, task, expected)
    rows = golden_file.read(content)["rows"]
    return [*checks, check_latency(client, rows, arguments.requests, expected.latency_milliseconds)]


def main(words: list[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Run the checks, print one JSON line and return the exit code."""
    try:
        checks = run(_parser().parse_args(words))
    except SlipwayError as error:
        say(json.dumps({"ok": False} | error.as_json()))
        return error.exit_code
    failed = [asdict(check) for check in checks if not check.ok]
    found = {check.check: check.found for check in checks if check.ok}
    say(json.dumps({"ok": not failed, "failed": failed, "held": found}))
    return 4 if failed else 0


def _golden(folder: Path) -> tuple[bytes, Task]:
    try:
        contract = json.loads((folder / artifact.SCHEMA).read_bytes())
        task = tasks.read(contract.get("task"), contract["output"]["name"])
        return (folder / artifact.GOLDEN).read_bytes(), task
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{folder} is not an exported version",
            expected="golden.json and schema.json",
            found=repr(error),
            hint="slipway export NAME@NUMBER FOLDER",
        ) from None


def _same(name: str, expected: str, found: Any) -> Check:
    return Check(name, bool(expected) and expected == found, expected, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving.smoke", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="the server, http://HOST[:PORT]")
    parser.add_argument("--folder", type=Path, default=Path("/model"), help="golden.json and schema.json")
    parser.add_argument("--key", type=Path, default=Path("/keys"), help="folder of private.pem that signs the token")
    for name in ("model", "version", "image-digest", "model-sha256", "golden-sha256"):
        parser.add_argument(f"--{name}", required=True, help="as the release names it")
    parser.add_argument("--issuer", default="slipway")
    parser.add_argument("--audience", default="slipway")
    parser.add_argument("--latency-milliseconds", type=float, default=250.0, help="ceiling of the 95th percentile")
    parser.add_argument("--requests", type=int, default=40, help="single rows asked for the latency")
    parser.add_argument("--seconds", type=float, default=30.0, help="longest wait for readiness")
    return parser


if __name__ == "__main__":
    sys.exit(main())
