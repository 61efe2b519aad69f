"""The supervisor of a stack: its configuration, its start, its end, and what it reports of each server.

supervisord runs every server in a process group of its own and restarts it
when it ends by itself. Refuses to leave anything behind: processes that lost
their supervisor are found by the mark in their environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devstack import credentials
from devstack.plan import Plan
from devstack.services import Service
from slipway.errors import Unavailable

MARK = "SLIPWAY_STACK"
LONGEST_SOCKET = 100  # bytes; the kernel takes 107
START_SECONDS = 15.0
STOP_SECONDS = 60.0
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "PYTHONPATH")


def start(plan: Plan, services: list[Service]) -> None:
    """Start the supervisor, which starts no server by itself.

    Raises:
        Unavailable: it did not answer in time.
    """
    file = plan.folder / "supervisord.conf"
    credentials.write_private(file, configuration(plan, services))
    # What the caller's shell has set must not change what a server does.
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {MARK: str(plan.folder)}
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(file)]
    done = subprocess.run(command, env=environment, cwd=plan.folder, capture_output=True, text=True, check=False)
    ends = time.monotonic() + START_SECONDS
    while not running(plan.folder):
        if done.returncode or time.monotonic() > ends:
            found = (done.stderr or done.stdout).strip()[-500:] or f"no answer in {START_SECONDS:g} s"
            raise Unavailable("the supervisor did not start", found=found, hint=f"cat {plan.log('supervisord')}")
        time.sleep(0.1)


def running(folder: Path) -> bool:
    """Say whether the stack of `folder` has a supervisor that answers."""
    try:
        return bool(_proxy(folder).getState()["statename"])
    except (OSError, xmlrpc.client.Error):
        return False


def start_service(folder: Path, name: str) -> None:
    """Start a server unless it runs; returns at once."""
    if state(folder, name)["statename"] not in ("RUNNING", "STARTING"):
        _proxy(folder).startProcess(name, False)


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Tell of every server: `statename`, `pid`, `start` and `now` in seconds, `spawnerr`."""
    return {found["name"]: found for found in _proxy(folder).getAllProcessInfo()}


def state(folder: Path, name: str) -> dict[str, Any]:
    """Tell of one server."""
    found: dict[str, Any] = _proxy(folder).getProcessInfo(name)
    return found


def stop(folder: Path, progress: Callable[[str], None]) -> int:
    """Stop every server, then the supervisor, then what is left; return how many were left.

    Raises:
        Unavailable: something does not end.
    """
    if running(folder):
        import psutil

        proxy = _proxy(folder)
        there, writers = set(states(folder)), {"api", "mlflow"}
        # Who writes ends before who is written to.
        for names in ({"api"} & there, {"mlflow"} & there, there - writers):
            progress(f"stopping {', '.join(sorted(names))}")
            for name in names:
                with contextlib.suppress(xmlrpc.client.Fault):  # it has ended already
                    proxy.stopProcess(name, len(names) == 1)
        # It closes its socket first and waits for its servers after: its own end is what counts.
        supervisor = psutil.Process(proxy.getPID())
        proxy.shutdown()
        psutil.wait_procs([supervisor], timeout=STOP_SECONDS)
    left = end_leftovers(folder)
    for path in (_socket(folder), folder / "supervisord.pid"):
        path.unlink(missing_ok=True)
    return left


def end_leftovers(folder: Path) -> int:
    """End every process that carries the stack's mark; return how many there were.

    Raises:
        Unavailable: one does not end, even killed.
    """
    import psutil

    left = leftovers(folder)
    for process in left:  # INT is an orderly end for every server of the stack
        _signal(process, signal.SIGINT)
    _, alive = psutil.wait_procs(left, timeout=10)
    for process in alive:
        _signal(process, signal.SIGKILL)
    _, alive = psutil.wait_procs(alive, timeout=10)
    if alive:
        pids = ", ".join(str(process.pid) for process in alive)
        raise Unavailable("processes of the stack do not end", found=f"pids {pids}", hint=f"kill -9 {pids}")
    return len(left)


def leftovers(folder: Path) -> list[Any]:
    """Find the processes that carry the stack's mark."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # another user's, or gone
            continue
    return found


def _signal(process: Any, number: int) -> None:
    import psutil

    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _proxy(folder: Path) -> Any:
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, f"unix://{_socket(folder)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _socket(folder: Path) -> Path:
    path = folder / "supervisord.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    return Path(tempfile.gettempdir()) / f"slipway-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"


def configuration(plan: Plan, services: list[Service]) -> str:
    """Write supervisord's configuration; it holds the servers' passwords."""
    socket, folder = _socket(plan.folder), plan.folder
    lines = ["[unix_http_server]", f"file={_plain(socket)}", "chmod=0600", "", "[supervisord]"]
    lines += [f"logfile={_plain(plan.log('supervisord'))}", "logfile_maxbytes=5MB", "logfile_backups=1"]
    lines += [f"pidfile={_plain(folder / 'supervisord.pid')}", f"directory={_plain(plan.top)}", "umask=022"]
    lines += ["user=root", ""] if os.geteuid() == 0 else [""]
    lines += ["[rpcinterface:supervisor]"]
    lines += ["supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface", ""]
    for service in services:
        lines += [*_program(plan, service), ""]
    return "\n".join(lines)


def _program(plan: Plan, service: Service) -> list[str]:
    pairs = ",".join(f'{name}="{_plain(value)}"' for name, value in sorted(service.environment.items()))
    return [
        f"[program:{service.name}]",
        f"command={_plain(shlex.join(service.command))}",
        f"directory={_plain(plan.top if not service.user else '/')}",
        *([f"environment={pairs}"] if pairs else []),
        *([f"user={service.user}"] if service.user else []),
        "autostart=false",
        "autorestart=true",
        "startsecs=1",
        "startretries=3",
        f"stopsignal={service.stop_signal}",
        "stopwaitsecs=20",
        # PostgreSQL ends its own children; to them the same signal means something else.
        f"stopasgroup={'false' if service.name == 'postgres' else 'true'}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_plain(plan.log(service.name))}",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=1",
    ]


def _plain(value: object) -> str:
    return str(value).replace("%", "%%")  # supervisor expands %(…)s
