"""`slipway status`: Git, MLflow and the cluster side by side, and where they differ, in words.

Reads and never changes. Git has what is to run, MLflow who is champion, Kubernetes what runs. A side that does
not answer is named, and the others are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from registry.tracking import Version
from release.cluster.api import Cluster
from release.cluster.placement import namespaces
from release.cluster.rollouts import ArgoApplication, Rollout
from release.context import Context
from release.environments import ENVIRONMENTS, PRODUCTION
from release.forges.forge import PromotionRequest, of_branch
from release.git.history import history
from release.git.push import branches
from release.release_file import Release
from release.views.differences import Difference, Place, compare, held_back, one_person
from slipway.errors import BadInput, SlipwayError

Given = TypeVar("Given")


@dataclass(frozen=True)
class Status:
    """One model, on all sides; `versions` is None where MLflow gave no answer, `missing` is who did not answer."""

    model: str
    staging: Place
    production: Place
    requests: tuple[PromotionRequest, ...]
    versions: tuple[Version, ...] | None
    differences: tuple[Difference, ...]
    missing: tuple[str, ...] = ()

    @property
    def agree(self) -> bool | None:
        """Whether all sides agree; None where one gave no answer and nothing differs among the others."""
        return False if self.differences else None if self.missing else True

    def holder(self, alias: str) -> Version | None:
        """Return the version that has an alias."""
        return next((version for version in self.versions or () if alias in version.aliases), None)


@dataclass(frozen=True)
class SideAnswers:
    """What each side has of the models; None of MLflow and of the cluster where it gave no answer."""

    namespaces: dict[tuple[str, str], str]
    releases: dict[tuple[str, str], Release | None]
    requested: set[str]
    versions: dict[str, list[Version]] | None
    rollouts: dict[tuple[str, str], Rollout] | None
    applications: dict[str, ArgoApplication] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def place(self, model: str, environment: str) -> Place:
        """Return one environment of a model."""
        namespace, release = self.namespaces.get((model, environment)), self.releases.get((model, environment))
        rollout = (self.rollouts or {}).get((namespace or "", model))
        application = self.applications.get(namespace or "")
        return Place(environment, namespace, release, rollout, application, asked=self.rollouts is not None)


def status(context: Context, open_cluster: Callable[[], Cluster], name: str | None = None) -> list[Status]:
    """Return the status of `name`, or of every model that has manifests.

    Raises:
        BadInput: no such model.
        Unavailable: Git or its forge did not answer.
    """
    models = _models(context, name)
    sides = _ask(context, open_cluster, models, name)
    return [_status(context, sides, model) for model in models]


def _models(context: Context, name: str | None) -> list[str]:
    known = context.clone.models()
    if name is not None and name not in known:
        expected = f"one of {', '.join(known) or 'none'}"
        raise BadInput(f"{context.clone.where} has no model {name}", expected=expected, hint="slipway status")
    return known if name is None else [name]


def _ask(context: Context, open_cluster: Callable[[], Cluster], models: list[str], name: str | None) -> SideAnswers:
    clone = context.clone
    where = namespaces(clone, models)
    missing: list[str] = []

    def cluster() -> tuple[dict[tuple[str, str], Rollout], dict[str, ArgoApplication]]:
        opened = open_cluster()
        rollouts = opened.rollouts(sorted(set(where.values())))
        return rollouts, {application.namespace: application for application in opened.applications().values()}

    context.say("asking MLflow")
    versions = _tolerant(lambda: context.open_tracking().registered(name), missing)
    context.say("asking the cluster")
    rollouts, applications = _tolerant(cluster, missing) or (None, {})
    return SideAnswers(where, clone.releases(), _requested(context), versions, rollouts, applications, tuple(missing))


def _status(context: Context, sides: SideAnswers, model: str) -> Status:
    staging, production = places = [sides.place(model, environment) for environment in ENVIRONMENTS]
    requests = tuple(context.forge.open_requests(model)) if model in sides.requested else ()
    versions = None if sides.versions is None else tuple(sides.versions.get(model, []))
    past = history(context.clone, model, PRODUCTION, 2)
    differences = [
        *compare(model, places, requests, versions),
        *one_person(model, past),
        *held_back(model, past, requests),
    ]
    return Status(model, staging, production, requests, versions, tuple(differences), sides.missing)


def _tolerant(ask: Callable[[], Given], missing: list[str]) -> Given | None:
    """Return the answer of one side, or None and note why there is none."""
    try:
        return ask()
    except SlipwayError as error:
        missing.append(f"{error.thing}: {error.found or error.expected or ''}".rstrip(": "))
        return None


def _requested(context: Context) -> set[str]:
    named = (of_branch(branch) for branch in branches(context.clone, "release/*/*"))
    return {request[0] for request in named if request}
