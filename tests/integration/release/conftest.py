from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from registry.image_statement import Image, Stated
from registry.options import PATIENCE
from registry.statement import Opinion
from registry.tracking import Tracking, open_store
from release.audit.audit import Audit, open_audit
from release.cluster.health import Health
from release.context import Context
from release.forges.github import GitHub
from release.forges.plain import Plain
from release.git.commits import Actor, signing
from release.git.manifests import Remote, cloned
from slipway.answer import Answer
from tests.fixtures import github as standin
from tests.fixtures.github import State

for variable, value in PATIENCE.items():
    os.environ.setdefault(variable, value)

BOT, ADA, BOB = Actor("bot", "bot@example.org"), Actor("Ada", "ada@example.org"), Actor("Bob", "bob@example.org")
NAME = "tiny"
EMPTY = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: Deployment}
  patch: |
    $patch: delete
    apiVersion: v1
    kind: Any
    metadata: {name: any}
"""
OVERLAY = (
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\ncomponents: [release]\n"
)
BASE = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [deployment.yaml]\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: tiny}
spec:
  selector: {matchLabels: {app: tiny}}
  template:
    metadata: {labels: {app: tiny}}
    spec: {containers: [{name: server, image: tiny}]}
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def manifests(folder: Path, models: tuple[str, ...]) -> None:
    for model in models:
        base = folder / "gitops/apps" / model / "base"
        base.mkdir(parents=True)
        (base / "kustomization.yaml").write_text(BASE)
        (base / "deployment.yaml").write_text(DEPLOYMENT.replace("tiny", model))
        for environment in ("staging", "production"):
            release = base.parent / environment / "release"
            release.mkdir(parents=True)
            (release / "kustomization.yaml").write_text(EMPTY)
            (release.parent / "kustomization.yaml").write_text(OVERLAY)


def bare(folder: Path, models: tuple[str, ...] = (NAME,)) -> Path:
    work = folder / "work"
    manifests(work, models)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "Begin")
    git(folder, "clone", "-q", "--bare", "work", "remote.git")
    shutil.rmtree(work)
    git(folder / "remote.git", "config", "uploadpack.allowFilter", "true")
    return folder / "remote.git"


@dataclass(frozen=True)
class ReleaseBench:
    """One repository, one MLflow store, one audit record, and contexts of any actor on them."""

    folder: Path
    remote: Path
    tracking: Tracking
    audit: Audit

    @contextmanager
    def acting(self, actor: Actor = BOT, key: str | None = None, **changes: Any) -> Iterator[Context]:
        signers = f"gpg.ssh.allowedSignersFile={self.folder / 'signers'}"
        place = Remote(
            f"file://{self.remote}",
            "main",
            "gitops",
            actor,
            (*signing(key), signers),
            self.folder / f"seen-{actor.name}",
        )
        with cloned(place) as clone:
            context = Context(
                clone,
                Plain(clone),
                lambda: self.tracking,
                self.audit,
                lambda *_: Health(1e9, "healthy"),
                lambda *_: Answer(True, "there"),
                lambda *_: Answer(True, "there"),
                600.0,
                judged=lambda _, version: Opinion(
                    verdict := version.tags["verdict"], f"the gate's verdict is {verdict}"
                ),
                packaged=lambda _, version: Stated(
                    Image(version.tags["image"], "", "", ""), Answer(True, "as it was packaged")
                ),
            )
            yield replace(context, **changes)

    def version(self, verdict: str = "passed", name: str = NAME, packaged: bool = True) -> int:
        client = self.tracking.client
        number = len(self.tracking.versions(name)) + 1
        if number == 1:
            client.create_registered_model(name)
        run = client.create_run("0").info.run_id
        tags = {"verdict": verdict, "git_commit": f"{number:040x}", "data_md5": f"{number:032x}"}
        tags |= {"model_sha256": f"{number:064x}", "golden_sha256": f"{number:064x}"}
        if packaged:
            tags |= {"image": f"127.0.0.1:5000/team/{name}:{number}", "image_digest": f"sha256:{number:064x}"}
        return int(client.create_model_version(name, "file:///nowhere", run_id=run, tags=tags).version)

    def release(self, number: int, approver: Actor = ADA) -> str:
        """Bring a version to production the whole way."""
        from release.actions.approve import approve
        from release.actions.promote import promote
        from release.actions.stage import stage

        with self.acting() as context:
            stage(context, NAME, str(number))
            promote(context, NAME, str(number))
        with self.acting(approver) as context:
            return approve(context, NAME).commit

    def text(self, environment: str, commit: str = "main") -> str:
        return git(self.remote, "show", f"{commit}:gitops/apps/{NAME}/{environment}/release/kustomization.yaml") + "\n"

    def commits(self, branch: str = "main") -> list[str]:
        return git(self.remote, "log", "--first-parent", "--format=%s", branch).splitlines()

    def branches(self) -> list[str]:
        return git(self.remote, "branch", "--format=%(refname:short)").splitlines()

    def aliases(self) -> dict[str, int]:
        return {alias: one.number for one in self.tracking.versions(NAME) for alias in one.aliases}

    def tags(self, number: int) -> dict[str, str]:
        return next(dict(one.tags) for one in self.tracking.versions(NAME) if one.number == number)

    def actions(self) -> list[tuple[str, int]]:
        return [(one.action, one.version) for one in self.audit.entries()]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """One store for all tests of a worker: to open one takes half a second."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}")
    opened.names()
    return opened


