"""`slipway protect` against a server that keeps what it is told, in the forms that GitHub's REST description gives."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from release.cli.protect import protect as command
from release.forges.github import connect
from slipway.errors import BadInput, SlipwayError
from tests.fixtures.github import OWNER, REPOSITORY
from tests.fixtures.pages import agrees, held_by
from tests.fixtures.protection import TOP, Forge, protecting
from tests.fixtures.shell import Shell
from tests.fixtures.workflows import ROOT


@pytest.fixture
def forge() -> Iterator[Forge]:
    with protecting() as state:
        yield state


def protect(forge: Forge, *words: str, code: int = 0) -> str:
    named = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": f"{OWNER}/{REPOSITORY}", "GITHUB_TOKEN": "a-token"}
    done = CliRunner().invoke(command, ["--app-id", "77", "-C", str(ROOT), *words], env=named)
    said = done.output + str(done.exception or "")
    found = done.exception.exit_code if isinstance(done.exception, SlipwayError) else done.exit_code
    assert found == code, said
    assert "a-token" not in said
    return said if code else done.stdout


def test_an_open_repository_is_refused_then_protected_then_left_alone(forge: Forge) -> None:
    assert "ruleset main" in protect(forge, "--check", code=4)
    assert forge.writes == []
    protect(forge)
    (main,) = [one for one in forge.rulesets.values() if one["name"] == "main"]
    assert main["bypass_actors"] == [{"actor_type": "Integration", "actor_id": 77, "bypass_mode": "always"}]
    assert [one["name"] for one in forge.policies["release"]] == ["v*"]
    protect(forge, "--check")
    forge.writes.clear()
    protect(forge)
    assert forge.writes == [f"PUT {TOP}/actions/permissions/workflow"]


def test_the_page_protects_a_repository(forge: Forge, tmp_path: Path) -> None:
    (block,) = held_by("tests/integration/delivery/test_protect.py::test_the_page_protects_a_repository")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "GITHUB_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean |= {"GITHUB_API_URL": forge.url, "PYTHONPATH": str(ROOT), "COLUMNS": "160", "NO_COLOR": "1"}
    shutil.copytree(ROOT / ".github", tmp_path / "clone/.github")
    shell = Shell(tmp_path / "clone", clean)
    try:
        for step in block.steps:
            command = step.command.replace("example/slipway", f"{OWNER}/{REPOSITORY}").replace(
                "TOKEN=…", "TOKEN=a-token"
            )
            shown = tuple(line.replace("example/slipway", f"{OWNER}/{REPOSITORY}") for line in step.printed)
            printed, code = shell.run(command, 60)
            assert (code, agrees(shown, printed)) == (0, True), "\n".join(printed)
    finally:
        shell.close()
    (main,) = [one for one in forge.rulesets.values() if one["name"] == "main"]
    assert main["bypass_actors"][0]["actor_id"] == 1234567
    protect(forge, "--app-id", "1234567", "--check")


@pytest.mark.parametrize("token", ["…", "two words", "a-token\n", "jeton-d'été"])
def test_what_no_request_can_carry_is_named_and_not_shown(forge: Forge, token: str) -> None:
    named = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": f"{OWNER}/{REPOSITORY}", "GITHUB_TOKEN": token}
    done = CliRunner().invoke(command, ["--app-id", "77", "-C", str(ROOT)], env=named)
    assert isinstance(done.exception, BadInput)
    with pytest.raises(BadInput, match="GITHUB_TOKEN is not a token") as refused:
        connect(f"{OWNER}/{REPOSITORY}", "main", token, forge.url)
    assert token not in str(refused.value)


def loosen_review(forge: Forge) -> None:
    for one in forge.rulesets.values():
        for rule in one["rules"]:
            if rule["type"] == "pull_request":
                rule["parameters"]["require_code_owner_review"] = False


def let_somebody_round(forge: Forge) -> None:
    forge.rulesets[1]["bypass_actors"].append({"actor_type": "OrganizationAdmin", "actor_id": 1})


def open_production(forge: Forge) -> None:
    forge.environments["production"]["protection_rules"] = []


def allow_another_branch(forge: Forge) -> None:
    forge.policies["delivery"].append({"id": 999, "name": "*", "type": "branch"})


def let_workflows_approve(forge: Forge) -> None:
    forge.workflow["can_approve_pull_request_reviews"] = True


LOOSER = [loosen_review, let_somebody_round, open_production, allow_another_branch, let_workflows_approve]


def test_whatever_is_loosened_is_found_and_put_back(forge: Forge) -> None:
    protect(forge)
    for loosen in LOOSER:
        loosen(forge)
    said = protect(forge, "--check", code=4)
    for place in (
        "require_code_owner_review",
        "bypass_actors",
        "production.reviewers",
        "delivery.branches",
        "can_approve_pull_request_reviews",
    ):
        assert place in said, place
    protect(forge)
    protect(forge, "--check")


def test_a_rule_beyond_ours_stays(forge: Forge) -> None:
    protect(forge)
    forge.rulesets[1]["rules"].append({"type": "required_signatures"})
    protect(forge)
    assert {"type": "required_signatures"} in forge.rulesets[1]["rules"]


def test_what_the_token_may_not_see_is_said_and_is_no_failure(forge: Forge) -> None:
    protect(forge)
    forge.administrator = False
    said = json.loads(protect(forge, "--check", "--json"))
    assert [(one["where"], one["unseen"]) for one in said["points"]] == [
        ("ruleset main.bypass_actors", True),
        ("ruleset releases.bypass_actors", True),
    ]


def test_owners_who_do_not_exist_are_no_protection(forge: Forge) -> None:
    forge.owner_errors.append({"line": 9, "kind": "Unknown owner"})
    assert "Unknown owner" in protect(forge, code=4)


def test_a_team_that_is_missing_is_named(forge: Forge) -> None:
    del forge.teams["approvers"]
    assert "no team approvers" in protect(forge, code=3)
