"""`slipway status`: Git, MLflow and the cluster side by side, and where they differ, in words.

Reads and never changes. Git says what is to run, MLflow who is champion,
Kubernetes what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from registry.tracking import CHAMPION, Version
from release.actions.context import Context
from release.actions.wishes import REFUSED, REJECTED
from release.cluster.api import Cluster
from release.cluster.placement import namespaces
from release.cluster.rollouts import DEGRADED, PAUSED, Application, Rollout
from release.forges.forge import Request, of_branch
from release.git.commits import ENVIRONMENTS, PRODUCTION, STAGING
from release.git.history import Entry as Step
from release.git.history import history, taken_back
from release.git.push import branches
from release.release_file import Release
from slipway.errors import BadInput


@dataclass(frozen=True)
class Place:
    """One environment: what Git says and what runs; `rollout` is None where the cluster has none."""

    environment: str
    namespace: str | None
    release: Release | None
    rollout: Rollout | None
    application: Application | None


@dataclass(frozen=True)
class Difference:
    """Where two of the three disagree, and what to type; `environment` is whose row differs, None for neither's."""

    said: str
    hint: str
    environment: str | None = None


@dataclass(frozen=True)
class Status:
    """One model, on all sides."""

    model: str
    staging: Place
    production: Place
    requests: tuple[Request, ...]
    versions: tuple[Version, ...]
    differences: tuple[Difference, ...]

    def holder(self, alias: str) -> Version | None:
        """Return the version that has an alias."""
        return next((one for one in self.versions if alias in one.aliases), None)


def status(context: Context, open_cluster: Callable[[], Cluster], name: str | None = None) -> list[Status]:
    """Return how `name` stands, or every model that has manifests.

    Raises:
        BadInput: no such model.
        Unavailable: Git, MLflow or the cluster did not answer.
    """
    clone = context.clone
    known = clone.models()
    if name is not None and name not in known:
        raise BadInput(
            f"{clone.where} has no model {name}", expected=f"one of {', '.join(known) or 'none'}", hint="slipway status"
        )
    models = known if name is None else [name]
    context.say("asking MLflow")
    tracking = context.open_tracking()
    versions = tracking.registered(name)
    context.say("asking the cluster")
    where = namespaces(clone, models)
    cluster = open_cluster()
    runs = cluster.rollouts(sorted(set(where.values())))
    applications = {one.namespace: one for one in cluster.applications().values()}
    releases, asked = clone.releases(), _requested(context)

    def place(model: str, environment: str) -> Place:
        namespace = where.get((model, environment))
        rollout, application = runs.get((namespace or "", model)), applications.get(namespace or "")
        return Place(environment, namespace, releases.get((model, environment)), rollout, application)

    found = []
    for model in models:
        staging, production = places = [place(model, each) for each in ENVIRONMENTS]
        requests = tuple(context.forge.open_requests(model)) if model in asked else ()
        mine = tuple(versions.get(model, []))
        past = history(clone, model, PRODUCTION, 2)
        differences = [
            *compare(model, places, requests, mine),
            *_people(model, past),
            *_held_back(model, past, requests),
        ]
        found.append(Status(model, staging, production, requests, mine, tuple(differences)))
    return found


def compare(
    model: str, places: list[Place], requests: tuple[Request, ...], versions: tuple[Version, ...]
) -> list[Difference]:
    """Return where Git, MLflow and the cluster disagree about a model; nothing where all is one."""
    asked = [(place, one) for place in places for one in (_runs(model, place), _registered(model, place, versions))]
    found = [replace(one, environment=place.environment) for place, one in asked if one]
    by_name = {place.environment: place.release for place in places}
    wish = _wish(by_name[PRODUCTION], requests, versions)
    waiting = [_request(model, one, by_name[STAGING]) for one in requests]
    return [*found, *waiting, *([wish] if wish else [])]


def _runs(model: str, place: Place) -> Difference | None:
    release, rollout = place.release, place.rollout
    where = place.environment
    if release is None:
        left = rollout is not None and rollout.active is not None
        return (
            Difference(f"{where} runs a version that Git does not release", f"slipway history {model} {where}")
            if (left)
            else None
        )
    if rollout is None:
        text = f"{where} is to run version {release.version}, and there is no Rollout {place.namespace}/{model}"
        if place.application is None:  # none was made: it was not let in, or nothing in Argo CD makes them
            finds = f"kubectl -n argocd describe applicationset slipway-{where}"
            return Difference(f"{text}: no Application deploys to {place.namespace}", finds)
        return Difference(text, f"argocd app get {model}-{where}")
    if rollout.digest != release.digest:
        text = f"{where} is to run version {release.version}; Argo CD still has {_version(rollout.version)}"
        return Difference(text + _held(place.application), f"argocd app sync {model}-{where}")
    if rollout.active == release.digest and rollout.phase != DEGRADED:
        return None if rollout.judged else _unjudged(model, where, release)
    return _unfinished(model, where, release, rollout)


