"""promote.yml, rollout.yml and nightly.yml's look at production, run as GitHub runs them.

Stand-ins: GitHub (validated against its own description), the cluster's API server, the image registry, the cloud's
program. Git, MLflow's store, the audit record, signatures and every command are the real ones.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fixtures.act import REPOSITORY, Here, succeeded
from tests.fixtures.github import State
from tests.fixtures.protection import Forge, protecting
from tests.integration.delivery.conftest import Team

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1600)]
MODEL = "flight-delay"


def reached(here: Here, url: str) -> Here:
    return replace(here, overrides={"GITHUB_API_URL": url, "SLIPWAY_BAKE_SECONDS": "0"})


def no_secret_is_said(team: Team, done: subprocess.CompletedProcess[str]) -> None:
    said = "\n".join(line for line in done.stdout.splitlines() if "  | " in line)  # what steps print, not act itself
    key = team.here.secrets["SIGNING_KEY"].splitlines()[1]
    assert not [one for one in ("secret-token", "token-of-the-run", key) if one in said]


def test_promote_asks_once_for_the_champion_of_mlflow(team: Team, forge: State) -> None:
    team.release(1)
    team.stage(2)
    team.mlflow().set_registered_model_alias(MODEL, "champion", "2")
    here = reached(team.here, forge.url)
    for _ in range(2):
        done = here.run("promote", "reconcile", "workflow_dispatch", {})
        ran = succeeded(done)
        assert ran[-1] == "Reconcile"
        no_secret_is_said(team, done)
    assert here.asked("aws") == ["eks update-kubeconfig --name ours"] * 2
    (pull,) = forge.pulls
    assert (pull["head"]["ref"], pull["title"]) == (f"release/{MODEL}/2", f"Release {MODEL} 2 to production")
    assert [(one["context"], one["state"]) for one in forge.statuses] == [("slipway/promotion", "success")]
    assert team.released("production") == 1  # asked for, and no more
    signed = ["-c", f"gpg.ssh.allowedSignersFile={team.settings['SLIPWAY_ALLOWED_SIGNERS']}"]
    assert team.git(*signed, "log", "-1", "--format=%G?", pull["head"]["ref"]) == "G"


def test_promote_asks_for_nothing_that_nobody_could_approve(team: Team, forge: State) -> None:
    team.release(1)
    team.stage(2)
    team.mlflow().set_registered_model_alias(MODEL, "champion", "2")
    owners = team.here.clone / ".github/CODEOWNERS"
    owners.write_text(owners.read_text().replace("@octocat/approvers", "@your-organisation/approvers"))
    subprocess.run(["git", "commit", "--quiet", "-am", "Forget our name"], cwd=team.here.clone, check=True)
    done = reached(team.here, forge.url).run("promote", "reconcile", "workflow_dispatch", {})
    assert done.returncode != 0
    assert "@your-organisation/approvers" in done.stdout
    assert forge.pulls == []


def act(team: Team, word: str, reason: str = "Slow since noon") -> subprocess.CompletedProcess[str]:
    inputs = {"model": MODEL, "act": word, "reason": reason}
    named = {"SLIPWAY_ACTOR": "ada <ada@users.noreply.github.com>"}  # act knows no github.triggering_actor
    here: Here = replace(team.here, overrides=named)
    return here.run("rollout", "production", "workflow_dispatch", {"inputs": inputs})


def test_rollout_resumes_aborts_and_rolls_back(team: Team) -> None:
    team.release(1)
    team.release(2)
    team.stand.rollout("production", f"sha256:{2:064x}", 2, active=f"sha256:{1:064x}")
    team.stand.pause("production")
    succeeded(act(team, "resume"))
    assert "pauseConditions" not in team.stand.status("production")
    assert "abort" not in team.stand.status("production")
    succeeded(act(team, "abort"))
    assert team.stand.status("production")["abort"] is True
    never = team.here.folder / "never"
    done = act(team, "rollback", f"$(touch {never}); `touch {never}`")
    succeeded(done)
    no_secret_is_said(team, done)
    assert team.released("production") == 1
    assert int(team.mlflow().get_model_version_by_alias(MODEL, "champion").version) == 1
    assert not never.exists()
    assert f"$(touch {never})" in team.mlflow().get_model_version(MODEL, "2").tags["rejected"]
    said = team.slipway("audit", MODEL, "--verify", "--json")
    assert all(f'"action": "{word}"' in said for word in ("resume", "abort", "rollback"))


@pytest.fixture
def protected() -> Iterator[Forge]:
    with protecting() as state:
        yield state


def test_nightly_finds_production_as_git_and_mlflow_say_and_whatever_is_not(team: Team, protected: Forge) -> None:
    start = team.git("rev-parse", "main")
    team.release(1)
    variables = {**team.here.variables, "SIGNED_SINCE": start}
    here = reached(replace(team.here, variables=variables), protected.url)
    named = {"GITHUB_API_URL": protected.url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": "secret-token"}
    replace(team, settings={**team.settings, **named}).slipway("protect", "--app-id", "77")
    done = here.run("nightly", "production", "schedule", {})
    assert succeeded(done)[-1] == "Verify the history, the settings, and that Git and cluster agree"
    no_secret_is_said(team, done)
    protected.environments["production"]["protection_rules"] = []
    team.stand.rollout("production", f"sha256:{9:064x}", 9)
    done = here.run("nightly", "production", "schedule", {})
    assert done.returncode != 0
    assert "environment production.reviewers" in done.stdout
    assert "Argo CD still has version 9" in " ".join(done.stdout.split())