@pytest.fixture
def desk(tmp_path: Path, store: Tracking) -> Iterator[ReleaseBench]:
    (tmp_path / "signers").touch()
    yield ReleaseBench(tmp_path, bare(tmp_path), store, open_audit(f"sqlite:///{tmp_path / 'audit.db'}"))
    for name in store.names():
        store.client.delete_registered_model(name)


@pytest.fixture
def fresh(tmp_path: Path, store: Tracking) -> Iterator[Callable[[], ReleaseBench]]:
    """Make a new repository and audit record at each call, and empty the store."""
    made = 0

    def make() -> ReleaseBench:
        nonlocal made
        made += 1
        folder = tmp_path / str(made)
        folder.mkdir()
        (folder / "signers").touch()
        for name in store.names():
            store.client.delete_registered_model(name)
        return ReleaseBench(folder, bare(folder), store, open_audit(f"sqlite:///{folder / 'audit.db'}"))

    yield make
    for name in store.names():
        store.client.delete_registered_model(name)


@pytest.fixture(scope="session")
def in_git() -> Callable[..., str]:
    return git


@pytest.fixture(scope="session")
def make_remote() -> Callable[..., Path]:
    return bare


@pytest.fixture(scope="session")
def make_desk(store: Tracking) -> Callable[[Path], ReleaseBench]:
    """Make a desk at a folder, on the store of this worker as it is."""

    def make(folder: Path) -> ReleaseBench:
        (folder / "signers").touch()
        return ReleaseBench(folder, bare(folder), store, open_audit(f"sqlite:///{folder / 'audit.db'}"))

    return make


@pytest.fixture(scope="session")
def make_keys() -> Callable[[Path], dict[str, str]]:
    """Make three SSH keys in a folder by ssh-keygen; the list of allowed signers there has all but that of eve."""

    def make(folder: Path) -> dict[str, str]:
        made: dict[str, str] = {}
        lines = []
        for name in ("ada", "bot", "eve"):
            path = folder / f"key-{name}"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
            lines += [f"{name}@example.org {path.with_suffix('.pub').read_text().strip()}"] if name != "eve" else []
            made[name] = str(path)
        (folder / "signers").write_text("\n".join(lines) + "\n")
        return made

    return make


@pytest.fixture
def keys(desk: ReleaseBench, make_keys: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    return make_keys(desk.folder)


@pytest.fixture
def state() -> Iterator[State]:
    with standin.serving() as running:
        yield running
        assert running.problems == []


@pytest.fixture
def forge(state: State) -> Iterator[GitHub]:
    with standin.connected(state) as client:
        yield client
