"""The other jobs of nightly.yml, and that of e2e.yml, run as GitHub runs them.

The tiers run whole by themselves, by the same targets: here they run a test each. No kind runs here: Docker, kind and
kubectl note what they are asked, and the end-to-end tests are collected and not run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.act import Here, fresh_clone, only, succeeded
from tests.fixtures.osv import answering

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1600)]


TIERS = {
    "long": ("test_make_secrets", "make long-tools", "Run the long tests"),
    "whole": (
        "test_security_refuses",
        "make test-nightly",
        "Run complete workflows, the complete stack, a restore and a kill at every step",
    ),
}


@pytest.mark.parametrize("job", TIERS)
def test_a_long_tier(job: str, tmp_path: Path) -> None:
    tests, as_root, step = TIERS[job]
    here = only(tmp_path, tests)
    done = here.run("nightly", job, "schedule", {})
    assert step in succeeded(done)
    assert "1 passed" in done.stdout
    assert here.asked("sudo") == [as_root]


def test_vulnerabilities_that_became_known(tmp_path: Path) -> None:
    fresh_clone(tmp_path)
    with answering() as osv:
        osv.vulnerable = "mlflow"
        done = Here(tmp_path, environment=osv.environment()).run("nightly", "vulnerabilities", "schedule", {})
    assert done.returncode != 0
    assert "mlflow" in done.stdout
    assert "Search for vulnerabilities that became known since" in done.stdout


DOCKER = """\
case "$*" in
  inspect*) exit 1 ;;
  "exec -i"*) cat > %s/hosts.toml ;;
esac"""
KIND = """\
case "$*" in
  "get nodes"*) echo slipway-control-plane ;;
  "create cluster"*) cat > %s/kind.yaml ;;
esac"""
KUBECTL = 'case "$*" in "apply --filename -") cat > /dev/null ;; esac'


def test_kind(tmp_path: Path) -> None:
    here = replace(only(tmp_path, "cluster"), environment={"PYTEST_ADDOPTS": "--collect-only"})
    here.program("docker", DOCKER % tmp_path)
    here.program("kind", KIND % tmp_path)
    here.program("kubectl", KUBECTL)
    done = here.run("e2e", "kind", "workflow_dispatch", {})
    assert succeeded(done)[-1] == "Run the README in a fresh clone, then releases on the cluster"
    assert "test_whole_way.py" in done.stdout
    assert any(one.startswith("run --detach") and "127.0.0.1:5001:5000" in one for one in here.asked("docker"))
    assert "config_path" in (tmp_path / "kind.yaml").read_text()
    assert "http://slipway-registry:5000" in (tmp_path / "hosts.toml").read_text()
    applied = [one.rpartition(" ")[2] for one in here.asked("kubectl") if one.startswith("apply --server-side")]
    assert [one.split("/")[3:6] for one in applied] == [
        ["argoproj", "argo-cd", "v3.6.1"],
        ["argoproj", "argo-rollouts", "v1.10.2"],
    ]
