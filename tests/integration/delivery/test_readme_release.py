"""The README's release, as it is typed: Git, MLflow, record and signatures are real, the cluster is a stand-in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.pages import held_by
from tests.fixtures.shell import Shell
from tests.integration.delivery.conftest import ACTORS, MODEL, Team, digest

pytestmark = pytest.mark.long
TEST = "tests/integration/delivery/test_readme_release.py::test_the_readme_s_release"
SECONDS = 120.0


@pytest.fixture
def shell(team: Team) -> Iterator[Shell]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    made = Shell(team.here.clone, clean | dict(team.settings) | {"SLIPWAY_BAKE_SECONDS": "0"})
    yield made
    made.close()


def test_the_readme_s_release(team: Team, shell: Shell) -> None:
    team.release(1)
    team.mlflow().set_registered_model_alias(MODEL, "challenger", "2")
    (block,) = held_by(TEST)
    # Whoever reads has a seventh version, here it is the second; a person is asked before an approval.
    typed = [step.command.partition(" #")[0].strip().replace("@7", "@2") for step in block.steps]
    stage, promote, approve, resume, rollback = typed

    def by(actor: str, command: str) -> str:
        settings = f"SLIPWAY_ACTOR='{ACTORS[actor]}' SLIPWAY_SIGNING_KEY={team.here.folder / actor}"
        printed, code = shell.run(f"env {settings} {command}", SECONDS)
        assert code == 0, f"{command} ended with {code}:\n" + "\n".join(printed)
        return "\n".join(printed)

    by("bot", stage)
    assert team.released("staging") == 2
    team.stand.rollout("staging", digest(2), 2)
    by("bot", promote)
    by("ada", f"{approve} --yes")
    assert team.released("production") == 2
    team.stand.rollout("production", digest(2), 2, active=digest(1))
    team.stand.pause("production")
    by("ada", resume)
    assert "pauseConditions" not in team.stand.status("production")
    team.stand.rollout("production", digest(2), 2)
    by("ada", rollback)
    assert team.released("production") == 1
    assert "p99 doubled" in team.mlflow().get_model_version(MODEL, "2").tags["rejected"]
