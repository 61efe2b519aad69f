"""A GitHub repository's rulesets, environments and Actions settings, as the files below .github/ say.

Owns how they are read, compared and applied. What is wanted must be there; a
rule that GitHub has beyond it is left alone, an actor that may go round a rule
is not.

Source: https://docs.github.com/en/rest (repository rules, deployment environments, Actions permissions, code owners)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import BadInput

APP = "SLIPWAY_APP_ID"
WORKFLOW = "actions/permissions/workflow"
Ask = Callable[[str, str, Any], Any]  # method, path below the API, body -> what was answered; None where there is none


@dataclass(frozen=True)
class Wanted:
    """What the files say: rulesets and environments by name, and who may do what by default in a workflow."""

    rulesets: dict[str, dict[str, Any]]
    environments: dict[str, dict[str, Any]]
    workflow: dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One place where the repository is not as the files say; `unseen` where the token may not look."""

    where: str
    expected: str
    found: str
    unseen: bool = False


def read(folder: Path, app: int) -> Wanted:
    """Read the files; `app` is the id of the GitHub App that pushes to gitops/.

    Raises:
        BadInput: a file is missing or is no JSON.
    """
    try:
        rulesets = [json.loads(one.read_text()) for one in sorted((folder / "rulesets").glob("*.json"))]
        environments = [json.loads(one.read_text()) for one in sorted((folder / "environments").glob("*.json"))]
        workflow = json.loads((folder / "settings.json").read_text())
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder} cannot be read", expected="JSON", found=str(error), hint=f"git status {folder}"
        ) from error
    for one in rulesets:
        for actor in one["bypass_actors"]:
            if actor["actor_id"] == APP:
                actor["actor_id"] = app
    refs: dict[str, list[str]] = {"branches": [], "tags": []}
    return Wanted({one["name"]: one for one in rulesets}, {one["name"]: refs | one for one in environments}, workflow)


def compare(ask: Ask, repository: str, wanted: Wanted) -> list[Point]:
    """Say where the repository is not as the files say; nothing where it is."""
    top, found = f"repos/{repository}", []
    for name, ruleset in wanted.rulesets.items():
        there = _ruleset(ask, top, name)
        found += list(_missing(f"ruleset {name}", _by_type(ruleset), _by_type(there)))
    for name, environment in wanted.environments.items():
        found += list(_missing(f"environment {name}", environment, _environment(ask, top, name)))
    found += list(_missing("workflows", wanted.workflow, ask("GET", f"{top}/{WORKFLOW}", None)))
    owners = ask("GET", f"{top}/codeowners/errors", None)
    if owners is None:
        return [*found, Point("CODEOWNERS", "a file", "none on the default branch")]
    errors = (f"line {one['line']}: {one['kind']}" for one in owners["errors"])
    return found + [Point("CODEOWNERS", "owners who exist and may write", one) for one in errors]


def apply(ask: Ask, repository: str, wanted: Wanted) -> None:
    """Make the repository what the files say. Run again, it changes nothing."""
    top = f"repos/{repository}"
    for name, ruleset in wanted.rulesets.items():
        there = _ruleset(ask, top, name)
        if there is None:
            ask("POST", f"{top}/rulesets", ruleset)
        elif any(_missing("", _by_type(ruleset), _by_type(there))):
            ask("PUT", f"{top}/rulesets/{there['id']}", ruleset)
    for name, environment in wanted.environments.items():
        if any(_missing("", environment, _environment(ask, top, name))):
            _apply_environment(ask, top, repository.partition("/")[0], environment)
    ask("PUT", f"{top}/{WORKFLOW}", wanted.workflow)


def _ruleset(ask: Ask, top: str, name: str) -> dict[str, Any] | None:
    for one in ask("GET", f"{top}/rulesets?includes_parents=false&per_page=100", None) or []:
        if one["name"] == name:
            found: dict[str, Any] = ask("GET", f"{top}/rulesets/{one['id']}", None)
            return found
    return None


def _by_type(ruleset: dict[str, Any] | None) -> dict[str, Any] | None:
    if ruleset is None:
        return None
    return ruleset | {"rules": {one["type"]: one.get("parameters") or {} for one in ruleset["rules"]}}


def _environment(ask: Ask, top: str, name: str) -> dict[str, Any] | None:
    said = ask("GET", f"{top}/environments/{name}", None)
    if said is None:
        return None
    rules = {one["type"]: one for one in said.get("protection_rules") or []}
    reviews = rules.get("required_reviewers") or {}
    policy = said.get("deployment_branch_policy") or {}
    below = f"{top}/environments/{name}/deployment-branch-policies"
    refs = (ask("GET", below, None) or {}).get("branch_policies", []) if policy.get("custom_branch_policies") else []
    return {
        "name": name,
        "wait_timer": (rules.get("wait_timer") or {}).get("wait_timer", 0),
        "prevent_self_review": reviews.get("prevent_self_review", False),
        "reviewers": [one["reviewer"].get("slug") or one["reviewer"]["login"] for one in reviews.get("reviewers", [])],
        "branches": [one["name"] for one in refs if one.get("type", "branch") == "branch"],
        "tags": [one["name"] for one in refs if one.get("type") == "tag"],
    }


def _apply_environment(ask: Ask, top: str, owner: str, wanted: dict[str, Any]) -> None:
    place = f"{top}/environments/{wanted['name']}"
    teams = {slug: ask("GET", f"orgs/{owner}/teams/{slug}", None) for slug in wanted["reviewers"]}
    absent = [slug for slug, team in teams.items() if team is None]
    if absent:
        raise BadInput(
            f"{owner} has no team {', '.join(absent)}",
            expected="the teams that .github/environments/ and .github/CODEOWNERS name",
            hint=f"make it at https://github.com/orgs/{owner}/teams, or name another in those files",
        )
    ask(
        "PUT",
        place,
        {
            "wait_timer": wanted["wait_timer"],
            "prevent_self_review": wanted["prevent_self_review"],
            "reviewers": [{"type": "Team", "id": team["id"]} for team in teams.values()],
            "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
        },
    )
    refs = {(name, kind) for kind, key in (("branch", "branches"), ("tag", "tags")) for name in wanted.get(key, [])}
    there = (ask("GET", f"{place}/deployment-branch-policies", None) or {}).get("branch_policies", [])
    have = {(one["name"], one.get("type", "branch")): one["id"] for one in there}
    for name, kind in sorted(refs - set(have)):
        ask("POST", f"{place}/deployment-branch-policies", {"name": name, "type": kind})
    for ref in sorted(set(have) - refs):
        ask("DELETE", f"{place}/deployment-branch-policies/{have[ref]}", None)


def _missing(where: str, wanted: Any, found: Any) -> Iterator[Point]:
    """Yield where `found` lacks what is wanted; a list must hold as many, in any order."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            if key == "bypass_actors" and key not in found:  # shown only to those who may write the ruleset
                yield Point(f"{where}.{key}", json.dumps(value), "not shown to this token", unseen=True)
            else:
                yield from _missing(f"{where}.{key}", value, found.get(key))
    elif isinstance(wanted, list) and isinstance(found, list):
        contained = all(any(not any(_missing("", one, other)) for other in found) for one in wanted)
        if len(wanted) != len(found) or not contained:
            yield Point(where, json.dumps(wanted), json.dumps(found))
    elif wanted != found:
        yield Point(where, json.dumps(wanted), json.dumps(found))
