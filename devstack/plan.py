"""Where the stack lives, which ports it takes and what its servers are asked by: the facts of one stack.

Pure but for the reading of its own file. A plan is written down at
the first start, so that `down` and `status` need no options.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack import credentials
from devstack.credentials import Credentials
from slipway.atomic import write_json
from slipway.errors import BadInput, Unavailable

FOLDER = Path("var/stack")
FILE = "stack.json"
HOST = "127.0.0.1"
INNER = 7
PORTS = {
    "api": 3000,
    "mlflow": 5000,
    "postgres": 5433,  # neighbours of the usual ones: a PostgreSQL or Redis of the machine's own stays
    "redis": 6380,
    "s3": 8333,
    "prometheus": 9090,
    "alertmanager": 9093,
}


@dataclass(frozen=True)
class Plan:
    """One stack."""

    folder: Path
    top: Path
    model: str
    ports: dict[str, int]
    credentials: Credentials
    inner: tuple[int, ...]
    """Ports that the parts of the object store use among themselves, other ones at each start."""

    def url(self, service: str) -> str:
        """Return where people and programs reach a service; no password in it."""
        schemes = {"postgres": "postgresql", "redis": "redis"}
        return f"{schemes.get(service, 'http')}://{HOST}:{self.ports[service]}"

    def database(self, name: str) -> str:
        """Return the address of a database, with its password."""
        known = self.credentials
        login = f"{known.postgres_user}:{known.postgres_password}"
        return f"postgresql://{login}@{HOST}:{self.ports['postgres']}/{name}"

    def redis(self) -> str:
        """Return the address of Redis, with its password."""
        return f"redis://:{self.credentials.redis_password}@{HOST}:{self.ports['redis']}/0"

    def s3_environment(self) -> dict[str, str]:
        """Return what a program needs to reach the object store."""
        return {
            "AWS_ACCESS_KEY_ID": self.credentials.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.s3_secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url("s3"),
            "MLFLOW_S3_ENDPOINT_URL": self.url("s3"),
            # What a store that is not AWS needs, since boto3 sends checksums by default.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }

    def log(self, service: str) -> Path:
        """Return a service's log."""
        return self.folder / "logs" / f"{service}.log"


def make(folder: Path, top: Path, model: str, ports: dict[str, int]) -> Plan:
    """Return the plan of `folder`: ports that are not given are as they were, or by default.

    Raises:
        SlipwayError: the folder's files are not what they must be, or cannot be written.
    """
    folder = folder.absolute()
    known = credentials.ensure(folder)
    before = _written(folder)["ports"] if (folder / FILE).exists() else {}
    return Plan(folder, top.absolute(), model, PORTS | before | ports, known, tuple(_free_ports(INNER)))


def write(plan: Plan) -> None:
    """Write the plan down, for `down` and `status`.

    Raises:
        Unavailable: the disk refused.
    """
    content = {"top": str(plan.top), "model": plan.model, "ports": plan.ports, "inner": plan.inner}
    write_json(plan.folder / FILE, content)


def read(folder: Path) -> Plan:
    """Read the plan of a stack that was started before.

    Raises:
        BadInput: there is none.
    """
    folder = folder.absolute()
    written = _written(folder)
    try:
        return Plan(
            folder,
            Path(written["top"]),
            written["model"],
            written["ports"],
            credentials.read(folder),
            tuple(written["inner"]),
        )
    except KeyError as error:
        raise BadInput(
            f"{folder / FILE} is not a plan of a stack",
            expected=f"the key {error}",
            found=f"the keys {', '.join(sorted(written)) or 'none'}",
            hint=f"rm {folder / FILE}; slipway stack up",
        ) from None


def check_ports(plan: Plan, services: list[str]) -> None:
    """See that each service's port is free.

    Raises:
        Unavailable: one is taken; names it and, where it may be known, who holds it.
    """
    for service in services:
        port = plan.ports[service]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise Unavailable(
                    f"port {port} of {service} is taken",
                    expected="a free port",
                    found=_holder(port),
                    hint=f"end that process, or choose another: slipway stack up --port {service}={port + 10_000}",
                ) from None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _holder(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()}) listens there"
    except psutil.Error:
        pass
    return "another process listens there"


def _written(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BadInput(
            f"{folder} holds no stack",
            expected=f"{FILE}, which the first start writes",
            found="nothing",
            hint="slipway stack up",
        ) from None
    return found
