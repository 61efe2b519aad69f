"""Where Git, MLflow and the cluster disagree about a model, in words, each with what to type next.

Pure: from what the sides answered. A side that could not be asked is None and is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from registry.tracking import CHAMPION, Version
from release.cluster.rollouts import DEGRADED, PAUSED, ArgoApplication, Rollout
from release.environments import PRODUCTION, STAGING
from release.forges.forge import PromotionRequest
from release.git.history import EnvironmentStep, taken_back
from release.model_registry import REFUSED, REJECTED
from release.release_file import Release


@dataclass(frozen=True)
class Place:
    """One environment: what Git releases and what runs; `rollout` is None where the cluster has none.

    `asked` is False where the cluster gave no answer: what it has is not known then.
    """

    environment: str
    namespace: str | None
    release: Release | None
    rollout: Rollout | None
    application: ArgoApplication | None
    asked: bool = True


@dataclass(frozen=True)
class Difference:
    """Where two of the three disagree, and what to type; `environment` is whose row differs, None for neither's."""

    said: str
    hint: str
    environment: str | None = None


def compare(
    model: str, places: list[Place], requests: tuple[PromotionRequest, ...], versions: tuple[Version, ...] | None
) -> list[Difference]:
    """Return where Git, MLflow and the cluster disagree about a model; nothing where all is one.

    `versions` is None where MLflow gave no answer.
    """
    rows = [
        replace(difference, environment=place.environment)
        for place in places
        for difference in (_in_cluster(model, place), _in_mlflow(model, place, versions))
        if difference
    ]
    releases = {place.environment: place.release for place in places}
    waiting = [_request(model, request, releases[STAGING]) for request in requests]
    champion = None if versions is None else _champion(releases[PRODUCTION], requests, versions)
    return [*rows, *waiting, *([champion] if champion else [])]


def _in_cluster(model: str, place: Place) -> Difference | None:
    if not place.asked:
        return None
    return _released(model, place, place.release) if place.release else _left_over(model, place)


def _left_over(model: str, place: Place) -> Difference | None:
    if place.rollout is None or place.rollout.active is None:
        return None
    text = f"{place.environment} runs a version that Git does not release"
    return Difference(text, f"slipway history {model} {place.environment}")


def _in_mlflow(model: str, place: Place, versions: tuple[Version, ...] | None) -> Difference | None:
    if place.release is None or versions is None:
        return None
    return _registered(model, place.environment, place.release, versions)


def _released(model: str, place: Place, release: Release) -> Difference | None:
    rollout, where = place.rollout, place.environment
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


def one_person(model: str, past: list[EnvironmentStep]) -> list[Difference]:
    """Say that who asked for what production releases merged it as well."""
    newest = next(iter(past), None)
    if newest is None or newest.release is None or newest.alone is None:
        return []
    said = f"production releases version {newest.release.version}, {newest.alone}"
    return [Difference(said, f"slipway history {model} --verify, then ask another person to review it, or roll back")]


def held_back(model: str, past: list[EnvironmentStep], requests: tuple[PromotionRequest, ...]) -> list[Difference]:
    """Say that production's newest step took a version out by Git alone, so that no one asks for it by itself."""
    step, gone = next(iter(taken_back(past)), (None, None))
    if step is None or gone is None or step is not past[0] or gone.version in {one.version for one in requests}:
        return []
    said = (
        f"{step.commit.author} took version {gone.version} out of production in Git, by commit {step.commit.sha[:12]}"
    )
    hint = f"move champion to it, or slipway promote {model}@{gone.version}, to ask again; slipway reject {model}@"
    return [Difference(f"{said}: it is on hold", f"{hint}{gone.version} --reason … ends it")]


def _held(application: ArgoApplication | None) -> str:
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


def _registered(model: str, environment: str, release: Release, versions: tuple[Version, ...]) -> Difference | None:
    there = next((one for one in versions if one.number == release.version), None)
    if there is None:
        text = f"{environment} releases version {release.version}, which MLflow does not have"
        return Difference(text, f"slipway versions {model}")
    if there.run_id != release.run_id:
        text = (
            f"{environment} releases version {release.version} of run {release.run_id[:12]}; MLflow's version "
            f"{there.number} is another, of run {(there.run_id or 'none')[:12]}: the model was deleted and made again"
        )
        return Difference(text, f"slipway stage {model}@{there.number}, or restore MLflow's database")
    digest = there.tags.get("image_digest")
    if digest != release.digest:
        return Difference(
            f"{environment} releases {release.digest[:19]} as version {release.version}; "
            f"MLflow has {(digest or 'no image')[:19]}",
            f"slipway trace {release.digest}",
        )
    if REJECTED in there.tags:
        text = f"{environment} releases version {release.version}, which was rejected: {there.tags[REJECTED]}"
        return Difference(text, f"slipway rollback {model} {environment} --reason …")
    return None


def _champion(
    production: Release | None, requests: tuple[PromotionRequest, ...], versions: tuple[Version, ...]
) -> Difference | None:
    champion = next((one for one in versions if CHAMPION in one.aliases), None)
    wanted, has = champion.number if champion else None, production.version if production else None
    if wanted == has or wanted in {one.version for one in requests}:
        return None
    refused = f": {champion.tags[REFUSED]}" if champion and REFUSED in champion.tags else ""
    text = f"champion is {_version(wanted)}, production releases {_version(has)}{refused}"
    return Difference(text, "slipway reconcile --once", PRODUCTION)


def _request(model: str, request: PromotionRequest, staging: Release | None) -> Difference:
    where = request.url or request.branch
    moved = (
        f"; staging runs {_version(staging.version)} by now" if staging and staging.version != request.version else ""
    )
    return Difference(
        f"version {request.version} waits for approval: {where}{moved}",
        f"open {request.url}" if request.url else f"slipway approve {model}",
    )


def _version(number: int | str | None) -> str:
    return f"version {number}" if number is not None else "nothing"
