"""The project's folder is moved between two steps of a release: registry, manifests and audit record go along."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from release.audit.audit import open_audit
from tests.fixtures.stand import standing
from tests.fixtures.typed import Typed, typed
from tests.integration.promoter.conftest import MODEL, PromoterSite, digest, make_remote, make_versions

BOB = "Bob <bob@example.org>"


@pytest.mark.long
def test_a_release_goes_on_where_the_folder_was_moved_to(tmp_path: Path, empty_store: Path) -> None:
    old, new = tmp_path / "project", tmp_path / "elsewhere/the project"
    (old / "var/mlflow").mkdir(parents=True)
    store = old / "var/mlflow/mlflow.db"
    shutil.copy(empty_store, store)
    with standing(MODEL) as stand:
        make_versions(f"sqlite:///{store}", old / "var/mlflow/artifacts", stand.port)
        stand.images = {digest(number) for number in range(1, 5)}
        audit = open_audit(f"sqlite:///{old / 'var/audit.db'}")
        kubeconfig = stand.kubeconfig(tmp_path / "kubeconfig")
        remote = make_remote(tmp_path / "origin").rename(old / "var/gitops.git")
        site = PromoterSite(remote, f"sqlite:///{store}", stand, kubeconfig, audit)
        site.put("staging", 1)
        site.put("production", 1)
        site.champion(1)
        audit.engine.dispose()
        shell = {
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(tmp_path),
            "SLIPWAY_BAKE_SECONDS": "0",
            "MLFLOW_TRACKING_URI": "",
        }

        def types(folder: Path, *words: str, who: str = "Ada <ada@example.org>") -> Typed:
            done = typed(list(words), shell | {"SLIPWAY_ACTOR": who}, folder)
            assert done.code == 0, done.err
            return done

        types(old, "stage", MODEL, "2")
        stand.rollout("staging", digest(2), 2)
        types(old, "promote", MODEL, "2")
        seen = {path.name for path in (old / "var/release/seen").iterdir()}
        new.parent.mkdir()
        old.rename(new)

        first = types(new, "approve", MODEL, "--yes", who=BOB)
        assert f"the registry moved here from {old}" in first.err
        stand.rollout("production", digest(2), 2)
        assert "data     md5" in types(new, "trace", f"{MODEL}/2").out
        types(new, "rollback", MODEL, "--reason", "slow")
        types(new, "audit", "--verify")
        assert {path.name for path in (new / "var/release/seen").iterdir()} == seen, (
            "the last commit seen was forgotten"
        )
        assert not old.exists(), "something was written where the project was"
