"""Every command of the README, the quick start and the how-tos, in a fresh clone, printing what the page says.

How a block is run stands in the page's source, right before it: tests/fixtures/pages.py.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.plan import PORTS
from tests.fixtures import applicationsets, images
from tests.fixtures.pages import PAGES, Block, agrees, blocks, journeys
from tests.fixtures.servers import free_port
from tests.fixtures.shell import Shell

ROOT = Path(__file__).parents[2]
BORROWED = ["PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "UV_CACHE_DIR"]
BORROWED += ["KUBECONFIG", "REGISTRY", "SLIPWAY_BASE_IMAGE", "HOST", "BUILDAH_ISOLATION"]
SECONDS = 900.0


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one clone has made with DVC, or this checkout before, the next one finds: each page would train again."""
    made, own = tmp_path_factory.mktemp("dvc") / "cache", ROOT / ".dvc/cache"
    if own.is_dir():
        shutil.copytree(own, made)
    return made


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own, which every pytest of this machine closes to others again: PostgreSQL is another user."""
    with tempfile.TemporaryDirectory(prefix="slipway-page-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture(scope="session")
def argocd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a page's cluster has of Argo CD beside what is installed in it; nothing without one."""
    if "KUBECONFIG" not in os.environ:
        yield
        return
    with applicationsets.controller(tmp_path_factory.mktemp("argocd") / "applicationsets.log"):
        yield


@pytest.fixture
def shell(folder: Path, cache: Path, argocd: None) -> Iterator[Shell]:
    clone = folder / "slipway"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    (clone / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n")
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ann\n\temail = ann@example.com\n")
    environment = {name: os.environ[name] for name in BORROWED if name in os.environ}
    environment.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache/uv"))
    own = str(ROOT / ".venv")
    paths = [path for path in os.environ["PATH"].split(os.pathsep) if not path.startswith(own)]
    environment["PATH"] = os.pathsep.join([*paths, str(ROOT / "var/bin")])  # kustomize and the like are built once
    if "KUBECONFIG" in environment:
        environment.setdefault("HOST", "127.0.0.1")
        store = images.store(images.CACHE / "containers")
        environment |= {name: value for name, value in store.items() if name != "PATH"}
        if "SLIPWAY_BASE_IMAGE" not in environment:
            environment["SLIPWAY_BASE_IMAGE"] = images.push_base(environment["REGISTRY"])
    made = Shell(
        clone, environment | {"HOME": str(home), "COLUMNS": "160", "NO_COLOR": "1", "OTHER_PORTS": _other_ports()}
    )
    made.run("set -o pipefail", 10)
    yield made
    made.close()
    if (clone / "var/stack").exists():  # a page that stopped half way
        subprocess.run([clone / ".venv/bin/slipway", "stack", "down"], cwd=clone, check=False)


def _other_ports() -> str:
    """Name another port for each of the stack's that is taken here; by the registry of a cluster, say."""
    taken = [name for name, port in PORTS.items() if _is_taken(port)]
    return " ".join(f"--port {name}={free_port()}" for name in taken)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@pytest.mark.nightly  # minutes a page
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("journey", journeys(PAGES), ids=lambda pages: "+".join(page.stem for page in pages))
def test_pages_do_what_they_say(journey: list[Path], shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    found = {page: blocks(page) for page in journey}
    first = [block for page in journey for block in found[page] if not block.last]
    last = [block for page in reversed(journey) for block in found[page] if block.last]
    counted = {page: Counter[str]() for page in journey}
    for block in [*first, *last]:
        if block.language == "console":
            counted[block.page][_reason(block) or "run"] += len(block.steps)
    typed = [block for block in first if not _reason(block)]
    try:
        for block in typed:
            _do(block, shell)
    finally:  # what a page takes down it takes down, or the next run finds it
        for block in [block for block in last if not _reason(block)]:
            _do(block, shell)
    with capsys.disabled():
        for page in journey:
            said = ", ".join(f"{count} {what}" for what, count in counted[page].items())
            print(f"\n{page.relative_to(ROOT)}: {said or 'nothing to type'}")


def _do(block: Block, shell: Shell) -> None:
    if block.how == "file":
        path = Path(shell.run("pwd", 10)[0][-1]) / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.body, encoding="utf-8")
    elif block.language == "console":
        _run(block, shell)


def _reason(block: Block) -> str | None:
    if block.how == "not run":
        return f"not: {block.argument}"
    return "not: no cluster in KUBECONFIG" if block.cluster and "KUBECONFIG" not in os.environ else None


def _run(block: Block, shell: Shell) -> None:
    where = f"{block.page.relative_to(ROOT)}:{block.line}"
    if block.how == "instead":
        printed, code = shell.run(block.argument, SECONDS)
        assert code == 0, f"{where}: {block.argument} ended with {code}:\n" + "\n".join(printed)
        return
    for step in block.steps:
        if block.how == "background" and step is block.steps[-1]:
            shell.background(step.command, block.argument, SECONDS)
            continue
        printed, code = shell.run(step.command, SECONDS)
        came = "\n".join(printed)
        wanted = int(block.argument) if block.how == "exit" and step is block.steps[-1] else None
        assert code == wanted if wanted is not None else (code != 0) == step.fails, (
            f"{where}: {step.command} ended with {code}:\n{came[-6000:]}"
        )
        if block.how != "output varies":
            shown = "\n".join(step.printed)
            assert agrees(step.printed, printed), f"{where}: {step.command} printed\n{came}\nand the page says\n{shown}"
