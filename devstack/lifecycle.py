"""Bring a stack up, take it down, tell its state.

Each act can be run twice and killed anywhere: a rerun finds what is done. One
at a time works on a folder. Refuses to answer "up" before every server has
given a right answer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack import files, page, plan, readiness, supervision
from devstack.plan import Plan
from devstack.services import Service, services
from slipway import processes
from slipway.errors import Refused, Unavailable

HEALTHY_SECONDS = {"mlflow": 300.0, "api": 180.0}  # both import MLflow: minutes on a busy machine
OTHER_SECONDS = 60.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class ServerHealth:
    """What is known of a server."""

    name: str
    state: str
    """healthy, waiting, unhealthy or stopped"""
    url: str
    pid: int | None
    detail: str


def up(wanted: Plan, given_ports: dict[str, int], progress: Progress) -> list[ServerHealth]:
    """Start what does not run, wait until everything is healthy, write the page of addresses.

    Raises:
        Refused: the stack runs with other ports than the given ones.
        Unavailable: a port is taken, or a server does not become healthy.
    """
    with _alone(wanted.folder):
        described = services(wanted, files.postgres_programs(), files.postgres_user())
        if supervision.running(wanted.folder):
            _refuse_other_ports(wanted.folder, given_ports)
            # A program installed since then joins at the next start.
            known = supervision.states(wanted.folder)
            described = [service for service in described if service.name in known]
        else:
            if left := supervision.end_leftovers(wanted.folder):
                progress(f"ended {left} process(es) that a former stack left")
            plan.check_ports(wanted, [service.name for service in described])
            plan.write(wanted)
            files.prepare(wanted)
            make_keys(wanted.top)
            supervision.start(wanted, described)
        for wave in sorted({service.wave for service in described}):
            if wave == 2:
                _migrate(wanted, progress)
            _start_wave(wanted, [service for service in described if service.wave == wave], progress)
        page.write(wanted, [service.name for service in described])
        return status(wanted)


def down(folder: Path, progress: Progress) -> int:
    """Stop everything; the data stays. Return how many processes had lost their supervisor.

    Raises:
        Unavailable: something does not end.
    """
    folder = folder.absolute()
    with _alone(folder):
        left = supervision.stop(folder, progress)
        if (folder / plan.FILE).exists():
            for port in plan.read(folder).inner:  # SeaweedFS leaves these, wherever TMPDIR points
                for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its own choice
                    socket.unlink(missing_ok=True)
        return left


def status(stack: Plan) -> list[ServerHealth]:
    """Ask every server how it is."""
    if not supervision.running(stack.folder):
        return []
    return [_health(stack, name, found) for name, found in _in_order(supervision.states(stack.folder))]


def make_keys(top: Path) -> None:
    """Make the keys of tokens for development, unless they are there.

    Raises:
        Unavailable: they could not be made.
    """
    _run(top, ["token", "--json"], {}, "the keys of tokens")


def _in_order(found: dict[str, dict[str, object]]) -> list[tuple[str, dict[str, object]]]:
    return [(name, found[name]) for name in plan.PORTS if name in found]


def _health(stack: Plan, name: str, found: dict[str, object]) -> ServerHealth:
    url, statename = stack.url(name), str(found["statename"])
    if statename not in ("RUNNING", "STARTING"):
        detail = str(found["spawnerr"]) or f"its supervisor reports {statename}"
        return ServerHealth(name, "stopped" if statename == "STOPPED" else "unhealthy", url, None, detail)
    pid = int(str(found["pid"]))
    fault = readiness.fault(stack, name)
    if fault is None:
        return ServerHealth(name, "healthy", url, pid, "")
    if name == "api" and (reason := readiness.waiting(stack)):
        return ServerHealth(name, "waiting", url, pid, reason)
    return ServerHealth(name, "unhealthy", url, pid, fault)


def _start_wave(stack: Plan, wave: list[Service], progress: Progress) -> None:
    begun = time.monotonic()
    for service in wave:
        supervision.start_service(stack.folder, service.name)
    for service in wave:
        found = _wait_for(stack, service.name)
        progress(f"{service.name:<13}{found.state:<9}{time.monotonic() - begun:5.1f} s  {found.url}")


def _wait_for(stack: Plan, name: str) -> ServerHealth:
    seconds = HEALTHY_SECONDS.get(name, OTHER_SECONDS)
    ends = time.monotonic() + seconds
    while True:
        state = supervision.state(stack.folder, name)
        found = _health(stack, name, state)
        if found.state in ("healthy", "waiting"):
            return found
        if state["statename"] == "FATAL" or time.monotonic() > ends:
            log = stack.log(name)
            raise Unavailable(
                f"{name} does not become healthy",
                expected=f"a right answer at {found.url} within {seconds:g} s",
                found=f"{found.detail}\n{_tail(log)}",
                hint=f"less {log}; then slipway stack up, or slipway stack down",
            )
        time.sleep(0.2)


def _tail(log: Path, lines: int = 5) -> str:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"            {line[:200]}" for line in text.splitlines()[-lines:])


def _migrate(stack: Plan, progress: Progress) -> None:
    environment = {"SLIPWAY_DATABASE_URL": stack.database("journal")}
    progress(_run(stack.top, ["journal", "migrate"], environment, "the journal's tables").strip())


def _run(top: Path, words: list[str], environment: dict[str, str], thing: str) -> str:
    done = processes.run("slipway", *words, env=os.environ | environment, cwd=top, quiet=True)
    if done.code:
        raise Unavailable(
            f"{thing} could not be made", found=done.complaint.strip()[-500:], hint=f"slipway {' '.join(words)}"
        )
    return done.output


def _refuse_other_ports(folder: Path, given: dict[str, int]) -> None:
    runs_with = plan.read(folder).ports
    for name, port in given.items():
        if runs_with[name] != port:
            raise Refused(
                f"the stack is up, with {name} on port {runs_with[name]}",
                expected=f"port {port}",
                found=str(runs_with[name]),
                hint="slipway stack down, then slipway stack up",
            )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(
                f"another command works on {folder}",
                expected="one at a time",
                found=f"{folder / 'lock'} is held",
                hint="wait until it ends, then run the same command again",
            ) from None
        yield
