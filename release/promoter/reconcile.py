"""`slipway reconcile`: what Git, MLflow and the cluster need so that they agree, done.

The loop that is the truth; the webhook only wakes it. Each pass looks at what is
there and does what is missing, so one that was cut off is completed by the next,
and two at once do everything once. What a person has to decide, it says and leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry import stored
from registry.tracking import Tracking, Version
from release import model_registry
from release.actions.reject import record as record_rejection
from release.actions.rollback import rollback
from release.actions.store_identity import same_record, same_registry
from release.cluster.api import Cluster
from release.cluster.placement import namespaces
from release.context import Context
from release.environments import ENVIRONMENTS, PRODUCTION, STAGING
from release.git.commits import REVERT, ROLLBACK
from release.git.history import history
from release.promoter.human_decisions import declined, held
from release.promoter.operator_actions import operator_actions
from release.promoter.outcome import PassOutcome
from release.promoter.promotion_request import request_promotion
from release.promoter.proposals import report
from release.promoter.stale import close_stale
from release.promoter.unrecorded import record_late
from slipway.errors import BadInput, Refused, SlipwayError, Unavailable

OpenCluster = Callable[[], Cluster]


@dataclass(frozen=True)
class PassResult:
    """What one pass found and did about a model, or about none; `failed` is what kept it from going on."""

    model: str
    outcomes: tuple[PassOutcome, ...]
    failed: str | None = None


def reconcile(context: Context, open_cluster: OpenCluster, models: list[str] | None = None) -> list[PassResult]:
    """Look at every model that has manifests, or at `models`, once; one model's failure leaves the others their turn.

    Raises:
        Refused: the history of the manifests was rewritten.
        Unavailable: Git does not answer.
    """
    context.clone.fetch()
    proposed = (
        _proposed(context) if models is None else []
    )  # first: that a change may merge waits neither for MLflow nor for the cluster
    same_record(context)
    known = context.clone.models()
    wanted = known if models is None else [one for one in models if one in known]
    return [*proposed, *(_one(context, open_cluster, model) for model in wanted)]


def _in_short(error: SlipwayError) -> str:
    return f"{error.thing}: {error.found or error.expected or ''}".rstrip(": ")


def _proposed(context: Context) -> list[PassResult]:
    try:
        found = report(context.forge, context.clone.remote.folder)
    except SlipwayError as error:
        return [PassResult("", (), _in_short(error))]
    return [PassResult("", tuple(found))] if found else []


def _one(context: Context, open_cluster: OpenCluster, model: str) -> PassResult:
    found: list[PassOutcome] = []
    try:
        same_registry(context, model)  # of the record, the pass has seen that it is the one
        tracking = context.open_tracking()
        found += record_late(context, model)
        found += _unfinished(context, tracking, model)
        found += _failures(context, open_cluster, tracking, model)
        found += close_stale(context, tracking, model)
        requests = context.forge.open_requests(model)
        found += declined(context, tracking, model, requests)
        found += held(context, tracking, model, requests)
        found += request_promotion(context, tracking, model)
        found += _mismatches(context, tracking, model)
    except SlipwayError as error:
        return PassResult(model, tuple(found), _in_short(error))
    return PassResult(model, tuple(found))


def _unfinished(context: Context, tracking: Tracking, model: str) -> list[PassOutcome]:
    """Complete a rollback or revert of production that was cut off after its commit."""
    newest = next(iter(history(context.clone, model, PRODUCTION, 1)), None)
    if newest is None or newest.release is None or newest.commit.action not in (ROLLBACK, REVERT):
        return []
    gone, key = newest.rejects, f"{newest.commit.action}:{newest.commit.sha}"
    champion = model_registry.champion(tracking, model)
    marked = gone is None or gone in model_registry.rejected(tracking, model)
    if marked and (champion is None or champion.number != gone) and context.audit.known([key]):
        return []
    reason = f"production was rolled back from it by {newest.commit.author.name}"
    rollback(context, model, PRODUCTION, reason)
    return [PassOutcome("completed", newest.release.version, f"the {newest.commit.action} from version {gone}")]


def _failures(context: Context, open_cluster: OpenCluster, tracking: Tracking, model: str) -> list[PassOutcome]:
    """Take back what the cluster gave up by itself."""
    where = namespaces(context.clone, [model])
    wanted = {each: context.clone.release(model, each) for each in ENVIRONMENTS if (model, each) in where}
    released = {each: one for each, one in wanted.items() if one is not None}
    if not released:
        return []
    try:
        cluster = open_cluster()
        runs = cluster.rollouts([where[(model, each)] for each in released])
        found = []
        for each, release in released.items():
            rollout = runs.get((where[(model, each)], model))
            if rollout is not None:
                found += operator_actions(context, each, release, rollout)
            if rollout is not None and rollout.failed and rollout.digest == release.digest:
                found.append(_take_back(context, tracking, model, each, release.version, cluster.explain(rollout)))
    except Unavailable as error:
        return [PassOutcome("waiting", None, f"{error.thing}: {error.found or error.expected}")]
    return found


def _take_back(
    context: Context, tracking: Tracking, model: str, environment: str, version: int, said: str
) -> PassOutcome:
    reason = f"failed in {environment}: {said}"
    newest = history(context.clone, model, environment, 1)[0]
    if newest.commit.action in (ROLLBACK, REVERT):
        return PassOutcome("person", version, f"{reason}; it was itself a way back, so it stays")
    if environment == STAGING:  # before the commit: afterwards nothing says any more what failed
        _mark(context, tracking, model, version, reason)
    try:
        back = rollback(context, model, environment, reason, action=REVERT)
    except BadInput as error:  # the first release of the environment
        _mark(context, tracking, model, version, reason)
        return PassOutcome("rejected", version, f"{reason}; {error.thing}")
    except Refused as error:  # nothing that may come back by itself: what runs stays
        return PassOutcome("person", version, f"{reason}; {error.thing}: {error.found}")
    return PassOutcome("reverted", version, f"{reason}; {environment} is back at version {back.release.version}")


def _mark(context: Context, tracking: Tracking, model: str, version: int, reason: str) -> None:
    model_registry.reject(tracking, model, version, reason)
    runs = context.clone.release(model, PRODUCTION)
    there = model_registry.champion(tracking, model)
    back = runs.version if runs and runs.version != version else None
    if there is not None and there.number == version:
        model_registry.move_champion(tracking, model, back)
    found = next((one for one in tracking.versions(model) if one.number == version), None)
    record_rejection(context, found or Version(model, version, "deleted", 0, {}, ()), reason)


def _mismatches(context: Context, tracking: Tracking, model: str) -> list[PassOutcome]:
    """Say where a release, its version in MLflow, its files in the store and its image do not belong together."""
    versions = {one.number: one for one in tracking.versions(model)}
    found = []
    for each in ENVIRONMENTS:
        release = context.clone.release(model, each)
        if release is None:
            continue
        version = versions.get(release.version)
        digest = version.tags.get("image_digest") if version else None
        if digest != release.digest:
            said = f"MLflow has {digest or 'no such image'}" if version else "MLflow has no such version"
            found.append(PassOutcome("mismatch", release.version, f"{each} releases {release.digest}; {said}"))
        image = context.in_registry(release.image, release.digest)
        if not image.passed:
            found.append(PassOutcome("mismatch", release.version, f"the image that {each} releases: {image.reason}"))
        if version and (lacks := stored.missing(tracking, version)):
            said = f"the artifact store has no {', '.join(lacks)} of what {each} releases"
            found.append(PassOutcome("mismatch", release.version, said))
    said = "the artifact store has a model {}; MLflow knows of none"
    return found + [PassOutcome("mismatch", None, said.format(one)) for one in stored.unowned(tracking, model)]
