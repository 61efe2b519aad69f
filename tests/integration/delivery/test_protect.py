"""`slipway protect` against a server that keeps what it is told, in the forms that GitHub's REST description gives."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

from registry.release.commands.protect import protect as command
from slipway.errors import SlipwayError
from tests.fixtures.workflows import ROOT

TOP = "/repos/example/slipway"
TEAMS = ("approvers", "maintainers", "operators")


@dataclass
class Forge:
    """A GitHub's state; `administrator` says whether the token sees who may go round a rule."""

    url: str = ""
    rulesets: dict[int, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    workflow: dict[str, Any] = field(default_factory=lambda: {"default_workflow_permissions": "write"})
    teams: dict[str, int] = field(default_factory=lambda: {name: 10 + n for n, name in enumerate(TEAMS)})
    owner_errors: list[dict[str, Any]] = field(default_factory=list)
    administrator: bool = True
    writes: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method != "GET":
            self.writes.append(f"{method} {path}")
        if path == f"{TOP}/rulesets":
            return self._rulesets(method, body)
        if said := re.fullmatch(rf"{TOP}/rulesets/(\d+)", path):
            return self._ruleset(method, int(said[1]), body)
        if said := re.fullmatch(rf"{TOP}/environments/(\w+)(/.*)?", path):
            return self._environment(method, said[1], said[2] or "", body)
        if path == f"{TOP}/actions/permissions/workflow":
            self.workflow = body if method == "PUT" else self.workflow
            return (204, None) if method == "PUT" else (200, self.workflow)
        if path == f"{TOP}/codeowners/errors":
            return 200, {"errors": self.owner_errors}
        team = self.teams.get(path.removeprefix("/orgs/example/teams/"))
        return (200, {"id": team}) if team else (404, {"message": "Not Found"})

    def _rulesets(self, method: str, body: Any) -> tuple[int, Any]:
        if method == "POST":
            number = len(self.rulesets) + 1
            self.rulesets[number] = body | {"id": number}
            return 201, self.rulesets[number]
        return 200, [{"id": key, "name": one["name"]} for key, one in self.rulesets.items()]

    def _ruleset(self, method: str, number: int, body: Any) -> tuple[int, Any]:
        if method == "PUT":
            self.rulesets[number] = body | {"id": number}
        shown = dict(self.rulesets[number])
        if not self.administrator:
            del shown["bypass_actors"]
        return 200, shown

    def _environment(self, method: str, name: str, below: str, body: Any) -> tuple[int, Any]:
        policies = self.policies.setdefault(name, [])
        if method == "POST":
            policies.append({"id": 100 + len(policies), **body})
            return 200, policies[-1]
        if method == "DELETE":
            self.policies[name] = [one for one in policies if not below.endswith(f"/{one['id']}")]
            return 204, None
        if below:
            return 200, {"branch_policies": policies}
        if method == "PUT":
            by_id = {number: slug for slug, number in self.teams.items()}
            reviewers = [{"type": "Team", "reviewer": {"slug": by_id[one["id"]]}} for one in body["reviewers"]]
            review = {"type": "required_reviewers", "reviewers": reviewers}
            review["prevent_self_review"] = body["prevent_self_review"]
            rules = [review] if reviewers else []
            self.environments[name] = {
                "protection_rules": [*rules, {"type": "branch_policy"}],
                "deployment_branch_policy": body["deployment_branch_policy"],
            }
        found = self.environments.get(name)
        return (200, found) if found else (404, {"message": "Not Found"})


@pytest.fixture
def forge() -> Iterator[Forge]:
    state = Forge()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, said = state.answer(self.command, self.path.partition("?")[0], json.loads(body or "null"))
            content = b"" if said is None else json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - named by http.server

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def protect(forge: Forge, *words: str, code: int = 0) -> str:
    named = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "example/slipway", "GITHUB_TOKEN": "a-token"}
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
