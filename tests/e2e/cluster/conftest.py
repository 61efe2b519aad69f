"""A real cluster with Argo CD and Argo Rollouts, by KUBECONFIG; images of good and bad models, by REGISTRY.

What is missing fails: this tier was asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slipway.atomic import write_json
from tests.fixtures import applicationsets, git_server, images, make_model
from tests.fixtures.door import Door
from tests.fixtures.images import CACHE, ROOT, Image
from tests.fixtures.kubectl import kubectl, wait
from tests.fixtures.site import Ground, Site
from tests.fixtures.slow_model import slow_down

Images = dict[str, Image]
BUILT = "built.json"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    sites = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Site)]
    if report.failed:  # type: ignore[attr-defined]
        report.sections += [("the cluster", one.report()) for one in {id(each): each for each in sites}.values()]  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def registry() -> str:
    for name in ("KUBECONFIG", "REGISTRY"):
        assert name in os.environ, (
            f"{name} is not set; these tests need a cluster and its registry: docs/quick-start.md"
        )
    for tool in ("kubectl", "buildah", "skopeo", "debootstrap", "git"):
        assert shutil.which(tool), f"{tool} is not on PATH; next: sudo make e2e-tools"
    kubectl("get", "crd", "rollouts.argoproj.io", "applications.argoproj.io", "applicationsets.argoproj.io")
    return os.environ["REGISTRY"]


@pytest.fixture(scope="session")
def built(registry: str, base: str, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Build every model of these tests, once for all workers and both runs of `make e2e`.

    Versions 7 to 9 are good, the others are named for their fault.
    """
    folder = shared(tmp_path_factory)
    with images.alone():
        if not (folder / BUILT).exists():
            made = build(folder, base, registry)
            rows = {name: [str(image.folder), image.name, image.digest] for name, image in made.items()}
            write_json(folder / BUILT, rows)
        rows = json.loads((folder / BUILT).read_text())
    return {name: Image(Path(at), image, digest) for name, (at, image, digest) in rows.items()}


def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of all processes of this run."""
    workers = tmp_path_factory.getbasetemp()
    beside = workers.parent if "PYTEST_XDIST_WORKER" in os.environ else workers
    folder = Path(os.environ.get("SLIPWAY_E2E_BUILT", beside / "built"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(folder: Path, base: str, registry: str) -> Images:
    """Make the models below a folder, and their images in the registry."""
    for version, trees in (("8", 25), ("9", 30), ("10", 20), ("11", 22), ("12", 21)):
        make_model.write(folder / version, trees=trees, rows=2000, version=version)
    spoil_golden(folder / "10")
    slow_down(folder / "11")
    named = {"seven": ROOT / "tests/fixtures/flight-delay", "eight": folder / "8", "nine": folder / "9"}
    named |= {"crashing": folder / "10", "slow": folder / "11", "swapped": folder / "12"}
    store = images.store(CACHE / "containers")
    return {name: images.build(path, base, f"{registry}/e2e", store) for name, path in named.items()}


@pytest.fixture(scope="session")
def base(registry: str) -> str:
    """The base image, by digest."""
    with images.alone():
        return images.push_base(registry)


@pytest.fixture(scope="session")
def ground(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A Git server that the cluster reads, wherever it runs; what finds the models' folders in it."""
    with (
        applicationsets.controller(tmp_path_factory.mktemp("argocd") / "applicationsets.log"),
        git_server.ground(tmp_path_factory.mktemp("git"), base) as made,
    ):
        yield made


@pytest.fixture
def open_door(base: str) -> Iterator[Callable[[str], Door]]:
    """Make doors for pods to servers of this machine."""
    made: list[Door] = []

    def make(to: str) -> Door:
        made.append(Door(base, to))
        return made[-1]

    yield make
    for one in made:
        one.remove()


@pytest.fixture
def new_site(ground: Ground, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(*, shared_spool: bool = False) -> Site:
        name = f"e2e-{uuid.uuid4().hex[:6]}"
        made.append(Site(ground, tmp_path / f"site-{len(made)}", name, shared_spool))
        return made[-1]

    yield make
    for one in made:
        one.remove()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture
def production(site: Site, built: Images) -> Site:
    """A site whose production serves version 7 and has passed through nothing else."""
    site.install(["production"])
    site.release("production", built["seven"])
    site.wait_phase("production", "Healthy", built["seven"])
    wait(lambda: site.rollout("production")["status"].get("availableReplicas", 0) >= 2, 60, "two ready pods")
    return site


def spoil_golden(folder: Path) -> None:
    """Write other answers into golden.json, with digests that fit: the server must refuse to start."""
    golden = json.loads((folder / "golden.json").read_text())
    golden["probabilities"] = [1 - p for p in golden["probabilities"]]
    content = json.dumps(golden).encode()
    (folder / "golden.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["golden.json"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
