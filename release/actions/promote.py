"""`slipway promote`: judge a version for production and open the request that copies staging's release file.

Nothing reaches production here. A refusal is tagged on the version and recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.export import find
from registry.tracking import Version
from registry.verdict import Verdict
from release import model_registry
from release.actions.close_request import CLOSE, close_request
from release.actions.request_body import request_body
from release.actions.store_identity import same_stores
from release.context import Context
from release.environments import PRODUCTION
from release.forges.approvable import why_stale
from release.forges.forge import PromotionRequest, branch_of, of_branch
from release.git.commits import DECLINE, PROMOTE
from release.git.overlays import overlaid
from release.git.push import branches, push_branch
from release.git.requests import stale, tip
from release.release_file import Release, of_version, render
from release.rules.candidate import PromotionCandidate
from release.rules.policy import judge
from slipway.errors import Refused


@dataclass(frozen=True)
class Promotion:
    """A candidate with its verdict; `request` is None where production runs it already."""

    release: Release
    request: PromotionRequest | None
    created: bool
    verdict: Verdict | None


def promote(
    context: Context, name: str, reference: str = "@champion", rollback: bool = False, reason: str = ""
) -> Promotion:
    """Open the request that brings version `reference` of `name` to production, or find it open.

    Raises:
        BadInput: no such version, no image of it, or no manifests of the model.
        Refused: a rule refuses; the version's tag promotion_refused names which.
        Unavailable: Git, MLflow or the forge failed; the same command completes it.
    """
    context.say("asking MLflow")
    same_stores(context, name)
    tracking = context.open_tracking()
    version = find(tracking, name, reference)
    release = of_version(version)
    if overlaid(context.clone, name, PRODUCTION) == release:
        return Promotion(release, None, False, None)
    context.say("judging")
    verdict = judge(PromotionCandidate(context, tracking, version, release, rollback)).verdict
    if not verdict.passed:
        _refuse(context, version, release, verdict)
    context.say("opening the request")
    request, created = _request(context, release, verdict, rollback, reason)
    _close_others(context, release)
    model_registry.refuse(tracking, version, None)
    model_registry.move_champion(tracking, name, release.version)
    context.record_release(PROMOTE, release, request.tip, PRODUCTION, reason)
    return Promotion(release, request, created, verdict)


def _request(
    context: Context, release: Release, verdict: Verdict, rollback: bool, reason: str
) -> tuple[PromotionRequest, bool]:
    """Return the open request of a release, and whether it had to be opened."""
    name = release.model
    branch = branch_of(name, release.version)
    kept = _kept(context, name, branch)
    sha = kept or _push(context, release, branch, rollback, reason)
    _yield_to_newer(context, name, branch, sha)
    title = f"Release {name} {release.version} to production"
    request = context.forge.request(branch, sha, title, request_body(context.clone, release, verdict, sha, reason))
    context.forge.report(sha, True, "every rule passed")
    return request, kept is None


def _close_others(context: Context, release: Release) -> None:
    for request in context.forge.open_requests(release.model):
        if request.version != release.version:
            why = why_stale(context.clone, request)
            close_request(context, request, why or f"version {release.version} is asked for now")


def _refuse(context: Context, version: Version, candidate: Release, verdict: Verdict) -> None:
    reasons = "; ".join(f"{rule.name}: {rule.reason}" for rule in verdict.failures)
    model_registry.refuse(context.open_tracking(), version, reasons)
    # One record for each set of rules, however often a reconciler asks and whatever the seconds are by then.
    names = ",".join(rule.name for rule in verdict.failures)
    before = context.clone.release(candidate.model, PRODUCTION)
    context.record(
        "refuse",
        f"{candidate.digest}:{names}",
        model=candidate.model,
        version=candidate.version,
        source=before.digest if before else None,
        target=candidate.digest,
        reason=reasons,
    )
    raise Refused(
        f"{version.name} version {version.number} may not go to production",
        expected="every rule of promotion passed",
        found=reasons,
        hint=f"slipway status {version.name}",
    )


def _push(context: Context, candidate: Release, branch: str, rollback: bool, reason: str) -> str:
    clone, path = context.clone, context.clone.path(candidate.model, PRODUCTION)
    more = {"Rollback": "yes"} if rollback else {}
    subject = f"Release {candidate.model} {candidate.version} to production"
    text = context.message(subject, PROMOTE, candidate, PRODUCTION, reason, more)
    sha = clone.commit({path: render(candidate)}, text, [clone.head])
    push_branch(clone, sha, branch)
    return sha


def _kept(context: Context, name: str, branch: str) -> str | None:
    """Return the tip of the request's branch where it goes on; one that is stale or was closed makes room."""
    sha = tip(context.clone, branch)
    if sha is None:
        return None
    found = [one for one in context.forge.open_requests(name) if one.branch == branch]
    why = stale(context.clone, name, sha)
    if why is None and (found or not context.audit.known([f"{CLOSE}:{sha}", f"{DECLINE}:{sha}"])):
        return sha
    request = found[0] if found else PromotionRequest(name, int(branch.rpartition("/")[2]), branch, sha, "")
    close_request(context, request, f"stale: {why}" if why else "it was closed before; a new one is opened")
    return None


def _yield_to_newer(context: Context, name: str, branch: str, sha: str) -> None:
    # Two that began at once see each other here at the latest; the newer version stays.
    there = {other: of_branch(other) for other in branches(context.clone, f"release/{name}/*")}
    number = int(branch.rpartition("/")[2])
    newer = [
        other
        for other, found in sorted(there.items())
        if found and found[1] > number and not stale(context.clone, name, tip(context.clone, other) or sha)
    ]
    if newer:
        close_request(
            context, PromotionRequest(name, number, branch, sha, ""), f"{newer[0]} is open, for a newer version"
        )
        raise Refused(
            f"a newer promotion of {name} is open",
            expected="one request at a time",
            found=newer[0],
            hint=f"slipway approve {name}, or close that request, first",
        )
