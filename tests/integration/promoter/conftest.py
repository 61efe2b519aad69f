from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from registry import logged_model, stored
from registry.options import PATIENCE
from registry.tracking import Tracking, open_store
from release.audit.audit import Audit, open_audit
from release.cluster.api import open_cluster
from release.cluster.placement import asked_of
from release.context import Context
from release.forges.plain import Plain
from release.git.commits import STAGE, actor, message
from release.git.manifests import Clone, Remote, cloned
from release.git.push import BranchStep, step
from release.images.images import Images
from release.release_file import Release, render
from tests.fixtures.registered import digests, judged
from tests.fixtures.stand import Stand, standing
from tests.fixtures.typed import Typed, typed

for variable, value in PATIENCE.items():
    os.environ.setdefault(variable, value)

MODEL = "tiny"
DEADLINE_SECONDS = 120
EMPTY = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def make_remote(folder: Path) -> Path:
    """Make a bare repository with the manifests of one model and nothing released."""
    work, bare = folder / "work", folder / "manifests.git"
    for environment in ("staging", "production"):
        overlay = work / f"gitops/apps/{MODEL}/{environment}"
        (overlay / "release").mkdir(parents=True)
        (overlay / "kustomization.yaml").write_text(f"namespace: {MODEL}-{environment}\n")
        (overlay / "release/kustomization.yaml").write_text(EMPTY)
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "Begin")):
        subprocess.run([*GIT, *words], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    return bare


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One empty migrated store for all workers: making it takes seconds."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    folder = (shared or tmp_path_factory.mktemp("store")) / "promoter-store"
    store, done = folder / "mlflow.db", folder / "done"
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not done.exists():
            assert time.monotonic() < deadline, "the other worker did not make the store"
            time.sleep(0.1)
        return store
    open_store(f"sqlite:///{store}").names()
    done.touch()
    return store


@dataclass
class PromoterSite:
    """Everything that the release path stands on, with a model of versions 1 to 4; 3 has failed its verdict."""

    remote: Path
    store: str
    stand: Stand
    kubeconfig: Path
    audit: Audit
    bake_seconds: float = 60

    def tracking(self) -> Tracking:
        return open_store(self.store)

    def release(self, version: int) -> Release:
        image = f"127.0.0.1:{self.stand.port}/team/{MODEL}"
        found = next(one for one in self.tracking().versions(MODEL) if one.number == version)
        model, golden = digests()["model_sha256"], digests()["golden_sha256"]
        return Release(MODEL, version, found.run_id, "a" * 40, "b" * 32, model, golden, image, digest(version))

    def put(self, environment: str, version: int) -> None:
        """Release a version in an environment, and let the cluster have it."""
        release = self.release(version)
        with self.clone() as clone:
            step(
                clone,
                lambda at: BranchStep({at.path(MODEL, environment): render(release)}, message("Put", STAGE, release)),
            )
        self.stand.rollout(environment, release.digest, version)

    def released(self, environment: str) -> int | None:
        with self.clone() as clone:
            found = clone.release(MODEL, environment)
        return found.version if found else None

    def folder(self, version: int) -> Path:
        """Where a version's files are."""
        source = self.tracking().client.get_model_version(MODEL, str(version)).source
        return Path(source.removeprefix("file://"))

    def types(self, top: Path, *words: str, **changed: str) -> Typed:
        """Type a command as Ada in a folder of its own below `top`, with settings changed."""
        settings = {
            "SLIPWAY_GITOPS_REMOTE": str(self.remote),
            "SLIPWAY_AUDIT_URL": str(self.audit.engine.url),
            "SLIPWAY_ACTOR": "Ada <ada@example.org>",
            "SLIPWAY_BAKE_SECONDS": "0",
            "MLFLOW_TRACKING_URI": self.store,
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(top),
        }
        project = top / "typing"
        project.mkdir(exist_ok=True)
        return typed(list(words), settings | changed, project)

    def champion(self, version: int) -> None:
        self.tracking().set_alias(MODEL, "champion", version)

    def aliases(self) -> dict[str, int]:
        return {alias: one.number for one in self.tracking().versions(MODEL) for alias in one.aliases}

    def tags(self, version: int) -> dict[str, str]:
        return next(one.tags for one in self.tracking().versions(MODEL) if one.number == version)

    def commits(self) -> list[str]:
        words = ["git", "rev-list", "main"]
        return subprocess.run(words, cwd=self.remote, capture_output=True, text=True, check=True).stdout.split()

    def requests(self) -> list[str]:
        words = ["git", "for-each-ref", "--format=%(refname:short)", "refs/heads/release"]
        return subprocess.run(words, cwd=self.remote, capture_output=True, text=True, check=True).stdout.split()

    def clone(self) -> contextlib.AbstractContextManager[Clone]:
        return cloned(Remote(str(self.remote), "main", "gitops", actor("Bot <bot@example.org>")))

    @contextlib.contextmanager
    def context(self) -> Iterator[Context]:
        images = Images()
        with self.clone() as clone:
            health = asked_of(clone, self.cluster)
            asked = (health, images.has, stored.whole)
            yield Context(clone, Plain(clone), self.tracking, self.audit, *asked, self.bake_seconds)

    def cluster(self) -> Any:
        return open_cluster(str(self.kubeconfig))

    def actions(self) -> list[tuple[str, int]]:
        return [(one.action, one.version) for one in self.audit.entries(MODEL)]


def digest(version: int) -> str:
    return f"sha256:{version:064x}"


def make_versions(store: str, artifacts: Path, port: int) -> None:
    tracking = open_store(store)
    experiment = logged_model.prepare(tracking, MODEL, artifacts.as_uri())
    for number in range(1, 5):
        run = tracking.client.create_run(experiment).info.run_id
        tags = {"git_commit": "a" * 40, "data_md5": "b" * 32, **digests()}
        tags |= {"verdict": "failed" if number == 3 else "passed", "image_digest": digest(number)}
        tags["image"] = f"127.0.0.1:{port}/team/{MODEL}"
        folder = judged(artifacts.parent / f"version-{number}", MODEL, run, tags, number=number)
        tracking.client.create_model_version(MODEL, folder.as_uri(), run_id=run, tags=tags)


@contextlib.contextmanager
def made_site(folder: Path, empty_store: Path) -> Iterator[PromoterSite]:
    store = folder / "mlflow.db"
    shutil.copy(empty_store, store)
    with standing(MODEL) as stand:
        make_versions(f"sqlite:///{store}", folder / "artifacts", stand.port)
        stand.images = {digest(number) for number in range(1, 5)}
        audit = open_audit(f"sqlite:///{folder / 'audit.db'}")
        made = PromoterSite(
            make_remote(folder), f"sqlite:///{store}", stand, stand.kubeconfig(folder / "kubeconfig"), audit
        )
        made.put("staging", 1)
        made.put("production", 1)
        made.champion(1)
        yield made


@pytest.fixture
def site(tmp_path: Path, empty_store: Path) -> Iterator[PromoterSite]:
    with made_site(tmp_path, empty_store) as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[PromoterSite]:
    """One for all tests of a module that leave it as it is."""
    with made_site(tmp_path_factory.mktemp("still"), empty_store) as made:
        yield made