def _people(model: str, past: list[Step]) -> list[Difference]:
    """Say that who asked for what production releases merged it as well."""
    newest = next(iter(past), None)
    if newest is None or newest.release is None or newest.alone is None:
        return []
    said = f"production releases version {newest.release.version}, {newest.alone}"
    return [Difference(said, f"slipway history {model} --verify, then ask another person to review it, or roll back")]


def _held_back(model: str, past: list[Step], requests: tuple[Request, ...]) -> list[Difference]:
    """Say that production's newest step took a version out by Git alone, so that nobody asks for it by itself."""
    step, gone = next(iter(taken_back(past)), (None, None))
    if step is None or gone is None or step is not past[0] or gone.version in {one.version for one in requests}:
        return []
    said = (
        f"{step.commit.author} took version {gone.version} out of production in Git, by commit {step.commit.sha[:12]}"
    )
    hint = f"move champion to it, or slipway promote {model}@{gone.version}, to ask again; slipway reject {model}@"
    return [Difference(f"{said}: it is on hold", f"{hint}{gone.version} --reason … ends it")]


def _held(application: Application | None) -> str:
    if application is None:
        return ""
    windows = f"; its project's sync windows: {', '.join(application.windows)}" if application.windows else ""
    return f" ({application.sync}{windows})"


def _unjudged(model: str, where: str, release: Release) -> Difference:
    text = f"version {release.version} is the first release of {where}, and no analysis has judged it"
    return Difference(text, f"slipway smoke {model} {where}")


def _unfinished(model: str, where: str, release: Release, rollout: Rollout) -> Difference:
    runs = f"{where} still runs {_version(rollout.active_version)}"
    if rollout.phase == PAUSED:
        text = f"version {release.version} is in preview and waits for an operator; {runs}"
        return Difference(text, f"slipway resume {model} {where}, or slipway abort {model} {where}")
    if rollout.failed:
        return Difference(
            f"version {release.version} failed in {where}: {rollout.failed}; {runs}", "slipway reconcile --once"
        )
    if rollout.aborted:
        return Difference(
            f"version {release.version} was aborted by hand; {runs}",
            f"slipway rollback {model} {where} --reason …, "
            f"or kubectl argo rollouts -n {rollout.namespace} retry rollout {model}",
        )
    text = f"version {release.version} is on its way in {where}: {rollout.phase} {rollout.message}".strip()
    return Difference(f"{text}; {runs}", f"slipway status {model} --watch")


def _registered(model: str, place: Place, versions: tuple[Version, ...]) -> Difference | None:
    release = place.release
    if release is None:
        return None
    there = next((one for one in versions if one.number == release.version), None)
    if there is None:
        text = f"{place.environment} releases version {release.version}, which MLflow does not have"
        return Difference(text, f"slipway versions {model}")
    if there.run_id != release.run_id:
        text = (
            f"{place.environment} releases version {release.version} of run {release.run_id[:12]}; MLflow's version "
            f"{there.number} is another, of run {(there.run_id or 'none')[:12]}: the model was deleted and made again"
        )
        return Difference(text, f"slipway stage {model}@{there.number}, or restore MLflow's database")
    digest = there.tags.get("image_digest")
    if digest != release.digest:
        return Difference(
            f"{place.environment} releases {release.digest[:19]} as version {release.version}; "
            f"MLflow has {(digest or 'no image')[:19]}",
            f"slipway trace {release.digest}",
        )
    if REJECTED in there.tags:
        text = f"{place.environment} releases version {release.version}, which was rejected: {there.tags[REJECTED]}"
        return Difference(text, f"slipway rollback {model} {place.environment} --reason …")
    return None


def _wish(
    production: Release | None, requests: tuple[Request, ...], versions: tuple[Version, ...]
) -> Difference | None:
    champion = next((one for one in versions if CHAMPION in one.aliases), None)
    wanted, has = champion.number if champion else None, production.version if production else None
    if wanted == has or wanted in {one.version for one in requests}:
        return None
    refused = f": {champion.tags[REFUSED]}" if champion and REFUSED in champion.tags else ""
    text = f"champion is {_version(wanted)}, production releases {_version(has)}{refused}"
    return Difference(text, "slipway reconcile --once", PRODUCTION)


def _request(model: str, request: Request, staging: Release | None) -> Difference:
    where = request.url or request.branch
    moved = (
        f"; staging runs {_version(staging.version)} by now" if staging and staging.version != request.version else ""
    )
    return Difference(
        f"version {request.version} waits for approval: {where}{moved}",
        f"open {request.url}" if request.url else f"slipway approve {model}",
    )


def _requested(context: Context) -> set[str]:
    named = (of_branch(one) for one in branches(context.clone, "release/*/*"))
    return {found[0] for found in named if found}


def _version(number: int | str | None) -> str:
    return f"version {number}" if number is not None else "nothing"
